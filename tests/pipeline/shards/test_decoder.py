"""What a worker process does: crops of images go to their places in shared memory."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.shards.decoder import Decode, Encoded, decode_into
from a2pipe.shared_memory import SharedMemory
from a2pipe.stages.crops import Crop, whole_canvas
from a2pipe.stages.geometry import Canvas


@pytest.fixture
def segment():
    """Shared memory that holds 255 in every byte."""
    memory = SharedMemory()
    segment = memory.take(4096)
    segment.array[:] = 255
    yield segment
    memory.close()


def decode(path, *places, digest=None, **more):
    return Decode(str(path), digest, places, **more)


def test_each_crop_goes_to_its_place_and_nothing_else_is_touched(segment, tmp_path):
    Image.new("RGB", (60, 40), (1, 2, 3)).save(tmp_path / "a.png")
    whole, corner = whole_canvas(Canvas(8)), Crop(Canvas(8), (0, 0, 4, 4), 2)
    assert decode_into(segment, [decode(tmp_path / "a.png", (whole, 100), (corner, 400))]) == [""]
    expected = np.full(4096, 255, np.uint8)
    expected[100 : 100 + 192] = np.tile([1, 2, 3], 64)
    expected[400:412] = np.tile([1, 2, 3], 4)
    assert (segment.array[:4096] == expected).all()


def test_one_crop_may_go_to_two_places(segment, tmp_path):
    Image.new("RGB", (60, 40), (1, 2, 3)).save(tmp_path / "a.png")
    whole = whole_canvas(Canvas(2))
    decode_into(segment, [decode(tmp_path / "a.png", (whole, 0), (whole, 50))])
    assert segment.array[:12].tolist() == segment.array[50:62].tolist() == [1, 2, 3] * 4


def test_an_image_that_is_bad_gives_the_reason_and_the_others_are_decoded(segment, tmp_path):
    Image.new("RGB", (60, 40), (1, 2, 3)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("text")
    whole = whole_canvas(Canvas(2))
    jobs = [decode(tmp_path / name, (whole, 0)) for name in ("b.png", "c.png", "a.png")]
    reasons = decode_into(segment, jobs)
    assert "not an image" in reasons[0]
    assert reasons[1:] == ["file is missing", ""]


def test_bytes_that_were_read_already_are_decoded(segment, tmp_path):
    Image.new("RGB", (60, 40), (1, 2, 3)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    place = (whole_canvas(Canvas(2)), 0)
    assert decode_into(segment, [decode("memory://gone", place, content=content)]) == [""]
    assert segment.array[:3].tolist() == [1, 2, 3]


def test_a_file_that_has_changed_is_an_error(segment, tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    changed = Decode(str(tmp_path / "a.png"), "0" * 32, ((whole_canvas(Canvas(2)), 0),))
    with pytest.raises(A2pipeError, match="has changed since it was indexed"):
        decode_into(segment, [changed])


# --- files for a GPU -----------------------------------------------------------------------------

FOR_GPU, LARGER = (whole_canvas(Canvas(side, decoder="nvjpeg")) for side in (8, 32))


def test_a_file_for_a_gpu_is_put_where_its_largest_crop_would_go(segment, tmp_path):
    Image.new("RGB", (60, 40), (1, 2, 3)).save(tmp_path / "a.jpg")
    file = (tmp_path / "a.jpg").read_bytes()
    image = decode(tmp_path / "a.jpg", (FOR_GPU, 100), (LARGER, 700), digest=digest_of(file))
    assert (image.for_gpu, image.room) == (True, 3 * 32 * 32)
    assert decode_into(segment, [image]) == [Encoded((60, 40), 700, len(file))]
    assert segment.array[700 : 700 + len(file)].tobytes() == file
    assert (segment.array[:700] == 255).all()


def test_a_file_without_room_there_is_returned(segment, tmp_path):
    Image.new("RGB", (60, 40), (1, 2, 3)).save(tmp_path / "a.jpg")
    file = (tmp_path / "a.jpg").read_bytes()
    image = decode(tmp_path / "a.jpg", (FOR_GPU, 0), digest=digest_of(file))
    assert decode_into(segment, [image]) == [Encoded((60, 40), content=file)]
    assert (segment.array == 255).all()


def test_what_no_gpu_reads_is_decoded_at_once(segment, tmp_path):
    Image.new("RGB", (60, 40), (1, 2, 3)).save(tmp_path / "a.png")
    assert decode_into(segment, [decode(tmp_path / "a.png", (FOR_GPU, 0))]) == [""]
    assert (segment.array[:192] == np.tile([1, 2, 3], 64)).all()


def test_a_file_for_a_gpu_is_bad_or_has_changed_as_any_other(segment, tmp_path):
    Image.new("RGB", (60, 40), (1, 2, 3)).save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-9])
    assert decode_into(segment, [decode(tmp_path / "none.jpg", (FOR_GPU, 0))]) == [
        "file is missing"
    ]
    (cut,) = decode_into(segment, [decode(tmp_path / "b.jpg", (FOR_GPU, 0))])
    assert "truncated" in cut
    with pytest.raises(A2pipeError, match="has changed since it was indexed"):
        decode_into(segment, [decode(tmp_path / "a.jpg", (FOR_GPU, 0), digest="00")])


def digest_of(file):
    return hashlib.sha256(file).hexdigest()[:32]
