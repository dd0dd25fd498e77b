"""The notices of one kind on their way to its endpoint: in order for each account, and a bound on all of them."""

import heapq
from collections import deque
from collections.abc import Collection, Iterator
from itertools import count

from sinks.notify.notices import Held
from sinks.records import Place


class NoticeQueue:
    """Of each account the first notice is tried until it is settled; those of other accounts do not wait for it.

    It says when it is full, and takes what is given all the same: whoever fills it stops reading then.
    """

    def __init__(self, most_notices: int, most_bytes: int, most_on_the_way: int) -> None:
        self._most_notices = most_notices
        self._most_bytes = most_bytes
        self._most_on_the_way = most_on_the_way
        self._lanes: dict[str, deque[Held]] = {}
        self._due: list[tuple[float, int, Held]] = []
        self._numbers = count()
        self._on_the_way: set[Held] = set()
        self._rests_until = 0.0
        self.notices = 0
        self.bytes = 0

    @property
    def full(self) -> bool:
        """Whether nothing more should be read."""
        return self.notices >= self._most_notices or self.bytes >= self._most_bytes

    @property
    def has_room(self) -> bool:
        """Whether reading is worth while again: half of it is empty."""
        return self.notices <= self._most_notices // 2 and self.bytes <= self._most_bytes // 2

    @property
    def on_the_way(self) -> Collection[Held]:
        """The notices that an answer is awaited for, those of lost partitions too."""
        return self._on_the_way

    def first_of_each(self) -> Iterator[Held]:
        """The first notice of every account, which is its oldest."""
        return (lane[0] for lane in self._lanes.values())

    def add(self, held: Held, now: float) -> None:
        """Behind the others of its account."""
        self.notices += 1
        self.bytes += len(held.body)
        lane = self._lanes.setdefault(held.account, deque())
        lane.append(held)
        if len(lane) == 1:
            self._put(held, now)

    def take(self, now: float) -> Held | None:
        """A notice to send now, if there is one and the endpoint may be given more."""
        if now < self._rests_until or len(self._on_the_way) >= self._most_on_the_way:
            return None
        while self._due and self._due[0][0] <= now:
            due_at, _, held = heapq.heappop(self._due)
            if not held.forgotten and held.due_at == due_at:
                self._on_the_way.add(held)
                return held
        return None

    def answered(self, held: Held) -> None:
        """It is no longer on the way; its account waits for what is decided about it."""
        self._on_the_way.discard(held)

    def again(self, held: Held, due_at: float) -> None:
        """It is tried again then, before all others of its account."""
        if not held.forgotten:
            self._put(held, due_at)

    def rest(self, until: float) -> None:
        """The endpoint is left alone until then."""
        self._rests_until = max(self._rests_until, until)

    def settle(self, held: Held, now: float) -> None:
        """It is done with; the next of its account may go."""
        if held.forgotten:
            return
        lane = self._lanes[held.account]
        lane.popleft()
        self._left(held)
        if lane:
            self._put(lane[0], now)
        else:
            del self._lanes[held.account]

    def forget(self, places: Collection[Place], now: float) -> None:
        """The notices of these partitions are somebody else's; what is on its way is not waited for."""
        for account, lane in list(self._lanes.items()):
            first = lane[0]
            for held in lane:
                if held.record.place in places:
                    held.forgotten = True
                    self._left(held)
            kept = deque(held for held in lane if not held.forgotten)
            if not kept:
                del self._lanes[account]
                continue
            self._lanes[account] = kept
            if kept[0] is not first:
                self._put(kept[0], now)

    def _put(self, held: Held, due_at: float) -> None:
        held.due_at = due_at
        heapq.heappush(self._due, (due_at, next(self._numbers), held))

    def _left(self, held: Held) -> None:
        self.notices -= 1
        self.bytes -= len(held.body)
