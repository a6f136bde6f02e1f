"""Row folders written by earlier versions stay readable, bit for bit."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from a2pipe.cache.artifact import Artifact
from a2pipe.cache.catalog import Cache
from a2pipe.cache.ledger import BadRow
from a2pipe.cache.records import Records
from a2pipe.cache.verify import verify

GOLDEN = Path(__file__).with_name("golden")
EMBEDDING = np.array(
    [
        [1297826330, 1292601128, 1290543053],
        [1299564074, 1293706965, 1292130051],
        [1307757822, 1301971571, 1300413734],
        [1295145400, 1289944531, 1287655898],
        [2143289344, 2143289344, 2143289344],
    ],
    np.uint32,
).view(np.float32)
BOX = [[67, 20, 80, 32], [12, 25, 57, 50], [79, 81, 51, 22], [85, 54, 39, 19], [-1, -1, -1, -1]]
STATUS = [1, 1, 1, 1, 2]
IMAGES = (
    "5feceb66ffc86f38d952786c6d696c79",
    "6b86b273ff34fce19d6b804eff5a3f57",
    "d4735e3a265e16eee03f59718b9b5d03",
    "4e07408562bedb8b60ce05c1decfe3ad",
    "4b227777d4dd1fc61c6f884f48641d02",
)


@pytest.fixture
def artifact(backend):
    (found,) = Cache(GOLDEN / backend).artifacts()
    return found


def test_every_checksum_still_matches(backend):
    assert verify(Cache(GOLDEN / backend), deep=True) == []
    assert verify(Cache(GOLDEN / "records"), deep=True) == []


def test_rows_read_as_they_were_written(artifact):
    assert artifact.complete
    assert artifact.layout.images == IMAGES
    assert artifact.read("embedding").tobytes() == EMBEDDING.tobytes()
    assert artifact.read("box").tolist() == BOX
    assert artifact.read("status").tolist() == STATUS


def test_plain_readers_see_the_same(artifact, backend):
    if backend == "zarr":
        embedding = zarr.open_group(str(artifact.folder / "data.zarr"), mode="r")["embedding"][:]
    else:
        with h5py.File(artifact.folder / "data.h5", "r", locking=False) as file:
            embedding = file["embedding"][:]
    assert embedding.tobytes() == EMBEDDING.tobytes()


def test_bad_rows_keep_their_reason(artifact):
    assert artifact.bad_rows() == [BadRow(4, IMAGES[4], 2, "truncated")]


def test_the_folder_is_found_by_its_spec(backend, kit):
    found = Cache(GOLDEN / backend).find(kit.Probe(64), IMAGES, 3, backend)
    assert isinstance(found, Artifact)


def test_the_record_reads_as_it_was_written(kit):
    content, arrays = Records(GOLDEN / "records").read(kit.Probe(64))
    assert content == {"accuracy": 1 / 3}
    assert arrays["predictions"].tolist() == [0, 1, 2]


def test_zarr_chunks_are_written_today_as_then(tmp_path, kit):
    """Not so for HDF5, whose library decides on the bytes around the data."""
    (artifact,) = Cache(GOLDEN / "zarr").artifacts()
    again = kit.fill(kit.make(tmp_path, n=5, shard_size=3, done=False), [0])
    assert again.ledger.read(0).files == artifact.ledger.read(0).files


def test_the_stored_documents_name_their_format(artifact):
    assert json.loads((artifact.folder / "spec.json").read_text())["format"] == 1
