"""`--decode nvjpeg` from files to rows, with the CPU in the place of a GPU."""

import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.device_decoding import decoding_device
from a2pipe.pipeline.shards.progress import PlainProgress
from a2pipe.stages import nvjpeg
from a2pipe.stages.geometry import Canvas

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding and encoding")
CPU_WAY = ("png", "cmyk", "turned")
"""Images of the folder that nvJPEG is not given."""


def image(seed, width=90, height=60, grain=0):
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), np.uint8)).resize((width, height))
    noise = random.normal(0, grain, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Twelve images in class folders, most of them JPEG files that a GPU decodes."""
    files = {f"plain{n}": (image(n, 90 - n, 50 + 3 * n), "jpg", {}) for n in range(7)}
    files["large"] = image(7, 300, 200, grain=40), "jpg", {"quality": 95}
    files["grey"] = image(8).convert("L"), "jpg", {}
    files["png"] = image(9), "png", {}
    files["cmyk"] = image(10).convert("CMYK"), "jpg", {}
    exif = Image.Exif()
    exif[0x0112] = 6
    files["turned"] = image(11), "jpg", {"exif": exif}
    for number, (name, (each, kind, options)) in enumerate(files.items()):
        place = tmp_path / "folder" / ("test" if number % 3 == 0 else "train") / str(number % 2)
        place.mkdir(parents=True, exist_ok=True)
        each.save(place / f"{name}.{kind}", **options)
    return tmp_path / "folder"


@pytest.fixture
def stand_in(monkeypatch):
    """The CPU decodes where a GPU is to, and is given how many files at a time."""
    calls, real = [], nvjpeg.decode_jpegs
    monkeypatch.setattr(nvjpeg, "require_nvjpeg", lambda _: torch.device("cpu"))
    monkeypatch.setattr(
        nvjpeg, "decode_jpegs", lambda *given: calls.append(len(given[0])) or real(*given)
    )
    return calls


@pytest.fixture
def computed(experiment, folder, tmp_path):
    """A session on the folder whose features are all there."""

    def compute(cache="cache", decode="nvjpeg", progress=None, **sections):
        sections.setdefault("run", {"batch_size": 16, "device": "cpu"})
        sections = {"image": {"size": 48, "decode": decode}, **sections}
        source = experiment(dataset={"name": str(folder)}, **sections)
        session = open_session(source, tmp_path / cache, progress)
        session.compute()
        return session

    return compute


def attention(session):
    """Attention of each image, by the name of its file."""
    names = [path.split("/")[-1].split(".")[0] for path in session.collection.paths]
    rows = session.read(session.plan.attention[0], list(session.collection.digests))
    return dict(zip(names, rows, strict=True))


def everything(session):
    images = list(session.collection.images)
    return [session.read(spec, images) for spec in session.plan.specs()]


def test_a_batch_is_decoded_at_once_and_pillow_decodes_the_rest(stand_in, computed):
    by_gpu, by_pillow = computed(), computed(decode="pillow")
    assert stand_in == [12 - len(CPU_WAY)]
    assert (by_gpu.stats.decoded, by_gpu.stats.left_to_pillow) == (12, len(CPU_WAY))
    assert (by_pillow.stats.decoded, by_pillow.stats.left_to_pillow) == (12, 0)
    near, far = attention(by_gpu), attention(by_pillow)
    for name, row in near.items():
        np.testing.assert_allclose(row, far[name], atol=0.01)
        assert np.array_equal(row, far[name]) or name not in CPU_WAY


@pytest.mark.usefixtures("stand_in")
def test_the_run_says_how_many_pillow_decoded(computed):
    for decode, times in (("nvjpeg", 1), ("pillow", 0)):
        said = io.StringIO()
        computed(decode=decode, progress=PlainProgress(said))
        assert said.getvalue().count("3 of 12 images were decoded by Pillow: ") == times


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("run", [{"batch_size": 1}, {"batch_size": 5, "shard_size": 7}])
def test_batches_and_shards_change_no_bit(computed, run):
    whole, cut = computed("whole"), computed("cut", run={"device": "cpu", **run})
    for one, other in zip(everything(whole), everything(cut), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("stand_in")
def test_canvases_that_are_stored_are_those_of_the_gpu(computed):
    storing = {"device": "cpu", "cache_pixels": True}
    plain, stored = computed("plain"), computed("stored", run=storing)
    more = {"attention": {"models": ["demo_localizer_s_random", "demo_localizer_s"]}}
    later = computed("stored", run=storing, **more)
    assert later.stats.decoded == 0
    for one, other in zip(everything(plain), everything(stored), strict=True):
        np.testing.assert_array_equal(one, other)
    fresh = computed("fresh", **more)
    for one, other in zip(everything(fresh), everything(later), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("stand_in")
def test_a_run_that_waits_for_the_gpus_decoding_says_so(computed, monkeypatch):
    real = nvjpeg.decode_jpegs
    monkeypatch.setattr(nvjpeg, "decode_jpegs", lambda *given: time.sleep(3) or real(*given))
    throughput = computed().stats.throughput
    assert throughput.bottleneck == "decode"
    assert throughput.advice().startswith("the GPU's decoding is the bottleneck: --cache-pixels")


def test_crops_are_cut_from_originals_by_pillow(stand_in, computed):
    sections = {"crops": {"sizes": [16], "source": "original"}}
    session = computed(**sections)
    assert sum(stand_in) == 12 - len(CPU_WAY)
    assert session.stats.decoded == 24
    assert session.stats.left_to_pillow == len(CPU_WAY)


def test_several_canvases_of_an_image_are_decoded_once(stand_in, computed):
    session = computed(attention={"models": ["demo_localizer_s_random"], "input_size": 96})
    assert {spec.pixels for spec in session.plan.specs() if spec.pixels} == {
        Canvas(side, decoder="nvjpeg") for side in (48, 96)
    }
    assert stand_in == [12 - len(CPU_WAY)]


@pytest.mark.usefixtures("stand_in")
def test_an_image_that_the_decoder_refuses_is_bad(computed, folder):
    (path,) = folder.rglob("plain1.jpg")
    path.write_bytes(with_wrong_tables(path.read_bytes()))
    session = computed()
    (bad,) = session.bad_images()
    assert "plain1.jpg" in str(bad.path)
    assert bad.reason.startswith("the GPU's decoder refuses it: ")


@pytest.mark.usefixtures("stand_in")
def test_a_gpu_that_fails_stops_the_run_and_condemns_no_image(computed, monkeypatch):
    def fail(*_):
        raise A2pipeError("nvJPEG failed on cuda:0 (5)")

    monkeypatch.setattr(nvjpeg, "decode_jpegs", fail)
    with pytest.raises(A2pipeError, match=r"^nvJPEG failed on cuda:0"):
        computed()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_without_a_gpu_it_is_refused_before_anything_is_computed(computed, tmp_path, device):
    with pytest.raises(A2pipeError, match=r"^nvJPEG decodes on CUDA devices"):
        computed(run={"device": device})
    assert not list((tmp_path / "cache").glob("*/*/*/done/*"))


@pytest.mark.usefixtures("stand_in")
def test_what_is_stored_needs_no_gpu(computed, monkeypatch):
    first = computed()
    monkeypatch.undo()
    assert computed().stats.decoded == 0
    assert first.is_complete()


def test_pillow_needs_no_device(experiment):
    assert decoding_device(load_experiment(experiment())) is None


def with_wrong_tables(data):
    """A JPEG file whose Huffman tables have more codes than there can be."""
    place = data.index(b"\xff\xc4") + 5
    return data[:place] + b"\xff" * 16 + data[place + 16 :]
