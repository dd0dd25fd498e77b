"""The queues of all kinds, and what becomes of each notice that is sent: delivered, refused, or tried again later."""

import logging
from collections.abc import Callable, Collection
from typing import NamedTuple

from schemas.undelivered_notice import NoticeKind, Reason
from sinks.notify.answers import Verdict, retry_after_seconds, wait_seconds
from sinks.notify.clock import Clock
from sinks.notify.courier import Answered, Courier
from sinks.notify.metrics import NotifyMetrics
from sinks.notify.notices import Held
from sinks.notify.queue import NoticeQueue
from sinks.notify.settings import NotifySettings
from sinks.notify.signature import signed_headers
from sinks.records import Place

logger = logging.getLogger(__name__)

MOST_BYTES_HELD = 32 << 20
"""Of one kind; a poll may bring some more."""
FEWEST_TRIES = 3
"""So often a notice is tried that is too old when it is read, as after the notifier was away for long."""
_SAID_EVERY_SECONDS = 10.0


class Ended(NamedTuple):
    """A notice that is sent no more: delivered, or the reason why it is not."""

    held: Held
    reason: Reason | None


class Deliveries:
    """Whatever goes to endpoints, kind by kind: none waits for another's endpoint."""

    def __init__(
        self,
        settings: NotifySettings,
        courier: Courier,
        metrics: NotifyMetrics,
        clock: Clock,
        draw: Callable[[float, float], float],
    ) -> None:
        self._endpoints = settings.endpoints
        self._give_up_ms = settings.notify_give_up_minutes * 60_000
        self._courier = courier
        self._metrics = metrics
        self._clock = clock
        self._draw = draw
        self._said_at: dict[NoticeKind, float] = {}
        self.queues: dict[NoticeKind, NoticeQueue] = {
            kind: NoticeQueue(settings.notify_held_notices, MOST_BYTES_HELD, settings.notify_concurrency)
            for kind in self._endpoints
        }

    @property
    def waits_for_answers(self) -> bool:
        """Whether something is on its way."""
        return any(queue.on_the_way for queue in self.queues.values())

    def waits_for(self, places: Collection[Place]) -> bool:
        """Whether something of these partitions is on its way."""
        on_the_way = (held for queue in self.queues.values() for held in queue.on_the_way)
        return any(held.record.place in places and not held.forgotten for held in on_the_way)

    def goes_somewhere(self, held: Held) -> bool:
        """Whether its kind has an endpoint."""
        return held.kind in self._endpoints

    def add(self, held: Held) -> None:
        """A notice of a kind that goes somewhere."""
        self.queues[held.kind].add(held, self._clock.monotonic())

    def send_due(self) -> None:
        """Sends what may be sent now."""
        now = self._clock.monotonic()
        for kind, queue in self.queues.items():
            endpoint = self._endpoints[kind]
            while (held := queue.take(now)) is not None:
                held.tries += 1
                timestamp_seconds = self._clock.now_ms() // 1_000
                headers = signed_headers(endpoint.secrets, held.webhook_id, timestamp_seconds, held.body)
                self._courier.send(held, endpoint, headers)

    def take_answers(self, seconds: float) -> list[Ended]:
        """What ended by the answers that came, waiting for at most `seconds` for the first; the rest is tried again."""
        ended = [self._judge(answered) for answered in self._courier.answers(seconds)]
        return [each for each in ended if each is not None]

    def settle(self, held: Held) -> None:
        """It is done with; the next of its account may go."""
        self.queues[held.kind].settle(held, self._clock.monotonic())

    def forget(self, places: Collection[Place]) -> None:
        """Notices of these partitions are another notifier's."""
        for queue in self.queues.values():
            queue.forget(places, self._clock.monotonic())

    def _judge(self, answered: Answered) -> Ended | None:
        held, answer = answered
        queue = self.queues[held.kind]
        queue.answered(held)
        self._metrics.tried(held.kind, answer)
        held.said = str(answer)
        if held.forgotten:
            return None
        if answer.verdict is Verdict.DELIVERED:
            return Ended(held, None)
        if answer.verdict is Verdict.REFUSED:
            return Ended(held, "refused")
        age_ms = self._clock.now_ms() - held.record.timestamp_ms
        if age_ms >= self._give_up_ms and held.tries >= FEWEST_TRIES:
            return Ended(held, "given_up")
        now = self._clock.monotonic()
        asked_seconds = retry_after_seconds(answer.retry_after, self._clock.now_ms() / 1_000)
        waits_seconds = max(wait_seconds(held.tries, self._draw), asked_seconds)
        # It speaks of the endpoint, and not of this notice.
        queue.rest(now + asked_seconds)
        queue.again(held, now + waits_seconds)
        self._say(held, waits_seconds, now)
        return None

    def _say(self, held: Held, waits_seconds: float, now: float) -> None:
        if now - self._said_at.get(held.kind, float("-inf")) >= _SAID_EVERY_SECONDS:
            self._said_at[held.kind] = now
            where = self._endpoints[held.kind]
            logger.warning(
                "%s %s was not taken by %r, next try in %.1f s: %s",
                held.kind,
                held.webhook_id,
                where,
                waits_seconds,
                held.said,
            )
