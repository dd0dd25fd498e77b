"""Runs a command that must not outlive its owner: `python -m deploy.local.leash OWNER_PID COMMAND…`.

A test session or the demo that is killed with -9 cannot clean up: the leash sees it gone and ends the command.
"""

import signal
import subprocess
import sys

from deploy.local.process import exists

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 10


def main() -> int:
    """The command's exit code, or 1 after it was ended because its owner is gone."""
    owner, command = int(sys.argv[1]), sys.argv[2:]
    child = subprocess.Popen(command)
    # The whole process group is signalled: the child ends by itself, the leash ends with it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            return _exit_code(child.wait(_POLL_SECONDS))
        except subprocess.TimeoutExpired:
            if not exists(owner):
                _end(child)
                return 1


def _exit_code(code: int) -> int:
    """As shells tell it: 128 and the signal's number for a child that a signal ended."""
    return code if code >= 0 else 128 - code


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main())
