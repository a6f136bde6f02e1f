"""Write the golden row folders: `python tests/cache/make_golden.py`.

Only for a new FORMAT, beside the old ones: what is in `golden/` has to stay readable as it is.
"""

import runpy
from pathlib import Path
from unittest import mock

import numpy as np

from a2pipe.cache.artifact import OK, UNREADABLE
from a2pipe.cache.ledger import BadRow
from a2pipe.cache.records import Records

HERE = Path(__file__).parent
kit = runpy.run_path(str(HERE / "conftest.py"))


def main() -> None:
    root = HERE / "golden"
    for backend in ("zarr", "hdf5"):
        artifact = kit["make"](root / backend, n=5, shard_size=3, backend=backend, done=False)
        kit["fill"](artifact, [0])
        images = artifact.layout.images[3:]
        bad = BadRow(0, images[1], UNREADABLE, "truncated")
        artifact.commit(1, kit["rows"](images), np.array([OK, UNREADABLE]), (bad,), 0.25, 1)
    Records(root / "records").write(
        kit["Probe"](64), {"accuracy": 1 / 3}, {"predictions": np.arange(3)}
    )


if __name__ == "__main__":
    with (
        mock.patch("socket.gethostname", return_value="golden"),
        mock.patch("getpass.getuser", return_value="golden"),
    ):
        main()
