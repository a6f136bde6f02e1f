"""Features of prompts, and projections: what they are, what is kept, and what is refused."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.cache.records import Records
from a2pipe.errors import A2pipeError, UnwritableError
from a2pipe.models.identity import identify
from a2pipe.stages.fits import text
from a2pipe.stages.fits.text import (
    TextSource,
    class_features,
    image_projection,
    projection_spec,
    text_model,
    text_specs,
)
from a2pipe.stages.specs import ModelSpec, TextModelSpec, TextSpec

MODEL = ModelSpec("{}", "ab" * 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), name="tiny")
TOWER = TextModelSpec("{}", "cd" * 16, name="tiny")
ROWS = {"east": [1, 0], "north": [0, 1], "a hill": [0.6, 0.8]}
PROJECTION = np.arange(6, dtype=np.float32).reshape(3, 2)
SOURCE = TextSource()


@pytest.fixture
def records(tmp_path) -> Records:
    return Records(tmp_path / "cache")


@pytest.fixture
def embedded(monkeypatch) -> list[list[str]]:
    """What a text tower is asked for; it knows the prompts of `ROWS` alone."""
    asked = []

    def embed(wanted):
        asked.append(wanted)
        return np.array([ROWS[prompt] for prompt in wanted], np.float32)

    monkeypatch.setattr(text, "load_text_tower", lambda *_, **__: SimpleNamespace(embed=embed))
    return asked


@pytest.fixture
def image_tower(monkeypatch) -> list[str]:
    """The models whose projection is read; the weights of each are those of MODEL."""
    read = []

    def projection(name, **_):
        read.append(name)
        return PROJECTION

    monkeypatch.setattr(text, "identify", lambda *_, **__: SimpleNamespace(weights=MODEL.weights))
    monkeypatch.setattr(text, "read_projection", projection)
    return read


def features_of(records, *classes):
    return class_features(text_specs(TOWER, classes), SOURCE, records)


@pytest.mark.usefixtures("embedded")
class TestClassFeatures:
    def test_of_one_prompt_it_is_the_row_itself(self, records):
        found = features_of(records, ["a hill"], ["east"])
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.array([[0.6, 0.8], [1, 0]], np.float32))

    def test_of_several_it_is_their_mean_scaled_to_unit_length(self, records):
        found = features_of(records, ["east", "north"])
        np.testing.assert_allclose(found, [[0.5**0.5, 0.5**0.5]], rtol=1e-7)
        assert found.dtype == np.float32

    def test_a_prompt_of_two_classes_is_embedded_once(self, embedded, records):
        features_of(records, ["east", "north"], ["north"])
        assert embedded == [["east", "north"]]

    def test_only_prompts_without_a_record_are_embedded(self, embedded, records):
        first = features_of(records, ["east"], ["north"])
        again = features_of(records, ["a hill"], ["east"], ["north"])
        assert embedded == [["east", "north"], ["a hill"]]
        np.testing.assert_array_equal(again[1:], first)

    def test_without_anything_missing_no_tower_is_loaded(self, records, monkeypatch):
        features_of(records, ["east"])
        monkeypatch.delattr(text, "load_text_tower")
        np.testing.assert_array_equal(features_of(records, ["east"]), [[1, 0]])

    def test_a_record_says_its_prompt(self, records):
        features_of(records, ["east"])
        content, _ = records.read(TextSpec(TOWER, "east"))
        assert content == {"prompt": "east"}

    def test_another_tower_has_records_of_its_own(self, embedded, records):
        features_of(records, ["east"])
        other = TextModelSpec("{}", "ef" * 16, name="tiny")
        class_features(text_specs(other, [["east"]]), SOURCE, records)
        assert embedded == [["east"], ["east"]]


def test_specs_keep_the_order_of_classes_and_prompts():
    found = text_specs(TOWER, [["b", "a"], ["c"]])
    assert [[spec.prompt for spec in of_class] for of_class in found] == [["b", "a"], ["c"]]
    assert {spec.model for of_class in found for spec in of_class} == {TOWER}


class TestProjection:
    def test_it_is_read_once_and_then_kept(self, image_tower, records):
        for _ in range(2):
            np.testing.assert_array_equal(image_projection(MODEL, SOURCE, records), PROJECTION)
        assert image_tower == ["tiny"]
        content, _ = records.read(projection_spec(MODEL))
        assert content == {"shape": [3, 2]}

    def test_its_address_is_of_the_weights_alone(self):
        spec = projection_spec(MODEL)
        assert (spec.weights, spec.name) == (MODEL.weights, "tiny")

    def test_of_other_weights_it_is_refused(self, image_tower, records):
        other = ModelSpec("{}", "0" * 32, MODEL.mean, MODEL.std, name="tiny")
        with pytest.raises(A2pipeError, match="other weights of tiny"):
            image_projection(other, SOURCE, records)
        assert image_tower == []


class TestTextModel:
    @pytest.fixture(autouse=True)
    def info(self, monkeypatch):
        info = SimpleNamespace(
            architecture="{}", weights=TOWER.weights, name="tiny", image_weights=MODEL.weights
        )
        monkeypatch.setattr(text, "identify_text", lambda *_, **__: info)
        return info

    def test_it_is_the_tower_beside_the_image_tower(self):
        assert text_model(MODEL, SOURCE) == TOWER

    def test_beside_other_weights_it_is_refused(self, info):
        info.image_weights = "0" * 32
        with pytest.raises(A2pipeError, match=r"other weights of tiny .* same `--weights`"):
            text_model(MODEL, SOURCE)


@pytest.mark.usefixtures("embedded", "image_tower")
def test_a_cache_that_may_only_be_read_does_without_records(records, monkeypatch):
    def refuse(*_):
        raise UnwritableError("a cache of somebody else")

    monkeypatch.setattr(Records, "write", refuse)
    np.testing.assert_array_equal(features_of(records, ["east"]), [[1, 0]])
    np.testing.assert_array_equal(image_projection(MODEL, SOURCE, records), PROJECTION)


def test_a_second_run_imports_neither_torch_nor_open_clip(clip, records, tmp_path):
    source = TextSource(clip.save(tmp_path), memo=tmp_path / "memo.json")
    info = identify(clip.name, weights=source.weights, memo=source.memo)
    model = ModelSpec(info.architecture, info.weights, info.mean, info.std, name=info.name)
    specs = text_specs(text_model(model, source), [["a bear", "the bear"], ["a bird"]])
    features = class_features(specs, source, records)
    projection = image_projection(model, source, records)
    np.savez(tmp_path / "made.npz", features=features, projection=projection)
    program = f"""
import sys
from pathlib import Path, PosixPath, WindowsPath
import numpy as np
from a2pipe.cache.records import Records
from a2pipe.stages.specs import *
from a2pipe.stages.fits.text import *
source, model = {source!r}, {model!r}
specs = text_specs(text_model(model, source), [["a bear", "the bear"], ["a bird"]])
records = Records(Path({str(records.root)!r}))
made = np.load({str(tmp_path / "made.npz")!r})
assert np.array_equal(class_features(specs, source, records), made["features"])
assert np.array_equal(image_projection(model, source, records), made["projection"])
print(sorted({{"torch", "timm", "open_clip"}} & sys.modules.keys()))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr
