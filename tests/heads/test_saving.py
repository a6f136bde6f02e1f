"""A head in a file: it predicts bit for bit as before, and only what it was fitted for."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import sklearn
from safetensors import safe_open
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from a2pipe.errors import DamagedError, UsageError
from a2pipe.heads import head_file, registry, saving
from a2pipe.heads.dfr import DFRHead
from a2pipe.heads.logistic import LogisticHead
from a2pipe.heads.nearest import KNNHead, NearestClassMean
from a2pipe.heads.saving import About, load_head, save_head
from a2pipe.heads.visifin import VisiFinHead
from a2pipe.heads.zero_shot import ZeroShotHead

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")

HEADS = [
    LogisticHead(),
    LogisticHead("standardized", C=np.float64(0.3)),
    LogisticHead("l2", max_iter=500),
    LogisticHead(calibrate=True),
    VisiFinHead(epochs=4),
    VisiFinHead(epochs=4, feature_extraction=False, optimizer="adam", batch_size=32),
    KNNHead(),
    KNNHead(k=np.int64(3), metric="euclidean", weights="distance"),
    NearestClassMean(),
    NearestClassMean("euclidean"),
    DFRHead("train", Cs=[1.0, 0.1], class_weights=None, draws=3),
]


def samples(classes: int, count: int = 120, width: int = 37) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(classes)
    y = generator.integers(0, classes, count)
    X = generator.normal(size=(classes, width))[y] + 2 * generator.normal(size=(count, width))
    return X.astype(np.float32), y


X, y = samples(3)
NEW, _ = samples(4, count=77)


class ThirdPartyHead(ClassifierMixin, BaseEstimator):
    """Keeps to the rule: arrays and JSON values in attributes ending in "_"."""

    def __init__(self, prior=None, power=(1, 2)):
        self.prior = prior
        self.power = power

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        self.half_ = np.asarray(X[:5], np.float16)
        self.scale_ = np.float32(0.1)
        self.flags_ = np.array([[True, False]])
        self.empty_ = np.zeros((0, 3))
        self.fortran_ = np.asfortranarray(X[:4])
        self.strided_ = X[:9, ::3]
        self.big_endian_ = np.arange(3, dtype=">i4")
        self.story_ = {"tried": [1, 2.5, None, "é"], "kept": True}
        self.names_ = np.array([["a", "bcd"]])
        self.words_ = np.array(["a", "longer"], dtype=object)
        return self


def rewrite(path: Path, **changes: object) -> None:
    """Change what a file says of its head, with a checksum that fits."""
    document, arrays = head_file.read_file(path)
    head_file.write_file(path, {**document, **changes}, arrays)


@pytest.fixture
def saved(tmp_path) -> Path:
    path = tmp_path / "head.safetensors"
    save_head(LogisticHead().fit(X, y), path, About(features={"crops": "[64]"}))
    return path


class TestRoundTrip:
    @pytest.mark.parametrize("head", HEADS, ids=repr)
    @pytest.mark.parametrize("classes", [2, 3])
    def test_every_built_in_head_predicts_the_same_bits(self, head, classes, tmp_path):
        X, y = samples(classes)
        head.fit(X, np.array(["cat", "dog", "fox"])[y])
        save_head(head, tmp_path / "head.safetensors")
        loaded = load_head(tmp_path / "head.safetensors").head
        assert type(loaded) is type(head)
        assert loaded.get_params() == head.get_params()
        assert {*vars(loaded)} == {*vars(head)}
        for method in METHODS:
            if hasattr(head, method):
                for new in (NEW, NEW[:1], NEW.astype(float)):
                    found, expected = getattr(loaded, method)(new), getattr(head, method)(new)
                    assert np.array_equal(found, expected), method
                    assert found.dtype == expected.dtype

    def test_every_kind_is_among_them(self):
        kinds = {registry.kind_of(head) for head in HEADS}
        assert kinds == {*registry.HEADS.built_in} - {"zero-shot"}

    @pytest.mark.parametrize("combine", [None, "mean"])
    def test_a_zero_shot_head_keeps_its_text_and_projection(self, combine, tmp_path):
        generator = np.random.default_rng(0)
        text = normalize(generator.normal(size=(3, 5)).astype(np.float32))
        projection = generator.normal(size=(37, 5)).astype(np.float32)
        head = ZeroShotHead(combine=combine, text=text, projection=projection).fit(X, y)
        save_head(head, tmp_path / "words.head")
        loaded = load_head(tmp_path / "words.head").head
        for method in ("predict", "predict_proba", "cosine"):
            np.testing.assert_array_equal(getattr(loaded, method)(NEW), getattr(head, method)(NEW))

    def test_a_fresh_process_predicts_the_same_bits(self, saved):
        np.save(saved.with_name("new.npy"), NEW)
        program = f"""
            import numpy as np
            from pathlib import Path
            from a2pipe.heads.saving import load_head
            folder = Path({str(saved.parent)!r})
            head = load_head(folder / "head.safetensors").head
            np.save(folder / "found.npy", head.predict_proba(np.load(folder / "new.npy")))
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=120)
        expected = LogisticHead().fit(X, y).predict_proba(NEW)
        assert np.array_equal(np.load(saved.with_name("found.npy")), expected)

    def test_a_calibration_comes_back_whole(self, tmp_path):
        head = LogisticHead(calibrate=True).fit(X, y)
        save_head(head, tmp_path / "head")
        assert load_head(tmp_path / "head").head.calibration_ == head.calibration_

    def test_what_the_caller_says_comes_back(self, tmp_path):
        about = About(("cat", "dog"), {"weights": "ab12", "crops": "[64, 32]"}, {"seed": [1, None]})
        save_head(LogisticHead().fit(X, y), tmp_path / "head", about)
        found = load_head(tmp_path / "head")
        assert (found.about, found.kind, found.path) == (about, "logistic", tmp_path / "head")

    def test_a_head_of_another_package_that_keeps_to_the_rule(self, tmp_path, plug_in):
        plug_in("a2pipe.heads", "other", ThirdPartyHead)
        head = ThirdPartyHead(prior=np.array([0.5, 0.5])).fit(X, np.array(["x", "yy", "z"])[y])
        save_head(head, tmp_path / "head")
        loaded = load_head(tmp_path / "head").head
        for name, value in vars(head).items():
            found = getattr(loaded, name)
            if isinstance(value, np.ndarray | np.generic):
                assert np.array_equal(found, value), name
                assert found.dtype == value.dtype.newbyteorder("="), name
                assert np.isscalar(found) == np.isscalar(value), name
                assert found.flags.writeable == value.flags.writeable, name
            else:
                assert found == (list(value) if isinstance(value, tuple) else value), name
        assert loaded.fortran_.flags.f_contiguous
        assert not loaded.fortran_.flags.c_contiguous

    def test_a_kind_made_by_a_function_is_named(self, tmp_path, plug_in):
        plug_in("a2pipe.heads", "other", lambda **parameters: ThirdPartyHead(**parameters))
        head = ThirdPartyHead().fit(X, y)
        with pytest.raises(UsageError, match="name its kind"):
            save_head(head, tmp_path / "head")
        save_head(head, tmp_path / "head", kind="other")
        assert load_head(tmp_path / "head").head.story_ == head.story_

    def test_a_request_for_routing_is_no_obstacle(self, tmp_path):
        with sklearn.config_context(enable_metadata_routing=True):
            head = LogisticHead(calibrate=True).set_fit_request(validation=True).fit(X, y)
        save_head(head, tmp_path / "head")
        assert np.array_equal(load_head(tmp_path / "head").head.predict(NEW), head.predict(NEW))


