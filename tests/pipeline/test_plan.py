"""From an experiment to specs: rows, columns, shared prefixes, arrays."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment_file import load_experiment
from a2pipe.pipeline.plan import make_plan
from a2pipe.pipeline.session import identify_all, load_collection
from a2pipe.stages.specs import EmbeddingSpec, GreedyBox

RANDOM, TRAINED = "demo_localizer_s_random", "demo_localizer_s"


@pytest.fixture
def plan_of(experiment, tmp_path):
    """The plan of a variation of the tiny experiment."""

    def make(**sections):
        loaded = load_experiment(experiment(**sections))
        collection = load_collection(loaded, tmp_path / "cache")
        return make_plan(loaded, collection, identify_all(loaded, None))

    return make


def test_rows_are_models_by_smoothing_by_crop_lists_then_baselines(plan_of):
    plan = plan_of(
        attention={"models": [TRAINED, RANDOM]},
        crops={"sizes": [[16], [16, 8]], "smooth": [1, 3]},
        embedding={"models": [RANDOM], "baselines": ["full", "center:16", "random:1"]},
    )
    assert [row.kind for row in plan.rows] == ["attention"] * 4 + ["control"] * 4 + ["baseline"] * 4
    assert len({row.key for row in plan.rows}) == len(plan.rows)


def test_crop_lists_share_their_common_prefix(plan_of):
    short, long = plan_of(crops={"sizes": [[16], [16, 8]]}).rows
    assert long.boxes[0] == short.boxes[0]
    assert long.boxes[1].previous == short.boxes[0]


def test_specs_come_after_what_they_read(plan_of):
    specs = plan_of(crops={"sizes": [16, 8]}).specs()
    for position, spec in enumerate(specs):
        if isinstance(spec, GreedyBox):
            assert spec.map.attention in specs[:position]
            assert spec.previous is None or spec.previous in specs[:position]
        if isinstance(spec, EmbeddingSpec):
            assert spec.box in specs[:position]


def test_specs_stop_at_the_stage_asked_for(plan_of):
    plan = plan_of()
    assert {spec.stage for spec in plan.specs("attention")} == {"attention"}
    assert {spec.stage for spec in plan.specs("boxes")} == {"attention", "boxes"}


def test_all_layers_are_one_spec_a_block(plan_of):
    plan = plan_of(attention={"models": [RANDOM], "layers": "all"})
    assert [spec.block for spec in plan.attention] == [1, 2, 3, 4]


def test_a_block_that_is_not_there_is_refused(plan_of):
    with pytest.raises(UsageError, match="blocks 1 to 4, not 5"):
        plan_of(attention={"models": [RANDOM], "layers": [5]})


def test_arrays_have_the_shapes_of_the_model(plan_of):
    attention, box, embedding = plan_of().specs()
    field = plan_of().field
    assert field(attention).shape == (3, 1 + 36)
    assert field(box).shape == (4,)
    assert field(embedding).shape == (96,)


@pytest.mark.parametrize("section", ["attention", "embedding"])
def test_an_input_that_patches_do_not_divide_is_refused(plan_of, section):
    with pytest.raises(UsageError, match="do not divide"):
        plan_of(**{section: {"models": [RANDOM], "input_size": 50}})


def test_a_centre_crop_larger_than_the_image_is_refused(plan_of):
    with pytest.raises(UsageError, match="does not fit"):
        plan_of(embedding={"models": [RANDOM], "baselines": ["center:64"]})


def test_a_baseline_may_have_an_input_of_its_own(plan_of):
    plan = plan_of(embedding={"models": [RANDOM], "baselines": ["full", "full@96"]})
    sizes = [row.input_size for row in plan.rows if row.kind == "baseline"]
    assert sizes == [48, 96]
