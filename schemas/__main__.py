"""`python -m schemas write` brings schemas/published up to date; `check` fails when it is not."""

import argparse
import sys

from schemas.publish import PUBLISHED, differing, write


def main() -> int:
    """0 when the published documents are current."""
    parser = argparse.ArgumentParser(prog="python -m schemas", description=__doc__)
    parser.add_argument("action", choices=["write", "check"])
    if parser.parse_args().action == "write":
        for name in write():
            print(f"wrote {PUBLISHED / name}")
        return 0
    stale = differing()
    if stale:
        print(f"out of date: {', '.join(stale)}. Run `python -m schemas write`.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