class TestFile:
    def test_it_is_safetensors_that_anybody_can_read(self, saved):
        with safe_open(saved, framework="numpy") as file:
            document = json.loads(file.metadata()[head_file.DOCUMENT])
            coefficients = file.get_tensor("coef_")
        assert (document["kind"], document["format"]) == ("logistic", saving.FORMAT)
        assert np.array_equal(coefficients, LogisticHead().fit(X, y).coef_)

    def test_saving_again_replaces_it_and_leaves_nothing_else(self, saved):
        save_head(NearestClassMean().fit(X, y), saved)
        assert load_head(saved).kind == "nearest-mean"
        assert [path.name for path in saved.parent.iterdir()] == [saved.name]


class TestRefusedFiles:
    def test_a_newer_format(self, saved):
        rewrite(saved, format=saving.FORMAT + 1)
        with pytest.raises(UsageError, match=r"in format 2, and this a2pipe reads up to 1: update"):
            load_head(saved)

    def test_a_kind_that_is_not_installed(self, saved):
        rewrite(saved, kind="other")
        with pytest.raises(UsageError, match="There is no head 'other'"):
            load_head(saved)

    @pytest.mark.parametrize("name", ["predict", "__class__", "_hidden_", "a b_"])
    def test_attributes_that_are_no_fit(self, saved, name):
        rewrite(saved, fitted={"values": {name: 1}, "arrays": {}})
        with pytest.raises(DamagedError, match="no name of a fitted attribute"):
            load_head(saved)

    def test_arrays_that_are_not_there(self, saved):
        rewrite(saved, fitted={"values": {}, "arrays": {"mean_": {"order": "C", "scalar": False}}})
        with pytest.raises(DamagedError, match="an array is missing"):
            load_head(saved)


