"""Specs of records, whose addresses differ where their content does; and all kinds by name."""

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from importlib import import_module

import pytest

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.stages import specs
from a2pipe.stages.specs import (
    AttentionSpec,
    CoverageSpec,
    DiscoverSpec,
    EmbeddingSpec,
    FitSpec,
    FullBox,
    HeadSpec,
    LocalizeSpec,
    MapSpec,
    ModelSpec,
    ProjectionSpec,
    TextModelSpec,
    TextSpec,
)

MODEL = ModelSpec("{}", "ab" * 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), name="tiny")
MAP = MapSpec(AttentionSpec(MODEL, 48, 12))
TOWER = TextModelSpec("{}", "cd" * 16, name="tiny")
COLLECTION = "ef" * 16
FULL = EmbeddingSpec(FullBox(48), MODEL, 48)
SMALL = EmbeddingSpec(FullBox(48), MODEL, 24)

RECORDS = [
    HeadSpec("logistic"),
    FitSpec(HeadSpec("logistic"), (FULL, SMALL), COLLECTION),
    LocalizeSpec(MAP, 48, COLLECTION),
    CoverageSpec((FullBox(48),), 48, COLLECTION),
    TOWER,
    TextSpec(TOWER, "a bear"),
    ProjectionSpec("ab" * 16),
    DiscoverSpec(MAP, "mean+std", "boxes", COLLECTION),
]
STAGES = ["head", "fits", "localization", "localization", "text-model", "text", "projections"]
STAGES += ["discovery"]


def test_no_two_kinds_share_their_stage_and_version():
    assert len({(spec.stage, spec.version) for spec in RECORDS}) == len(RECORDS)


def test_the_stage_is_the_folder_of_the_cache():
    assert [spec.stage for spec in RECORDS] == STAGES


@pytest.mark.parametrize("spec", [HeadSpec("knn"), TOWER, ProjectionSpec("ab" * 16)])
def test_a_name_is_for_people_and_changes_no_address(spec):
    renamed = replace(spec, name="another name")
    assert renamed == spec
    assert fingerprint(renamed) == fingerprint(spec)


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        (RECORDS[0], {"kind": "knn"}),
        (RECORDS[0], {"parameters": '{"C":2}'}),
        (RECORDS[1], {"head": HeadSpec("knn")}),
        (RECORDS[1], {"features": (SMALL, FULL)}),
        (RECORDS[1], {"collection": "0" * 32}),
        (RECORDS[2], {"map": replace(MAP, heads="max")}),
        (RECORDS[2], {"canvas": 96}),
        (RECORDS[2], {"split": "all"}),
        (RECORDS[2], {"evaluation": "patch-centre"}),
        (RECORDS[3], {"crops": (FullBox(48), FullBox(48))}),
        (RECORDS[3], {"split": "val"}),
        (RECORDS[4], {"weights": "0" * 32}),
        (RECORDS[5], {"prompt": "a bird"}),
        (RECORDS[6], {"weights": "0" * 32}),
        (RECORDS[7], {"threshold": "top60"}),
        (RECORDS[7], {"truth": "0" * 32}),
        (RECORDS[7], {"split": "val"}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else type(value).__name__,
)
def test_another_content_has_another_address(spec, changes):
    assert fingerprint(replace(spec, **changes)) != fingerprint(spec)


def test_test_images_measured_by_the_pixel_need_not_be_said():
    assert LocalizeSpec(MAP, 48, COLLECTION, "test", "pixels") == RECORDS[2]
    assert CoverageSpec((FullBox(48),), 48, COLLECTION, "test") == RECORDS[3]


@pytest.mark.parametrize("spec", RECORDS, ids=lambda spec: type(spec).__name__)
def test_a_spec_cannot_be_changed(spec):
    with pytest.raises(FrozenInstanceError):
        setattr(spec, fields(spec)[0].name, None)


@pytest.mark.parametrize(
    "module",
    [
        "attention",
        "embeddings",
        *(f"boxes.{name}" for name in ("center", "full", "greedy", "random", "tile")),
    ],
)
def test_every_kind_that_is_stored_is_here_by_name(module):
    defined = vars(import_module(f"a2pipe.stages.{module}"))
    kinds = {
        name: kind
        for name, kind in defined.items()
        if is_dataclass(kind) and hasattr(kind, "stage") and kind.__module__.endswith(module)
    }
    assert kinds
    assert {name: getattr(specs, name, None) for name in kinds} == kinds
