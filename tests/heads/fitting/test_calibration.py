"""A calibrated logistic head: the whole grid tried on validation samples, and what it records."""

import json
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from a2pipe.errors import UsageError
from a2pipe.heads import logistic
from a2pipe.heads.fitting import calibration
from a2pipe.heads.fitting.calibration import LabelledSamples, holdout_mask, score_predictions
from a2pipe.heads.fitting.samples import SamplesError
from a2pipe.heads.logistic import LogisticHead
from a2pipe.heads.registry import make_head

SCALERS = {"raw": FunctionTransformer(), "l2": Normalizer(), "standardized": StandardScaler()}


def samples(count: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features of unequal scales, labels, groups (class, background), and a validation mask."""
    generator = np.random.default_rng(8)
    y, place = generator.integers(0, 2, (2, count))
    place = np.where(generator.random(count) < 0.8, y, place)
    X = generator.normal(size=(count, 12)) * generator.uniform(0.1, 9, 12)
    X[:, 0] += 2 * y - 1
    X[:, 1] += 4 * place
    return X.astype(np.float32), y, 2 * y + place, generator.random(count) < 0.4


def by_hand(X, y, groups, mask, *, worst):
    """(features, C, max_iter) to score, with bare scikit-learn."""
    found = {}
    for features, scaler in SCALERS.items():
        for C in (0.01, 0.1, 1, 10, 100):
            for max_iter in (100, None):
                model = make_pipeline(
                    clone(scaler), LogisticRegression(C=C, max_iter=max_iter or 10**4)
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    right = model.fit(X[~mask], y[~mask]).predict(X[mask]) == y[mask]
                parts = [groups[mask] == g for g in range(4)] if worst else [np.ones_like(right)]
                found[features, C, max_iter] = min(right[part].mean() for part in parts)
    return found


@parametrize_with_checks([LogisticHead(calibrate=True)])
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


class TestChoice:
    X, y, groups, mask = samples()

    @pytest.mark.parametrize("choose_by", ["accuracy", "worst-group"])
    def test_every_setting_scores_as_bare_scikit_learn_does(self, choose_by):
        head = LogisticHead(calibrate=True, choose_by=choose_by)
        head.fit(self.X, self.y, groups=self.groups, validation=self.mask)
        expected = by_hand(self.X, self.y, self.groups, self.mask, worst=choose_by == "worst-group")
        trials = head.calibration_["trials"]
        tried = {(t["features"], t["C"], t["max_iter"]): t["score"] for t in trials}
        assert list(tried) == list(expected)
        assert tried == pytest.approx(expected)
        assert len(set(tried.values())) > 1

    def test_the_first_of_the_best_wins_and_the_others_are_named(self):
        head = LogisticHead(calibrate=True).fit(self.X, self.y, validation=self.mask)
        found = head.calibration_
        scores = [trial["score"] for trial in found["trials"]]
        best = [trial for trial in found["trials"] if trial["score"] == max(scores)]
        assert found["chosen"] == best[0]
        names = ("features", "C", "max_iter")
        assert found["ties"] == [{name: trial[name] for name in names} for trial in best[1:]]
        assert found["ties"]

    def test_the_two_scores_may_choose_differently(self):
        chosen = {}
        for choose_by in calibration.SCORES:
            head = LogisticHead(calibrate=True, choose_by=choose_by)
            head.fit(self.X, self.y, groups=self.groups, validation=self.mask)
            chosen[choose_by] = head.calibration_["chosen"]
        assert chosen["accuracy"] != chosen["worst-group"]

    def test_it_is_fitted_on_the_training_samples_alone(self):
        head = LogisticHead(calibrate=True).fit(self.X, self.y, validation=self.mask)
        chosen = head.calibration_["chosen"]
        setting = {name: chosen[name] for name in ("features", "C", "max_iter")}
        plain = LogisticHead(**setting).fit(self.X[~self.mask], self.y[~self.mask])
        assert np.array_equal(head.coef_, plain.coef_)
        assert np.array_equal(head.predict_proba(self.X), plain.predict_proba(self.X))

    def test_the_record_is_json_and_says_how_many_samples_chose(self):
        head = LogisticHead(calibrate=True).fit(self.X, self.y, validation=self.mask)
        assert json.loads(json.dumps(head.calibration_)) == head.calibration_
        assert head.calibration_["n_validation"] == self.mask.sum()
        assert head.calibration_["n_train"] == (~self.mask).sum()
        assert len(head.calibration_["trials"]) == 30

    def test_given_iterations_stand_for_every_setting(self):
        both = LogisticHead(calibrate=True).fit(self.X, self.y, validation=self.mask)
        head = LogisticHead(calibrate=True, max_iter=calibration.CAPPED)
        trials = head.fit(self.X, self.y, validation=self.mask).calibration_["trials"]
        capped = [t for t in both.calibration_["trials"] if t["max_iter"] == calibration.CAPPED]
        assert trials == capped
        assert len(trials) == 15

    def test_a_refit_without_calibration_forgets_it(self):
        head = LogisticHead(calibrate=True).fit(self.X, self.y, validation=self.mask)
        assert not hasattr(head.set_params(calibrate=False).fit(self.X, self.y), "calibration_")

    def test_a_setting_that_cannot_converge_is_recorded_and_passed_over(self, monkeypatch):
        monkeypatch.setattr(logistic, "BUDGETS", (3,))
        monkeypatch.setattr(calibration, "CAPPED", 2)
        head = LogisticHead(calibrate=True).fit(self.X, self.y, validation=self.mask)
        failed = [trial for trial in head.calibration_["trials"] if trial["score"] is None]
        assert failed
        assert all("did not converge" in trial["failure"] for trial in failed)
        assert head.calibration_["chosen"]["score"] is not None

    def test_a_cap_that_binds_is_another_fit_than_the_converged_one(self, monkeypatch):
        monkeypatch.setattr(calibration, "CAPPED", 2)
        head = LogisticHead(calibrate=True).fit(self.X, self.y, validation=self.mask)
        capped, converged = head.calibration_["trials"][8:10]
        assert (capped["iterations"], capped["converged"]) == (2, False)
        assert converged["iterations"] > 2
        assert converged["converged"]


class TestWithoutMask:
    X, y, groups, _ = samples()

    def test_a_seeded_share_of_every_class_is_held_out(self):
        mask = holdout_mask(LabelledSamples(self.X, self.y), 0.25, 3)
        assert np.array_equal(mask, holdout_mask(LabelledSamples(self.X, self.y), 0.25, 3))
        assert not np.array_equal(mask, holdout_mask(LabelledSamples(self.X, self.y), 0.25, 4))
        for c in (0, 1):
            assert mask[self.y == c].sum() == round(0.25 * (self.y == c).sum())

    def test_with_groups_it_is_a_share_of_every_group(self):
        mask = holdout_mask(LabelledSamples(self.X, self.y, self.groups), 0.25, 0)
        counts = [(self.groups == g).sum() for g in range(4)]
        assert [mask[self.groups == g].sum() for g in range(4)] == [round(n / 4) for n in counts]

    def test_a_single_sample_of_a_class_stays_in_training(self):
        mask = holdout_mask(LabelledSamples(self.X[:5], np.array([0, 0, 1, 2, 2])), 0.1, 0)
        assert not mask[2]
        assert mask.sum() == 2

    def test_the_choice_is_that_of_the_mask_and_the_fit_has_all_samples(self):
        head = LogisticHead(calibrate=True, seed=5).fit(self.X, self.y)
        mask = holdout_mask(LabelledSamples(self.X, self.y), 0.2, 5)
        given = LogisticHead(calibrate=True).fit(self.X, self.y, validation=mask)
        assert head.calibration_["trials"] == given.calibration_["trials"]
        chosen = head.calibration_["chosen"]
        setting = {name: chosen[name] for name in ("features", "C", "max_iter")}
        assert np.array_equal(head.coef_, LogisticHead(**setting).fit(self.X, self.y).coef_)


class TestWhatAFitUses:
    def test_an_uncalibrated_head_asks_for_nothing(self):
        assert LogisticHead().uses == frozenset()

    def test_a_calibrated_one_asks_for_validation_samples_and_maybe_groups(self):
        assert make_head("logistic", {"calibrate": True}).uses == {"validation"}
        parameters = {"calibrate": True, "choose_by": "worst-group"}
        assert make_head("logistic", parameters).uses == {"validation", "groups"}

    def test_an_uncalibrated_head_refuses_a_validation_mask(self):
        X, y, _, mask = samples()
        with pytest.raises(UsageError, match="only where it calibrates"):
            LogisticHead().fit(X, y, validation=mask)

    def test_scikit_learn_routes_both(self):
        X, y, groups, _ = samples()
        with sklearn.config_context(enable_metadata_routing=True):
            head = LogisticHead(calibrate=True, choose_by="worst-group")
            head.set_fit_request(groups=True, validation=True)
            mask = np.arange(len(y)) % 3 == 0
            given = {"groups": groups, "validation": mask}
            found = cross_validate(
                head, X, y, params=given, cv=KFold(3), return_estimator=True, error_score="raise"
            )
        assert {e.calibration_["validation"] for e in found["estimator"]} == {"given"}

    def test_a_grid_search_may_go_over_the_score(self):
        X, y, _, _ = samples()
        search = GridSearchCV(LogisticHead(calibrate=True), {"seed": [0, 1]}, cv=2).fit(X, y)
        assert search.best_estimator_.calibration_["validation"] == "held out"


class TestRefused:
    X, y, groups, mask = samples()

    def test_a_mask_that_leaves_nothing_to_train_on(self):
        with pytest.raises(SamplesError, match="is given no training sample"):
            LogisticHead(calibrate=True).fit(self.X, self.y, validation=np.full(len(self.y), True))

    def test_without_validation_samples_it_holds_some_out(self):
        none = np.full(len(self.y), False)
        found = LogisticHead(calibrate=True).fit(self.X, self.y, validation=none)
        assert found.calibration_ == LogisticHead(calibrate=True).fit(self.X, self.y).calibration_

    @pytest.mark.parametrize("wrong", [np.ones(3, bool), np.arange(240)])
    def test_a_mask_of_another_kind(self, wrong):
        with pytest.raises(SamplesError, match="validation is 240 truth values"):
            LogisticHead(calibrate=True).fit(self.X, self.y, validation=wrong)

    def test_no_groups_for_the_worst_group(self):
        head = LogisticHead(calibrate=True, choose_by="worst-group")
        with pytest.raises(UsageError, match="only choose by its worst group where groups are"):
            head.fit(self.X, self.y, validation=self.mask)
        with pytest.raises(SamplesError, match="groups are 240 whole numbers"):
            head.fit(self.X, self.y, validation=self.mask, groups=self.groups[:9])
        with pytest.raises(SamplesError, match="no validation sample has a group"):
            head.fit(self.X, self.y, validation=self.mask, groups=np.full(240, -1))

    def test_training_samples_of_one_class(self):
        with pytest.raises(SamplesError, match="of one class"):
            LogisticHead(calibrate=True).fit(self.X, self.y, validation=self.y == 1)


def test_the_worst_group_leaves_out_samples_without_one():
    scored = LabelledSamples(np.zeros((5, 1)), np.zeros(5, int), np.array([0, 0, 2, -1, -1]))
    assert score_predictions(np.array([0, 1, 0, 1, 1]), scored) == 0.5
