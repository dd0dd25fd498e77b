"""Every topic, spelled out: partitions, retention, compaction, sizes, replication. Nothing relies on auto-creation."""

import msgspec
from msgspec import Struct

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS
_MIB = 1 << 20
_CORRECTED_DAYS = 90
"""For so long a charge may be voided or priced anew, for which it is read back with its entries."""

LARGEST_RECORD_BYTES = 4 * _MIB
"""`max.message.bytes` of what arrives from outside, above what is accepted, so that too large is a dead letter."""
LARGEST_OUTPUT_BYTES = 2 * _MIB
PACKED_BYTES = 512 << 10
"""Packed outputs are cut at this size."""


class TopicNames(Struct, frozen=True):
    """The topics of one installation: `prefix` keeps several apart on one cluster, `app` names the worker group."""

    prefix: str = ""
    app: str = "creditstream"

    @property
    def usage_events(self) -> str:
        return f"{self.prefix}usage.events"

    @property
    def commands(self) -> str:
        return f"{self.prefix}credits.commands"

    @property
    def rate_cards(self) -> str:
        return f"{self.prefix}credits.rate-cards"

    @property
    def charges(self) -> str:
        return f"{self.prefix}credits.charges"

    @property
    def rollups(self) -> str:
        return f"{self.prefix}credits.rollups"

    @property
    def ledger(self) -> str:
        return f"{self.prefix}credits.ledger"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}credits.alerts"

    @property
    def refill_requests(self) -> str:
        return f"{self.prefix}credits.refill-requests"

    @property
    def bills(self) -> str:
        return f"{self.prefix}credits.bills"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}usage.dead-letters"

    @property
    def sink_dead_letters(self) -> str:
        return f"{self.prefix}sinks.dead-letters"

    @property
    def undelivered_notices(self) -> str:
        return f"{self.prefix}sinks.undelivered-notices"

    @property
    def progress(self) -> str:
        return f"{self.prefix}{self.app}-progress"

    @property
    def balances_changelog(self) -> str:
        return f"{self.prefix}{self.app}-balances-changelog"

    @property
    def lots_changelog(self) -> str:
        return f"{self.prefix}{self.app}-lots-changelog"

    @property
    def corrections_changelog(self) -> str:
        return f"{self.prefix}{self.app}-corrections-changelog"

    @property
    def commands_changelog(self) -> str:
        return f"{self.prefix}{self.app}-commands-changelog"

    @property
    def dedup_log(self) -> str:
        return f"{self.prefix}{self.app}-dedup-log"

    @property
    def replays(self) -> str:
        return f"{self.prefix}{self.app}-replays"


class TopicSpec(Struct, frozen=True):
    """One topic as it is created and checked at start."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


def topic_specs(
    names: TopicNames, *, partitions: int, replication: int, dedup_window_hours: int = 24, retention_days: int = 7
) -> list[TopicSpec]:
    """All topics of an installation. The keyed inputs and every output have the same number of partitions."""
    durable = {"min.insync.replicas": str(min(2, replication)), "unclean.leader.election.enable": "false"}
    retention_ms = retention_days * _DAY_MS
    compacted = {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 * _MIB),
        "segment.ms": str(10 * _MINUTE_MS),
        "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": str(30 * _MINUTE_MS),
        "max.message.bytes": str(LARGEST_OUTPUT_BYTES),
    }
    # The oldest input decides how far back an id may be asked for: the window plus that input's retention.
    dedup_ms = dedup_window_hours * _HOUR_MS + retention_ms

    # A week longer than an event may be asked for: retention deletes whole segments, and never early.
    corrected_ms = (_CORRECTED_DAYS + 7) * _DAY_MS

    def spec(name: str, config: dict[str, str], count: int = partitions) -> TopicSpec:
        return TopicSpec(name, count, replication, {**durable, **config})

    def log(name: str, kept_ms: int, largest: int = LARGEST_OUTPUT_BYTES, **config: str) -> TopicSpec:
        settings = {"cleanup.policy": "delete", "retention.ms": str(kept_ms), "max.message.bytes": str(largest)}
        return spec(name, {**settings, **config})

    appended = {"message.timestamp.type": "LogAppendTime"}
    return [
        log(names.usage_events, retention_ms, LARGEST_RECORD_BYTES, **appended),
        log(names.commands, 90 * _DAY_MS, LARGEST_RECORD_BYTES, **appended),
        spec(names.rate_cards, compacted, 1),
        log(names.charges, corrected_ms),
        log(names.rollups, retention_ms),
        log(names.ledger, corrected_ms),
        log(names.alerts, 30 * _DAY_MS),
        log(names.refill_requests, 30 * _DAY_MS),
        log(names.bills, 90 * _DAY_MS),
        log(names.dead_letters, 30 * _DAY_MS),
        log(names.sink_dead_letters, 30 * _DAY_MS),
        log(names.undelivered_notices, 30 * _DAY_MS),
        spec(names.progress, compacted),
        spec(names.balances_changelog, compacted),
        spec(names.lots_changelog, compacted),
        spec(names.corrections_changelog, compacted),
        spec(names.commands_changelog, compacted),
        log(names.dedup_log, dedup_ms, LARGEST_OUTPUT_BYTES, **appended),
        # Longer than any dead letter is kept, which goes with its segment: none is ever taken for a new one.
        msgspec.structs.replace(log(names.replays, 90 * _DAY_MS), partitions=1),
    ]
