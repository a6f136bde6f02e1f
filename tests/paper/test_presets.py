"""Presets: which numbers they have, which of these can be made, and why not others."""

from types import SimpleNamespace

from a2pipe.paper.cells import PaperCell, target_of
from a2pipe.paper.presets import PRESETS, available, overview, preset
from a2pipe.paper.published import Number, published
from a2pipe.paper.settings import parse_replacements, replaced

SMALL, GIANT = "dinov2_vits14_reg", "dinov2_vitg14_reg"


FIVE = {
    "spawrious-o2o-hard": (64, 32),
    "spawrious-m2m-hard": (64, 32),
    "waterbirds": (64,),
    "metashift-cat-dog": (64, 32),
    "metashift-animals": (64, 32),
}


def number(table: int, **fields: object) -> Number:
    """The first number of a table with these fields."""
    return next(n for n in published(table) if all(getattr(n, k) == v for k, v in fields.items()))


def cells(table: int, **fields: object) -> tuple[PaperCell, ...]:
    return target_of(number(table, **fields)).cells


def test_every_published_number_belongs_to_a_preset():
    keys = {n.key for each in PRESETS for n in each.numbers}
    assert keys == {n.key for n in published()}
    assert len(keys) == len(published())


def test_what_can_run_is_asked_of_the_heads_there_are(monkeypatch):
    def kinds(*names: str) -> None:
        registry = SimpleNamespace(names=lambda: names)
        monkeypatch.setattr("a2pipe.paper.presets.HEADS", registry)

    def can_run() -> int:
        return {line["id"]: line["can_run"] for line in overview()}["table-30"]

    kinds("logistic")
    (why,) = {target.reason for target in available(preset("table-30").targets)}
    assert why == "needs head 'zero-shot', which this version does not have"
    assert can_run() == 0
    kinds("logistic", "zero-shot")
    assert can_run() == 90


def test_a_stand_in_whose_patches_do_not_divide_the_input_is_left_out():
    """518 = 37 x 14 is no multiple of 8."""
    chosen = parse_replacements([f"{SMALL}=demo_embedder_s"])
    enlarged = target_of(number(8, method="full-lr", image_size=518, embedding=SMALL))
    (found,) = available([replaced(enlarged, chosen)])
    assert found.reason == "518 px are no multiple of the 8 px patches of demo_embedder_s"
    assert available([enlarged])[0].how == "cells"


def test_a_table_of_means_runs_what_it_is_the_mean_of():
    assert set(preset("table-24").datasets) == set(FIVE)
    assert preset("table-31").datasets == ()
