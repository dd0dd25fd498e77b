"""A worker that loses every 20th batch between the reader and its booking, as Faust's flow control may."""

import itertools
import sys

from stream.__main__ import main
from stream.engine.lane import Batch
from stream.engine.owner import Owner

LOST = "chaos: a batch was lost on its way"
_EVERY = 20
_real_apply = Owner.apply
_numbers = itertools.count(1)


def _apply(owner: Owner, batch: Batch) -> None:
    if next(_numbers) % _EVERY:
        _real_apply(owner, batch)
    else:
        print(LOST, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Only in a process of its own: who imports this for its words goes on as before.
    Owner.apply = _apply  # type: ignore[method-assign, assignment]
    sys.exit(main())
