"""How far the demo is: what was sent, what the worker booked, what ClickHouse has."""

import sys
import time
from decimal import Decimal

import clickhouse_connect
import urllib3
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition
from msgspec import Struct

from deploy.local.demo_story import ACCOUNTS, Told
from deploy.local.stack import Endpoints
from schemas.topics import TopicNames

_TIMEOUT_SECONDS = 10
_PLAIN_LINE_SECONDS = 2.0
_BAR_WIDTH = 24
DATABASE = "creditstream"

_COUNTS = """
SELECT
    (SELECT count() FROM priced_events) AS charges,
    (SELECT sum(credits) FROM priced_events) AS charges_credits,
    (SELECT count() FROM rejected_input WHERE topic = {usage_topic:String}) AS dead_letters,
    (SELECT sum(events) FROM current_balances) AS balances_events,
    (SELECT sum(charged_credits) FROM current_balances) AS balances_credits,
    (SELECT sum(charged_credits - refunded_credits) FROM current_balances) AS balances_kept_credits,
    (SELECT sum(events) FROM usage_by_hour) AS rollups_events,
    (SELECT sum(credits) FROM usage_by_hour) AS rollups_credits,
    (SELECT sum(sequence) FROM current_balances) AS balances_entries,
    (SELECT count() FROM ledger_entries) AS entries,
    (SELECT sum(held_credits) FROM current_balances) AS balances_held_credits,
    (SELECT sum(held_credits) FROM credit_lots) AS lots_held_credits,
    (
        SELECT count()
        FROM ledger_entries
        WHERE kind = 'granted' AND has({lots:Array(String)}, concat(account, ' ', lot))
    ) AS granted,
    (SELECT count() FROM alerts_sent WHERE has({accounts:Array(String)}, account)) AS alerts,
    (SELECT count() FROM refills_asked WHERE has({accounts:Array(String)}, account)) AS refill_requests
"""


class InClickHouse(Struct, frozen=True):
    """The same events and entries, as each table tells of them; grants, alerts and refills of the story."""

    charges: int
    charges_credits: Decimal
    dead_letters: int
    balances_events: int
    balances_credits: Decimal
    balances_kept_credits: Decimal
    rollups_events: int
    rollups_credits: Decimal
    balances_entries: int
    entries: int
    balances_held_credits: Decimal
    lots_held_credits: Decimal
    granted: int
    alerts: int
    refill_requests: int

    def has_all(self, sent: int, told: Told) -> bool:
        """Whether every event sent and all that was told is there, and all tables tell the same."""
        return (
            self.charges + self.dead_letters == sent
            and self.charges == self.balances_events == self.rollups_events
            and self.charges_credits == self.balances_credits
            and self.balances_kept_credits == self.rollups_credits
            and self.balances_entries == self.entries
            and self.balances_held_credits == self.lots_held_credits
            and (self.granted, self.alerts, self.refill_requests) == (len(told.lots), told.alerts, told.refill_requests)
        )


class Counts(Struct, frozen=True):
    """One look at the whole pipeline."""

    sent: int
    booked: int
    in_clickhouse: InClickHouse

    @property
    def arrived(self) -> int:
        return self.in_clickhouse.charges + self.in_clickhouse.dead_letters


class Counter:
    """Looks at Kafka, the worker's metrics and ClickHouse."""

    def __init__(self, endpoints: Endpoints, partitions: int, worker_url: str, told: Told) -> None:
        self._topics = TopicNames()
        self._partitions = partitions
        self._worker_url = worker_url
        self._told = told
        self._consumer = Consumer({"bootstrap.servers": endpoints.bootstrap_servers, "group.id": "demo-counter"})
        self._http = urllib3.PoolManager(timeout=_TIMEOUT_SECONDS)
        self.clickhouse = connect(endpoints)

    def look(self) -> Counts:
        """The counts of this moment."""
        return Counts(self._sent(), self._booked(), self._in_clickhouse())

    def close(self) -> None:
        self._consumer.close()
        self.clickhouse.close()

    def _sent(self) -> int:
        ends = [
            self._consumer.get_watermark_offsets(TopicPartition(self._topics.usage_events, partition), timeout=10)
            for partition in range(self._partitions)
        ]
        return sum(high - low for low, high in ends)

    def _booked(self) -> int:
        """Events that the worker has dealt with; 0 while it cannot say."""
        try:
            response = self._http.request("GET", f"{self._worker_url}/metrics", retries=False)
        except urllib3.exceptions.HTTPError:
            return 0
        lines = response.data.decode().splitlines()
        counted = [line for line in lines if line.startswith("creditstream_events_total") and "command" not in line]
        return int(sum(float(line.rpartition(" ")[2]) for line in counted))

    def _in_clickhouse(self) -> InClickHouse:
        asked = {
            "usage_topic": self._topics.usage_events,
            "lots": [" ".join(each) for each in self._told.lots],
            "accounts": list(ACCOUNTS),
        }
        return InClickHouse(*self.clickhouse.query(_COUNTS, parameters=asked).result_rows[0])


def connect(endpoints: Endpoints) -> Client:
    """A client of the demo's database."""
    return clickhouse_connect.get_client(
        host=endpoints.clickhouse_host,
        port=endpoints.clickhouse_port,
        username=endpoints.clickhouse_user,
        database=DATABASE,
        autogenerate_session_id=False,
    )


class Display:
    """One line that is drawn again on a terminal; plain lines, now and then, elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._printed_at = 0.0

    def show(self, counts: Counts, *, last: bool = False) -> None:
        """Tell how far it is; the last time always."""
        if self._is_terminal:
            print(f"\r\033[K  {_bar(counts)} {_text(counts)}", end="\n" if last else "", flush=True)
        elif last or time.monotonic() - self._printed_at >= _PLAIN_LINE_SECONDS:
            self._printed_at = time.monotonic()
            print(f"  {_text(counts)}", flush=True)


def _bar(counts: Counts) -> str:
    done = _BAR_WIDTH * counts.arrived // max(1, counts.sent)
    return "#" * done + "." * (_BAR_WIDTH - done)


def _text(counts: Counts) -> str:
    return f"sent {counts.sent:,}   booked {counts.booked:,}   in ClickHouse {counts.arrived:,}"
