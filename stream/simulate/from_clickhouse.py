"""Recorded usage from ClickHouse's charges: all that was ever booked, unless a TTL removed it."""

import logging
from collections.abc import Iterator

import clickhouse_connect
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.clickhouse_settings import ClickHouseSettings
from stream.simulate.chosen import Chosen, Recorded, UnreadableChargesError

# The client logs what it raises, too.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

_LONGEST_MESSAGE = 1_000
# Equal quantities are priced once. What does not fit into memory is grouped on disk.
_USAGE = """
SELECT {by}, node, toInt64(quantity * 1000000) AS quantity_micros, count(), toInt128(sum(credits) * 1000000)
FROM charges FINAL
WHERE occurred_at >= fromUnixTimestamp64Milli({{from_ms:Int64}}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({{until_ms:Int64}}, 'UTC')
    AND ({{account:String}} = '' OR account = {{account:String}})
    AND (empty({{priced_by:Array(String)}}) OR has({{priced_by:Array(String)}}, rate_card))
GROUP BY {by}, node, quantity_micros
SETTINGS max_bytes_before_external_group_by = 1000000000"""


def clickhouse_charges(settings: ClickHouseSettings, chosen: Chosen) -> Iterator[Recorded]:
    """The charges that are chosen, in blocks as they come."""
    asked = {
        "from_ms": chosen.from_ms,
        "until_ms": chosen.until_ms,
        "account": chosen.account,
        "priced_by": sorted(chosen.priced_by),
    }
    try:
        client = _connected(settings)
        try:
            with client.query_row_block_stream(_USAGE.format(by=chosen.by), parameters=asked) as blocks:
                for block in blocks:
                    for row in block:
                        yield Recorded(*row)
        finally:
            client.close()
    except (ClickHouseError, OSError) as error:
        raise UnreadableChargesError(f"{place_of(settings)}: {str(error)[:_LONGEST_MESSAGE]}") from None


def place_of(settings: ClickHouseSettings) -> str:
    """How people call the table."""
    return f"ClickHouse {settings.clickhouse_host}:{settings.clickhouse_port} {settings.clickhouse_database}.charges"


def _connected(settings: ClickHouseSettings) -> Client:
    return clickhouse_connect.get_client(
        host=settings.clickhouse_host,
        port=settings.clickhouse_port,
        username=settings.clickhouse_user,
        password=settings.clickhouse_password,
        database=settings.clickhouse_database,
        secure=settings.clickhouse_secure,
        verify=settings.clickhouse_verify,
        ca_cert=settings.clickhouse_ca_location or None,
        connect_timeout=min(10, settings.clickhouse_timeout_seconds),
        send_receive_timeout=settings.clickhouse_timeout_seconds,
        query_retries=0,
        autogenerate_session_id=False,
    )
