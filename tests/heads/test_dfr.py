"""DFR: the published procedure number for number, and what it says of samples that will not do.

The oracle is the procedure written down once more in plain loops, from the paper and what its
public code does. It shares with the head only liblinear and the order in which numbers are drawn:
of `1 + draws` generators spawned from the seed, the first shuffles the pool and draws the balanced
set of tuning, and each other one makes a draw; groups are shuffled one after another.
"""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from a2pipe.errors import UsageError
from a2pipe.heads.dfr import DFRHead
from a2pipe.heads.fitting import reweighting
from a2pipe.heads.fitting.balancing import complete_draw
from a2pipe.heads.fitting.liblinear import L1
from a2pipe.heads.fitting.samples import SamplesError

QUICK: dict[str, Any] = {"Cs": (1.0, 0.1), "class_weights": None, "draws": 3}


def spurious(
    sizes: list[int], seed: int = 0, classes: int = 2, features: int = 8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group g is of class g % classes and background g // classes: two features tell the class,
    faintly, and two the background, plainly; the others are noise of unequal scale."""
    generator = np.random.default_rng(seed)
    groups = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    labels, backgrounds = groups % classes, groups // classes
    X = generator.normal(size=(len(groups), features))
    X[:, 0] += 1.5 * (labels - (classes - 1) / 2)
    X[:, 1] += 2.0 * (labels == 0)
    X[:, 2] += 4.0 * backgrounds
    X[:, 3] -= 3.0 * backgrounds
    return X * np.linspace(0.5, 5, features) + 1, labels, groups


def oracle(X, y, groups, pool, train, head: DFRHead) -> dict[str, Any]:
    """What DFR fits to rows `pool` (and standardises by `train`), in plain loops."""
    generators = np.random.default_rng(head.seed).spawn(1 + head.draws)
    classes = sorted(set(y.tolist()))

    def standardise(rows):
        means, scales = [], []
        for column in range(X.shape[1]):
            values = [X[row, column] for row in rows]
            mean = math.fsum(values) / len(values)
            means.append(mean)
            scales.append(math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values)))
        return np.array(means), np.array(scales)

    def draw(rows, generator):
        members = {g: [row for row in rows if groups[row] == g] for g in sorted(set(groups[rows]))}
        least = min(len(found) for found in members.values())
        for _ in range(20):
            drawn = []
            for found in members.values():
                drawn += list(generator.permutation(found)[:least])
            if {y[row] for row in drawn} == {y[row] for row in rows}:
                return drawn
        raise AssertionError("every draw misses a class")

    def fit(rows, means, scales, C, weights):
        coefs, intercepts = [], []
        for label in classes[1:] if len(classes) == 2 else classes:
            positive = np.array([int(y[row] == label) for row in rows])
            model = LogisticRegression(
                solver="liblinear",
                C=C,
                class_weight={0: weights[0], 1: weights[1]},
                random_state=head.seed,
                max_iter=head.max_iter,
                **L1,
            )
            model.fit((X[rows] - means) / scales, positive)
            coefs.append(model.coef_[0])
            intercepts.append(model.intercept_[0])
        return np.array(coefs), np.array(intercepts)

    def predict(row, means, scales, coef, intercept):
        scores = [
            sum(w * (v - m) / s for w, v, m, s in zip(line, X[row], means, scales, strict=True)) + b
            for line, b in zip(coef, intercept, strict=True)
        ]
        return classes[int(scores[0] > 0)] if len(scores) == 1 else classes[int(np.argmax(scores))]

    scored, rest = [], []
    if head.variant == "val":
        shuffled = generators[0].permutation(len(pool))
        for place, number in enumerate(shuffled):
            (scored if place < len(pool) // 2 else rest).append(pool[number])
    else:
        for group in sorted(set(groups[pool])):
            members = [row for row in pool if groups[row] == group]
            members = list(generators[0].permutation(members))
            count = math.floor(head.pseudo_val * len(members) + 0.5)
            scored += members[:count]
            rest += members[count:]

    pairs = [(1.0, 1.0)]
    if head.class_weights and len(classes) == 2:
        pairs = []
        for pair in [(1, w) for w in head.class_weights] + [(w, 1) for w in head.class_weights]:
            if pair not in pairs:
                pairs.append(pair)
    fitted = draw(rest, generators[0])
    means, scales = standardise(fitted)
    scores, best = [], None
    for C in head.Cs:
        for pair in pairs:
            coef, intercept = fit(fitted, means, scales, C, pair)
            right: dict[int, list[bool]] = {}
            for row in scored:
                guess = predict(row, means, scales, coef, intercept)
                right.setdefault(groups[row], []).append(guess == y[row])
            worst = min(sum(found) / len(found) for found in right.values())
            if best is None or worst > max(scores):
                best = (C, pair)
            scores.append(worst)

    means, scales = standardise(pool if head.scaler == "pool" else train)
    whole = {"val": "pool", "train": "rest"}[head.variant]
    source = pool if (head.retrain_on or whole) == "pool" else rest
    draws = [draw(source, generator) for generator in generators[1:]]
    fits = [fit(rows, means, scales, *best) for rows in draws]
    return {
        "draws": draws,
        "scores_": np.array(scores).reshape(len(head.Cs), len(pairs)),
        "C_": best[0],
        "class_weight_": np.array(best[1] if len(classes) == 2 else [1.0] * len(classes)),
        "mean_": means,
        "scale_": scales,
        "coef_": sum(coef for coef, _ in fits) / len(fits),
        "intercept_": sum(intercept for _, intercept in fits) / len(fits),
    }


@parametrize_with_checks([DFRHead(variant, **QUICK) for variant in ("val", "train")])
@pytest.mark.filterwarnings("ignore")
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_the_defaults_are_the_papers():
    assert DFRHead().get_params() == {
        "variant": "val",
        "Cs": (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01),
        "class_weights": (1.0, 2.0, 3.0, 10.0, 100.0, 300.0, 1000.0),
        "draws": 20,
        "scaler": "pool",
        "retrain_on": None,
        "pseudo_val": 0.2,
        "group_by": "group",
        "max_iter": 100,
        "seed": 0,
        "n_jobs": None,
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestProcedure:
    """Each reading of it against the oracle."""

    @pytest.mark.parametrize(
        "reading",
        [
            {},
            {"class_weights": None},
            {"scaler": "train"},
            {"retrain_on": "rest"},
            {"variant": "train"},
            {"variant": "train", "retrain_on": "pool"},
            {"variant": "train", "pseudo_val": 0.4},
            {"Cs": (0.03, 0.3), "class_weights": (2, 5)},
            {"seed": 5},
        ],
        ids=str,
    )
    def test_two_classes(self, reading):
        X, y, groups = spurious([70, 30, 35, 60])
        mask = np.random.default_rng(1).random(len(X)) < 0.5
        head = DFRHead(**{"draws": 4, **reading}).fit(X, y, groups=groups, validation=mask)
        val, train = np.flatnonzero(mask), np.flatnonzero(~mask)
        self.check(head, oracle(X, y, groups, val if head.variant == "val" else train, train, head))

    @pytest.mark.parametrize("variant", ["val", "train"])
    @pytest.mark.parametrize("weights", [None, (1.0, 10.0)])
    def test_more_classes_a_row_each_and_no_class_weights(self, variant, weights):
        X, y, groups = spurious([40, 25, 30, 24, 26, 35], classes=3)
        head = DFRHead(variant, class_weights=weights, draws=3).fit(X, y, groups=groups)
        every = np.arange(len(X))
        self.check(head, oracle(X, y, groups, every, every, head))
        assert head.coef_.shape == (3, 8)
        assert head.scores_.shape == (7, 1)

    @pytest.mark.parametrize("variant", ["val", "train"])
    def test_groups_that_mix_classes_are_drawn_anew_until_each_class_is_there(self, variant):
        X, y, _ = spurious([60, 60])
        groups = np.where(np.arange(120) < 117, 4, 9)  # draws of 3 and 3
        head = DFRHead(variant, **{**QUICK, "draws": 12}).fit(X, y, groups=groups)
        self.check(head, oracle(X, y, groups, np.arange(120), np.arange(120), head))

    @pytest.mark.parametrize("how", [{"group_by": "class"}, {}])
    def test_classes_are_the_groups_if_asked_for_or_if_there_are_no_others(self, how):
        X, y, groups = spurious([70, 30, 35, 60])
        head = DFRHead(**QUICK, **how).fit(X, y, groups=groups if how else None)
        every = np.arange(len(X))
        self.check(head, oracle(X, y, y, every, every, head))
        assert head.groups_.tolist() == [0, 1]

    def check(self, head: DFRHead, expected: dict[str, Any]) -> None:
        assert (head.C_, head.class_weight_.tolist()) == (
            expected["C_"],
            expected["class_weight_"].tolist(),
        )
        assert np.array_equal(head.scores_, expected["scores_"])
        for name in ("mean_", "scale_", "coef_", "intercept_"):
            assert np.allclose(getattr(head, name), expected[name], rtol=0, atol=1e-6), name
        assert {len(draw) for draw in expected["draws"]} == {head.draw_size_}


def test_the_set_of_tuning_and_each_draw_are_balanced(monkeypatch):
    X, y, groups = spurious([70, 30, 35, 60])
    drawn = []

    def watched(groups, labels, generator):
        rows = complete_draw(groups, labels, generator)
        drawn.append(np.bincount(groups[rows]).tolist())
        return rows

    monkeypatch.setattr(reweighting, "complete_draw", watched)
    head = DFRHead(**QUICK).fit(X, y, groups=groups)
    assert drawn == [[head.tuning_group_size_] * 4] + [[30] * 4] * 3
    assert (head.draw_size_, head.draw_group_size_) == (120, 30)


class TestTies:
    """Classes far apart, which every C tells apart without a mistake."""

    X, y, groups = spurious([40, 40, 40, 40])
    X = X + 1000 * y[:, None]

    def test_the_largest_wins_as_it_is_listed_first(self):
        head = DFRHead(draws=2).fit(self.X, self.y, groups=self.groups)
        assert (head.scores_[:6] == 1).all()
        assert (head.C_, head.class_weight_.tolist()) == (1.0, [1, 1])

    def test_the_first_of_any_order_wins(self):
        head = DFRHead(Cs=[0.1, 1.0], class_weights=[3, 1], draws=2)
        head.fit(self.X, self.y, groups=self.groups)
        assert (head.C_, head.class_weight_.tolist()) == (0.1, [1, 3])


def test_the_grid_is_13_pairs_of_class_weights_with_each_of_7_strengths():
    X, y, groups = spurious([40, 40, 40, 40])
    assert DFRHead(draws=1).fit(X, y, groups=groups).scores_.shape == (7, 13)


@pytest.mark.parametrize("weights", [None, [], ()])
def test_without_class_weights_the_grid_is_7_strengths(weights):
    X, y, groups = spurious([40, 40, 40, 40])
    head = DFRHead(class_weights=weights, draws=1).fit(X, y, groups=groups)
    assert head.scores_.shape == (7, 1)
    assert head.class_weight_.tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_the_worst_group_gains_over_plain_regression(seed):
    X, y, groups = spurious([300, 15, 15, 300], seed)
    X_test, y_test, test_groups = spurious([200] * 4, 100 + seed)

    def worst(head: Any) -> float:
        right = head.predict(X_test) == y_test
        return min(right[test_groups == group].mean() for group in range(4))

    plain = LogisticRegression(max_iter=5000).fit(X, y)
    head = DFRHead("train", Cs=(1.0, 0.1)).fit(X, y, groups=groups)
    assert worst(head) > worst(plain) + 0.1


class TestReproducible:
    X, y, groups = spurious([40, 30, 35, 30])

    def fit(self, X: Any = None, **parameters: Any) -> DFRHead:
        head = DFRHead(**{**QUICK, **parameters})
        return head.fit(self.X if X is None else X, self.y, groups=self.groups)

    def test_the_same_seed_gives_the_same_bits_in_any_number_of_processes(self):
        one, two = self.fit(), self.fit(n_jobs=2)
        assert one.coef_.tobytes() == two.coef_.tobytes()
        assert one.intercept_.tobytes() == two.intercept_.tobytes()
        assert one.scores_.tobytes() == two.scores_.tobytes()

    def test_the_global_generator_is_neither_read_nor_moved(self):
        np.random.seed(1)
        one = self.fit()
        after = np.random.random()
        np.random.seed(1)
        assert after == np.random.random()
        assert one.coef_.tobytes() == self.fit().coef_.tobytes()

    def test_another_seed_gives_other_draws(self):
        assert not np.allclose(self.fit().coef_, self.fit(seed=1).coef_)

    def test_the_first_draws_do_not_depend_on_how_many_follow(self):
        one, two, three = (self.fit(draws=count) for count in (1, 2, 3))
        second = 2 * two.coef_ - one.coef_
        third = 3 * three.coef_ - 2 * two.coef_
        assert np.allclose(three.coef_, (one.coef_ + second + third) / 3)
        assert three.n_iter_[:2].tolist() == two.n_iter_.tolist()

    def test_a_memory_map_gives_the_bits_of_the_array(self, tmp_path):
        X = self.X.astype(np.float32)
        np.save(tmp_path / "features.npy", X)
        mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
        head = self.fit(X)
        assert head.coef_.tobytes() == self.fit(mapped).coef_.tobytes()
        assert head.coef_.tobytes() == self.fit(mapped, n_jobs=2).coef_.tobytes()
        assert np.array_equal(head.predict_proba(X), head.predict_proba(mapped))

    def test_float32_features_give_nearly_what_float64_gives(self):
        single, double = self.fit(self.X.astype(np.float32)), self.fit()
        assert np.allclose(single.coef_, double.coef_, atol=1e-3)
        assert single.C_ == double.C_


def test_what_is_fitted_is_arrays_and_plain_values():
    X, y, groups = spurious([40, 30, 35, 30])
    fitted = {
        k: v for k, v in vars(DFRHead(**QUICK).fit(X, y, groups=groups)).items() if k[-1] == "_"
    }
    arrays = {"coef_", "intercept_", "mean_", "scale_", "classes_", "class_weight_", "scores_"}
    arrays |= {"n_iter_", "groups_", "group_sizes_"}
    assert {name for name, value in fitted.items() if isinstance(value, np.ndarray)} == arrays
    others = {"C_", "notes_", "n_features_in_"}
    others |= {"draw_size_", "draw_group_size_", "tuning_group_size_"}
    assert fitted.keys() - arrays == others
    assert all(type(fitted[name]) in (int, float, list) for name in others)


def test_predictions_are_the_linear_rule_of_standardised_features():
    X, y, groups = spurious([40, 35, 30, 34, 36, 35], classes=3)
    names = np.array(["ape", "bear", "cat"])
    head = DFRHead(**QUICK).fit(X, names[y], groups=groups)
    scores = (X - head.mean_) / head.scale_ @ head.coef_.T + head.intercept_
    assert np.allclose(head.decision_function(X), scores)
    assert head.predict(X).tolist() == names[scores.argmax(axis=1)].tolist()
    assert np.allclose(np.exp(head.predict_log_proba(X)), head.predict_proba(X))
    assert head.predict_proba(X).argmax(axis=1).tolist() == scores.argmax(axis=1).tolist()


class TestScikitLearn:
    """Groups and the mask reach the head through what scikit-learn wraps around it."""

    X, y, groups = spurious([80, 60, 65, 70])
    mask = np.arange(275) % 3 > 0

    def test_clone_keeps_the_parameters(self):
        assert clone(DFRHead("train", Cs=[0.5])).get_params()["Cs"] == [0.5]

    def test_a_pipeline_hands_them_on_by_the_steps_name(self):
        pipeline = make_pipeline(FunctionTransformer(), DFRHead(**QUICK))
        pipeline.fit(self.X, self.y, dfrhead__groups=self.groups, dfrhead__validation=self.mask)
        bare = DFRHead(**QUICK).fit(self.X, self.y, groups=self.groups, validation=self.mask)
        assert np.array_equal(pipeline[-1].coef_, bare.coef_)

    def test_a_pipeline_routes_them_by_request(self):
        with sklearn.config_context(enable_metadata_routing=True):
            head = DFRHead(**QUICK).set_fit_request(groups=True, validation=True)
            pipeline = make_pipeline(FunctionTransformer(), head)
            pipeline.fit(self.X, self.y, groups=self.groups, validation=self.mask)
        bare = DFRHead(**QUICK).fit(self.X, self.y, groups=self.groups, validation=self.mask)
        assert np.array_equal(pipeline[-1].coef_, bare.coef_)

    def test_a_search_hands_each_fold_its_own_part(self):
        folds = [(np.arange(0, 180), np.arange(180, 275)), (np.arange(95, 275), np.arange(95))]
        with sklearn.config_context(enable_metadata_routing=True):
            head = DFRHead(**QUICK).set_fit_request(groups=True)
            search = GridSearchCV(head, {"variant": ["val", "train"]}, cv=folds, refit=False)
            search.fit(self.X, self.y, groups=self.groups)
        for place, variant in enumerate(("val", "train")):
            for number, (train, test) in enumerate(folds):
                bare = DFRHead(variant, **QUICK)
                bare.fit(self.X[train], self.y[train], groups=self.groups[train])
                score = search.cv_results_[f"split{number}_test_score"][place]
                assert score == bare.score(self.X[test], self.y[test])


class TestThePool:
    X, y, groups = spurious([80, 60, 65, 70])

    def fit(self, variant: str, mask: Any) -> DFRHead:
        return DFRHead(variant, **QUICK).fit(self.X, self.y, groups=self.groups, validation=mask)

    @pytest.mark.parametrize("variant", ["val", "train"])
    def test_samples_outside_it_change_nothing(self, variant):
        mask = np.arange(275) % 2 == 0
        pool = mask if variant == "val" else ~mask
        alone = DFRHead(variant, **QUICK)
        alone.fit(self.X[pool], self.y[pool], groups=self.groups[pool])
        assert np.array_equal(self.fit(variant, mask).coef_, alone.coef_)

    def test_their_groups_may_be_unknown(self):
        mask = np.arange(275) % 2 == 0
        groups = np.where(mask, self.groups, -1)
        head = DFRHead(**QUICK).fit(self.X, self.y, groups=groups, validation=mask)
        assert np.array_equal(head.coef_, self.fit("val", mask).coef_)
        assert head.notes_ == []

    def test_its_groups_and_sizes_are_kept(self):
        head = DFRHead(**QUICK).fit(self.X, self.y, groups=self.groups + 3)
        assert head.groups_.tolist() == [3, 4, 5, 6]
        assert head.group_sizes_.tolist() == [80, 60, 65, 70]


class TestWeakness:
    """A sentence, kept and warned of, where the fit can be done but is worth less."""

    def notes(self, X: Any, y: Any, groups: Any, mask: Any = None, **parameters: Any) -> list[str]:
        head = DFRHead(**{**QUICK, **parameters})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            head.fit(X, y, groups=groups, validation=mask)
        assert [str(warning.message) for warning in caught] == head.notes_
        return head.notes_

    def test_a_large_pool_has_none(self):
        assert self.notes(*spurious([60, 30, 35, 50])) == []

    def test_draws_of_a_handful(self):
        notes = self.notes(*spurious([60, 30, 35, 5]), variant="train", pseudo_val=0.2)
        assert notes == [
            "DFR chose C on 4 samples of each of 4 groups (16 of 104), because group 3 has no "
            "more: merge small groups, or balance the classes with group_by 'class'.",
            "DFR averages fits to 4 samples of each of 4 groups (16 of 104), because group 3 has "
            "no more: merge small groups, or balance the classes with group_by 'class'.",
        ]

    def test_fewer_groups_in_validation_than_in_training(self):
        X, y, groups = spurious([60, 40, 45, 50])
        mask = (np.arange(195) % 5 > 0) & (groups != 2)
        assert self.notes(X, y, groups, mask) == [
            f"DFR's pool of {mask.sum()} samples has none of group 2, which other samples have: "
            "only the 3 groups it has are balanced."
        ]

    def test_a_gap_in_the_indices_is_no_group(self):
        X, y, groups = spurious([60, 40, 45, 50])
        assert self.notes(X, y, groups * 10) == []

    def test_groups_that_score_nothing(self):
        X, y, groups = spurious([60, 40, 45, 50, 1])
        notes = self.notes(X, y, groups, variant="train")
        assert notes[0] == (
            "C was chosen without 1 of DFR's 5 groups: the 39 samples scored in tuning have none "
            "of them."
        )

    def test_fits_that_did_not_converge(self):
        X, y, groups = spurious([60, 40, 45, 50])
        with pytest.warns(ConvergenceWarning):
            head = DFRHead(**QUICK, max_iter=1).fit(X, y, groups=groups)
        assert head.notes_ == [
            "3 of DFR's 3 fits did not converge in 1 iterations: raise max_iter."
        ]


class TestNoFit:
    """A sentence, and no traceback of a library, where the samples cannot be fitted."""

    X, y, groups = spurious([60, 30, 35, 50])

    def refused(self, sentence: str, X=None, y=None, groups=None, mask=None, **parameters) -> None:
        with pytest.raises(SamplesError, match=sentence) as refusal:
            DFRHead(**{**QUICK, **parameters}).fit(
                self.X if X is None else X,
                self.y if y is None else y,
                groups=self.groups if groups is None else groups,
                validation=mask,
            )
        assert isinstance(refusal.value, UsageError)
        assert "\n" not in str(refusal.value)

    def test_features_that_are_not_finite(self):
        X = self.X.copy()
        X[[4, 7], 2] = np.nan, np.inf
        self.refused("2 of 175 samples .the first in row 4. have features that are NaN", X)

    def test_one_class(self):
        self.refused("All samples are of one class, 3: ", y=np.full(175, 3))

    def test_an_empty_pool(self):
        none = np.zeros(175, bool)
        self.refused("draws from the validation samples, and there are none: use", mask=none)
        self.refused("draws from the training samples, .* 'val'", mask=~none, variant="train")

    def test_a_class_that_the_pool_lacks(self):
        self.refused("pool of 95 samples has none of class 1: ", mask=self.y == 0)

    def test_samples_of_the_pool_without_a_group(self):
        groups = np.where(np.arange(175) < 9, -1, self.groups)
        self.refused("9 of the 175 samples of DFR's pool have no group: ", groups=groups)

    def test_a_pool_too_small_to_halve(self):
        two = slice(0, 2)
        self.refused(
            "pool of 2 samples is too small", self.X[two], np.array([0, 1]), np.array([0, 1])
        )

    def test_a_train_pool_of_which_nothing_can_score(self):
        self.refused(
            "pool of 4 samples is too small",
            self.X[:4],
            np.array([0, 0, 1, 1]),
            np.array([0, 0, 1, 1]),
            variant="train",
        )

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_a_rest_that_lacks_a_class(self):
        y = np.array([0, 1] * 20 + [2])
        sentences = set()
        for seed in range(6):
            head = DFRHead(**QUICK, retrain_on="rest", seed=seed)
            try:
                head.fit(self.X[:41], y)
            except SamplesError as refusal:
                sentences.add(str(refusal))
        assert sentences == {
            "The 21 samples to fit on lack a class of the pool, which is too small to keep samples "
            "back: retrain on the whole pool."
        }

    def test_training_samples_to_standardise_by_that_are_not_there(self):
        self.refused("standardise by training samples, and .* none", scaler="train")

    @pytest.mark.parametrize("groups", [np.zeros(174, int), np.zeros(175), np.zeros((175, 1), int)])
    def test_groups_that_are_not_a_whole_number_a_sample(self, groups):
        self.refused("groups are 175 whole numbers", groups=groups)

    @pytest.mark.parametrize("mask", [np.zeros(175, int), np.zeros(174, bool)])
    def test_a_mask_that_is_not_a_truth_value_a_sample(self, mask):
        self.refused("validation is 175 truth values", mask=mask)

    def test_a_prediction_from_features_that_are_not_finite(self):
        head = DFRHead(**QUICK).fit(self.X, self.y, groups=self.groups)
        with pytest.raises(SamplesError, match="1 of 1 samples"):
            head.predict(np.full((1, 8), np.nan))


@pytest.mark.parametrize(
    "wrong",
    [
        {"variant": "test"},
        {"Cs": []},
        {"Cs": 1.0},
        {"Cs": [1.0, 0]},
        {"Cs": [1.0, "0.1"]},
        {"class_weights": [-1]},
        {"class_weights": "balanced"},
        {"draws": 0},
        {"draws": 2.5},
        {"scaler": "all"},
        {"retrain_on": "half"},
        {"pseudo_val": 0},
        {"pseudo_val": 1.0},
        {"group_by": "context"},
        {"max_iter": 0},
        {"seed": -1},
        {"seed": True},
        {"n_jobs": 0},
    ],
    ids=str,
)
def test_values_no_fit_can_use_are_usage_errors(wrong):
    with pytest.raises(UsageError, match=f"DFR head .*{next(iter(wrong))}"):
        DFRHead(**wrong).check_parameters()
