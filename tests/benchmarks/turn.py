"""One turn of a worker over a load, in whichever tree it is run: `turn.py SERVERS FOLDER LOAD EVENTS` prints its rate.

It uses nothing that the tree of an earlier commit lacks.
"""

import sys
from pathlib import Path

from tests.benchmarks import contestants, loads
from tests.benchmarks.arena import arena

LOADS = {"zipf": loads.zipf, "worst": loads.worst}


def main(servers: str, folder: str, load: str, events: str) -> None:
    """Events a second."""
    with arena(servers, LOADS[load](int(events)), Path(folder)) as made:
        print(contestants.worker(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
