"""A worker whose own transactions time out after seconds, so that a test need not wait for two minutes."""

import sys

from stream.__main__ import main
from stream.engine import checkpoint

checkpoint.TRANSACTION_TIMEOUT_MS = 8_000

if __name__ == "__main__":
    sys.exit(main())
