"""A process that makes an artifact and commits every shard: `worker.py ROOT BACKEND N START`.

It waits for the file START to exist, so that several begin at the same moment. The tests run it
side by side with itself, and kill it.
"""

import runpy
import sys
import time
from pathlib import Path

kit = runpy.run_path(str(Path(__file__).with_name("conftest.py")))


def main(root: Path, backend: str, n: int, start: Path) -> None:
    print("ready", flush=True)
    while not start.exists():
        time.sleep(0.001)
    artifact = kit["make"](root, n=n, shard_size=4, backend=backend, done=False)
    kit["fill"](artifact, range(artifact.cut.shards))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
