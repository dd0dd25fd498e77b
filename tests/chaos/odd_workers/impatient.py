"""A worker whose own transactions time out after seconds, so that a test need not wait for two minutes."""

import sys

from stream.__main__ import main
from stream.engine import checkpoint

if __name__ == "__main__":
    # Only in a process of its own: who imports this for its words goes on as before.
    checkpoint.TRANSACTION_TIMEOUT_MS = 8_000
    sys.exit(main())
