"""What a user says about the run of a preset: models that replace the paper's, and folders."""

from pathlib import Path

import pytest

from a2pipe.errors import UsageError
from a2pipe.paper.cells import target_of
from a2pipe.paper.presets import preset
from a2pipe.paper.published import published
from a2pipe.paper.results import Replacement
from a2pipe.paper.settings import (
    Settings,
    chosen_datasets,
    experiments,
    parse_replacements,
    replaced,
)

SMALL, BASE = "dinov2_vits14_reg", "dinov2_vitb14_reg"
ANY = published(11)[0]


# --- replacements -------------------------------------------------------------------------------


def test_a_model_is_replaced_in_both_roles_or_in_one():
    both = parse_replacements([f"{SMALL}=demo_localizer_s"])
    assert both == tuple(
        Replacement(role, SMALL, "demo_localizer_s") for role in ("attention", "embedding")
    )
    (one,) = parse_replacements([f"embedding:{SMALL}=demo_embedder_s"])
    cell = replaced(target_of(ANY), [one]).cells[0]
    assert (cell.source.attention, cell.embedding) == (SMALL, "demo_embedder_s")


def test_several_models_may_have_the_same_stand_in():
    """Then their cells are one."""
    chosen = parse_replacements([f"{SMALL}=demo_localizer_s", f"{BASE}=demo_localizer_s"])
    targets = [replaced(target, chosen) for target in preset("table-11").targets]
    assert len({target.cells for target in targets}) == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{SMALL}=no_such_model", "There is no model called 'no_such_model'"),
        ("resnet50=demo_localizer_s", "'resnet50' is no model of the paper"),
        ("demo_localizer_s", "write PAPER_MODEL=MODEL"),
        (f"head:{SMALL}=demo_localizer_s", "write PAPER_MODEL=MODEL"),
    ],
)
def test_replacements_that_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse_replacements([text])


def test_a_replacement_that_the_preset_has_no_use_for_is_refused():
    settings = Settings(replacements=parse_replacements(["mae_vitb16=demo_localizer_s"]))
    with pytest.raises(UsageError, match="table-11 has no attention or embedding model mae_vitb16"):
        experiments(preset("table-11"), "spawrious-o2o-hard", settings)


# --- which datasets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "settings", "message"),
    [
        ("table-11", {}, "table-11 needs the folder of spawrious-o2o-hard: give it as --dataset"),
        ("table-11", {"only": ("waterbirds",)}, "table-11 is not about dataset 'waterbirds'"),
        ("table-31", {}, "table-31 has nothing to run: TTR"),
        ("table-11", {"roots": {"spawrious-o2o-hard": "/none"}}, "There is no folder /none"),
    ],
)
def test_runs_that_are_refused_before_anything_is_read(id, settings, message):
    roots = {name: Path(path) for name, path in settings.pop("roots", {}).items()}
    with pytest.raises(UsageError, match=message):
        chosen_datasets(preset(id), Settings(roots=roots, **settings))


def test_datasets_without_a_folder_are_left_out(tmp_path):
    settings = Settings(roots={"waterbirds": tmp_path})
    assert chosen_datasets(preset("table-1"), settings) == ["waterbirds"]
