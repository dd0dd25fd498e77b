"""confluent_kafka's Consumer over the fake cluster, as far as the worker uses it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tests.simulation.fake_kafka import cluster_at
from tests.simulation.fake_log import Entry, FakeLog
from tests.simulation.sim_scheduler import Event, Process

_BEGINNING, _END, _INVALID = -2, -1, -1001
_MOST_SKIPPED_SECONDS = 0.03
"""A partition may be fetched this much later than another: less than a lane waits for the other input."""
_FETCH_SECONDS = 0.02
"""The client fetches in the background, whoever polls: the high watermark that it knows is no older."""

Place = tuple[str, int]


class _Fetch:
    """Where one assigned partition is read."""

    def __init__(self, log: FakeLog, offset: int, now: float) -> None:
        self.log = log
        self.offset = offset
        self.paused = False
        self.told_end = -1
        self.lost = False
        self.served_at = now
        self.high = -1
        """The high watermark of the last fetch."""
        self.looked_at = now

    def look(self, now: float) -> None:
        """See where the log ends."""
        self.high, self.looked_at = self.log.high, now


class FakeConsumer:
    """Assigned by hand; every request takes virtual time."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._cluster = cluster_at(config["bootstrap.servers"])
        self._scheduler = self._cluster.scheduler
        self._process: Process | None = self._scheduler.process
        self._committed = config.get("isolation.level", "read_committed") == "read_committed"
        self._tells_ends = bool(config.get("enable.partition.eof", False))
        self._reset = str(config.get("auto.offset.reset", "latest"))
        self._statistics_seconds = int(config.get("statistics.interval.ms", 0)) / 1_000
        self._tell_statistics = config.get("stats_cb")
        self._told_statistics_at = self._scheduler.now
        self._fetches: dict[Place, _Fetch] = {}
        self._closed = False

    # --- assignment ---

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._check_open()
        self._fetches.clear()
        self._add(partitions)

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._check_open()
        for each in partitions:
            if (each.topic, each.partition) in self._fetches:
                raise KafkaException(KafkaError(KafkaError._CONFLICT, f"{each.topic} is assigned already"))
        self._add(partitions)

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        self._check_open()
        for each in partitions:
            if (each.topic, each.partition) not in self._fetches:
                raise KafkaException(KafkaError(KafkaError._INVALID_ARG, f"{each.topic} is not assigned"))
        for each in partitions:
            del self._fetches[each.topic, each.partition]

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in self._fetches]

    def seek(self, partition: TopicPartition) -> None:
        fetch = self._fetch(partition)
        fetch.offset, fetch.told_end, fetch.lost = partition.offset, -1, False

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            self._fetch(each).paused = True

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            self._fetch(each).paused = False

    def close(self) -> None:
        self._closed = True
        self._fetches.clear()

    # --- reading ---

    def poll(self, timeout: float = -1) -> Message | None:
        messages = self.consume(1, timeout)
        return messages[0] if messages else None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """What can be read now, else what comes until the time is over."""
        self._check_open()
        deadline = self._scheduler.now + (timeout if timeout >= 0 else float("inf"))
        self._scheduler.sleep(self._scheduler.random.random() * 0.002)
        while True:
            self._statistics()
            messages = self._gather(num_messages)
            left = deadline - self._scheduler.now
            if messages or left <= 0:
                return messages
            if self._scheduler.now < self._cluster.down_until:
                left = min(left, max(self._cluster.down_until - self._scheduler.now, 1e-6))
            elif any(map(self._has_news, self._fetches.values())):
                # What was skipped is fetched before long, whether or not more comes.
                left = min(left, 0.005)
            self._scheduler.wait(left, self._watch)

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 10.0, cached: bool = False
    ) -> tuple[int, int]:
        """Asked of the broker, the ends of what may be read; cached, those of the log as the last fetch had them."""
        self._check_open()
        if cached:
            return self._cached(partition)
        self._cluster.reach(timeout)
        log = self._cluster.log(partition.topic, partition.partition)
        self._cluster.until_led([log], self._scheduler.now + timeout)
        ends = log.start, log.stable if self._committed else log.high
        self._cluster.answer()
        return ends

    def offsets_for_times(self, partitions: Sequence[TopicPartition], timeout: float = 10.0) -> list[TopicPartition]:
        self._check_open()
        self._cluster.reach(timeout)
        found = [self._cluster.log(each.topic, each.partition).offset_at(each.offset) for each in partitions]
        return [TopicPartition(each.topic, each.partition, at) for each, at in zip(partitions, found, strict=True)]

    # --- inside ---

    def _cached(self, partition: TopicPartition) -> tuple[int, int]:
        fetch = self._fetches.get((partition.topic, partition.partition))
        now = self._scheduler.now
        if fetch is None:
            return _INVALID, _INVALID
        if now < fetch.log.away_until:
            return fetch.log.start, -1
        is_fetched = not fetch.paused and now >= self._cluster.down_until
        if is_fetched and now - fetch.looked_at > self._scheduler.random.random() * _FETCH_SECONDS:
            fetch.look(now)
        return fetch.log.start, fetch.high

    def _gather(self, most: int) -> list[Message]:
        now = self._scheduler.now
        if now < self._cluster.down_until:
            return []
        fetches = [fetch for fetch in self._fetches.values() if not fetch.paused and now >= fetch.log.away_until]
        random = self._scheduler.random
        if len(fetches) > 1:
            random.shuffle(fetches)
        messages: list[Message] = []
        for fetch in fetches:
            if now - fetch.served_at < _MOST_SKIPPED_SECONDS and random.random() < 0.2:
                continue
            messages += self._of(fetch, most - len(messages))
            if len(messages) >= most:
                break
            fetch.served_at = now
        return messages

    def _of(self, fetch: _Fetch, most: int) -> list[Message]:
        log = fetch.log
        fetch.look(self._scheduler.now)
        if not log.start <= fetch.offset <= log.high:
            return self._out_of_range(fetch)
        if fetch.offset == fetch.told_end == log.high:
            return []
        entries, fetch.offset = log.read(fetch.offset, most, committed=self._committed)
        messages = [_message(log, entry) for entry in entries]
        end = log.stable if self._committed else log.high
        if fetch.offset >= end and fetch.told_end != fetch.offset and len(messages) < most and self._tells_ends:
            fetch.told_end = fetch.offset
            messages.append(_error(log, fetch.offset, KafkaError._PARTITION_EOF))
        return messages

    def _out_of_range(self, fetch: _Fetch) -> list[Message]:
        if self._reset == "error":
            if fetch.lost:
                return []
            fetch.lost = True
            return [_error(fetch.log, fetch.offset, KafkaError._AUTO_OFFSET_RESET)]
        fetch.offset = fetch.log.start if self._reset in ("earliest", "smallest", "beginning") else fetch.log.stable
        return []

    def _has_news(self, fetch: _Fetch) -> bool:
        end = fetch.log.stable if self._committed else fetch.log.high
        if fetch.paused or fetch.lost or self._scheduler.now < fetch.log.away_until:
            return False
        return fetch.offset < end or fetch.told_end < fetch.offset

    def _watch(self, told: Event) -> None:
        for fetch in self._fetches.values():
            if not fetch.paused:
                fetch.log.watch(told)

    def _add(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            log = self._cluster.log(each.topic, each.partition)
            offset = each.offset
            if offset < 0:
                offset = log.start if offset == _BEGINNING or self._reset == "earliest" else log.stable
            self._fetches[each.topic, each.partition] = _Fetch(log, offset, self._scheduler.now)

    def _fetch(self, partition: TopicPartition) -> _Fetch:
        self._check_open()
        fetch = self._fetches.get((partition.topic, partition.partition))
        if fetch is None:
            raise KafkaException(KafkaError(KafkaError._STATE, f"{partition.topic} is not assigned"))
        return fetch

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("Consumer closed")

    def _statistics(self) -> None:
        now = self._scheduler.now
        if self._tell_statistics is None or now - self._told_statistics_at < self._statistics_seconds:
            return
        self._told_statistics_at = now
        topics: dict[str, Any] = {}
        for (topic, partition), fetch in self._fetches.items():
            ends = {"ls_offset": fetch.log.stable, "hi_offset": fetch.log.high}
            topics.setdefault(topic, {"partitions": {}})["partitions"][str(partition)] = ends
        self._tell_statistics(msgspec.json.encode({"topics": topics}).decode())


def _message(log: FakeLog, entry: Entry) -> Message:
    return Message(
        topic=log.topic,
        partition=log.partition,
        offset=entry.offset,
        key=entry.key,
        value=entry.value,
        headers=entry.headers or None,
        timestamp=(2 if log.appends_time else 1, entry.timestamp_ms),
    )


def _error(log: FakeLog, offset: int, code: int) -> Message:
    return Message(topic=log.topic, partition=log.partition, offset=offset, error=KafkaError(code))