class TestRefusedHeads:
    def test_one_that_is_not_fitted(self, tmp_path):
        with pytest.raises(UsageError, match="'logistic' is not fitted"):
            save_head(LogisticHead(), tmp_path / "head")

    def test_one_that_learns_elsewhere(self, tmp_path, plug_in):
        plug_in("a2pipe.heads", "other", KNeighborsClassifier)
        with pytest.raises(UsageError, match="keeps what it learned in _fit_X, _fit_method, _tree"):
            save_head(KNeighborsClassifier().fit(X, y), tmp_path / "head")

    @pytest.mark.parametrize(
        ("value", "sentence"),
        [
            (
                {1: "a"},
                "learned_ cannot be saved, as it is not made of arrays or JSON values: dict",
            ),
            ((1, 2), "JSON values: tuple"),
            (float("nan"), "JSON values: float"),
            (np.array([1j]), "arrays of complex128 have no place"),
            (np.array([None]), "holds neither numbers nor text"),
            (NearestClassMean(), "JSON values: NearestClassMean"),
        ],
    )
    def test_one_that_learned_something_else(self, value, sentence, tmp_path):
        head = NearestClassMean().fit(X, y)
        head.learned_ = value
        with pytest.raises(UsageError, match=sentence):
            save_head(head, tmp_path / "head")
        assert not (tmp_path / "head").exists()


class TestApplied:
    def test_to_the_features_of_the_fit(self, saved):
        load_head(saved).check_features(37, {"crops": "[64]"})

    def test_to_features_of_another_width(self, saved):
        with pytest.raises(UsageError, match="fitted on 37 features and cannot be applied to 64"):
            load_head(saved).check_features(64, {"crops": "[64]"})

    @pytest.mark.parametrize(
        ("features", "sentence"),
        [
            ({"crops": "[32]"}, r"features with crops \[64\], and these have crops \[32\]"),
            ({}, r"features with crops \[64\], and these have no crops"),
            ({"crops": "[64]", "size": "96"}, "with no size, and these have size 96"),
        ],
    )
    def test_to_features_of_another_identity(self, saved, features, sentence):
        with pytest.raises(UsageError, match=sentence):
            load_head(saved).check_features(37, features)
