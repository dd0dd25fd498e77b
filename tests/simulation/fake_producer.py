"""confluent_kafka's Producer over the fake cluster: transactional, or plain for upstream's use."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from tests.simulation.fake_kafka import FakeKafka, Transaction, cluster_at

_Record = tuple[str, int, bytes | None, bytes | None, list[tuple[str, str | bytes | None]]]

CALLED_AT_ONCE = "a producer was called by two at once"
_SENT_EARLY = 0.2
_SLOW_SECONDS = 8.0
_LATE_SECONDS = 3.0
_DEFAULT_TIMEOUT_MS = 60_000
_DEFAULT_LARGEST_BYTES = 1_000_000


class FakeProducer:
    """Its commits meet the faults that the cluster draws; see `_commit`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._cluster: FakeKafka = cluster_at(config["bootstrap.servers"])
        self._scheduler = self._cluster.scheduler
        self._id = str(config.get("transactional.id", ""))
        self._timeout_seconds = int(config.get("transaction.timeout.ms", _DEFAULT_TIMEOUT_MS)) / 1_000
        self._largest_bytes = int(config.get("message.max.bytes", _DEFAULT_LARGEST_BYTES))
        self._epoch = -1
        self._begun = False
        self._broken: KafkaError | None = None
        self._committed_unknown = False
        self._unsent: list[_Record] = []
        self._room = 0
        self._calling = ""

    # --- transactions ---

    def init_transactions(self, timeout: float = -1) -> None:
        with self._call("init_transactions"):
            self._epoch = self._cluster.take_id(self._id, _seconds(timeout))
            self._cluster.answer()

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> None:  # noqa: ARG002  as it is called
        """Connects; the topics themselves are told by nobody here."""
        self._cluster.reach(_seconds(timeout))
        self._cluster.answer()

    def begin_transaction(self) -> None:
        self._check()
        if self._begun or self._epoch < 0:
            raise KafkaException(KafkaError(KafkaError._STATE, "no transaction can begin now"))
        self._begun = True
        self._room = self._scheduler.random.choice((3, 1_000, 1_000, 1_000))

    def commit_transaction(self, timeout: float = -1) -> None:
        """Send what was produced, and have the coordinator end the transaction."""
        with self._call("commit_transaction"):
            self._check_begun()
            if self._committed_unknown:
                self._cluster.reach(_seconds(timeout))
                self._committed_unknown = False
            else:
                self._send(_seconds(timeout))
                self._commit(self._cluster.commit_fault(self._id), _seconds(timeout))
            self._begun = False

    def abort_transaction(self, timeout: float = -1) -> None:
        """Leave nothing of what was produced; not after a fatal error."""
        with self._call("abort_transaction"):
            if self._broken is not None and self._broken.txn_requires_abort():
                self._broken = None
            self._check_begun()
            self._unsent.clear()
            self._cluster.reach(_seconds(timeout))
            self._end(commit=False)
            self._begun = False

    # --- records ---

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        *,
        headers: list[tuple[str, str | bytes | None]] | None = None,
    ) -> None:
        if self._id:
            self._check_begun()
        if self._id and len(self._unsent) >= self._room:
            self._cluster.met("producer's queue full")
            raise BufferError("Local: Queue full")
        is_large = len(key or b"") + len(value or b"") > self._largest_bytes
        if is_large or (topic, partition) in self._cluster.refused:
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, f"{topic} [{partition}]: too large"))
        self._unsent.append((topic, partition, key, value, headers or []))

    def poll(self, timeout: float = -1) -> int:
        """Send some of what was produced: a transaction's records may be in the log before its end is known."""
        if timeout > 0 or self._scheduler.random.random() < _SENT_EARLY:
            self._try_send(max(timeout, 0.0))
        return 0

    def flush(self, timeout: float = -1) -> int:
        self._try_send(_seconds(timeout))
        return len(self._unsent)

    def __len__(self) -> int:
        return len(self._unsent)

    # --- inside ---

    def _try_send(self, seconds: float) -> None:
        try:
            self._send(seconds)
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.fatal():
                self._broken = error

    def _send(self, seconds: float) -> None:
        """Append records partition by partition: others may come in between, and a crash as well."""
        if not self._unsent:
            return
        deadline = self._scheduler.now + seconds
        self._cluster.reach(seconds)
        if self._id:
            self._cluster.until_ended(self._transaction, deadline)
        # Nothing is sent until everything can be: what a time-out leaves unsent is sent by the next attempt.
        self._cluster.until_led({self._cluster.log(*record[:2]) for record in self._unsent}, deadline)
        batches: dict[tuple[str, int], list[_Record]] = {}
        sent, self._unsent = self._unsent, []
        for record in sent:
            batches.setdefault(record[:2], []).append(record)
        places = list(batches)
        self._scheduler.random.shuffle(places)
        for place in places:
            log = self._cluster.log(*place)
            for *_, key, value, headers in batches[place]:
                if not self._id:
                    log.append(key, value, headers, self._cluster.now_ms)
                    continue
                record_ = (key, value, headers, self._created_ms)
                self._cluster.append_in(self._transaction, self._epoch, log, record_, self._timeout_seconds)
            self._cluster.answer()

    def _commit(self, fault: str, seconds: float) -> None:
        """Have the coordinator commit, with whatever befalls it."""
        if fault:
            self._cluster.met(fault)
        match fault:
            case "commit slow":
                self._scheduler.sleep(self._scheduler.random.random() * _SLOW_SECONDS)
            case "commit timed out before":
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, fault, retriable=True))
            case "commit abortable":
                self._break(KafkaError(KafkaError._MSG_TIMED_OUT, fault, txn_requires_abort=True))
            case "commit failed before":
                self._break(KafkaError(KafkaError._FATAL, fault, fatal=True))
            case "commit arrives late":
                self._commit_late()
                self._break(KafkaError(KafkaError._FATAL, fault, fatal=True))
        self._cluster.reach(seconds)
        self._end(commit=True)
        match fault:
            case "commit timed out after":
                self._committed_unknown = True
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, fault, retriable=True))
            case "commit failed after":
                self._break(KafkaError(KafkaError._FATAL, fault, fatal=True))
        self._cluster.answer()

    def _commit_late(self) -> None:
        transaction, epoch, number = self._transaction, self._epoch, self._transaction.number

        def arrive() -> None:
            if transaction.epoch == epoch and transaction.number == number:
                self._cluster.end(transaction, epoch, commit=True)

        self._scheduler.after(self._scheduler.random.random() * _LATE_SECONDS, arrive)

    def _end(self, *, commit: bool) -> None:
        try:
            self._cluster.end(self._transaction, self._epoch, commit=commit)
        except KafkaException as exception:
            self._break(exception.args[0])

    def _break(self, error: KafkaError) -> None:
        self._broken = error
        raise KafkaException(error)

    def _check(self) -> None:
        if self._broken is not None:
            raise KafkaException(self._broken)

    def _check_begun(self) -> None:
        self._check()
        if not self._begun:
            raise KafkaException(KafkaError(KafkaError._STATE, "no transaction is open"))

    @contextlib.contextmanager
    def _call(self, name: str) -> Iterator[None]:
        """One call at a time, as librdkafka has it."""
        if self._calling:
            self._cluster.met(CALLED_AT_ONCE)
            code = KafkaError._PREV_IN_PROGRESS if self._calling == name else KafkaError._CONFLICT
            raise KafkaException(KafkaError(code, f"{self._calling} is in progress"))
        self._calling = name
        try:
            yield
        finally:
            self._calling = ""

    @property
    def _transaction(self) -> Transaction:
        return self._cluster.transaction(self._id)

    @property
    def _created_ms(self) -> int:
        process = self._scheduler.process
        skew = getattr(process, "clock_skew_seconds", 0.0)
        return int((self._scheduler.wall_seconds + skew) * 1_000)


def _seconds(timeout: float) -> float:
    return timeout if timeout >= 0 else float("inf")
