"""From an experiment to specs: rows, columns, shared prefixes, arrays."""

from dataclasses import replace

import pytest

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.planning.collection import load_collection
from a2pipe.pipeline.planning.identification import identify_all
from a2pipe.pipeline.planning.plan import make_plan
from a2pipe.stages.specs import EmbeddingSpec, GreedyBox

RANDOM, TRAINED = "demo_localizer_s_random", "demo_localizer_s"


@pytest.fixture
def plan_of(experiment, tmp_path):
    """The plan of a variation of the tiny experiment."""

    def make(**sections):
        loaded = load_experiment(experiment(**sections))
        collection = load_collection(loaded, cache=tmp_path / "cache")
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


def test_heads_and_readings_are_rows_of_their_own(plan_of):
    attention = {
        "models": [TRAINED],
        "heads": ["mean", "max", "lowest_entropy_k:2"],
        "reading": ["slice", "patch-softmax"],
    }
    plan = plan_of(attention=attention, crops={"sizes": [16], "smooth": [1, 3]})
    assert [(row.map.heads, row.map.reading, row.smooth) for row in plan.rows] == [
        (heads, reading, smooth)
        for heads in attention["heads"]
        for reading in attention["reading"]
        for smooth in (1, 3)
    ]
    assert len({row.key for row in plan.rows}) == len({row.label for row in plan.rows}) == 12
    assert len(plan.attention) == 1


def test_a_row_says_how_heads_are_read_unless_as_the_paper_reads_them(plan_of):
    attention = {"models": [TRAINED], "heads": ["mean", "topk_mass:2"]}
    both = plan_of(attention={**attention, "reading": ["slice", "patch-softmax"]}).rows
    keys, labels = [row.key for row in both], [row.label for row in both]
    plain = f"{TRAINED}/block4/16/smooth1"
    assert keys == [
        plain,
        f"{plain}/patch-softmax",
        f"{plain}/topk_mass:2",
        f"{plain}/topk_mass:2/patch-softmax",
    ]
    assert labels == [
        f"{TRAINED}, 16 px",
        f"{TRAINED}, 16 px, each head renormalised",
        f"{TRAINED}, 16 px, 2 heads of largest patch mass",
        f"{TRAINED}, 16 px, 2 heads of largest patch mass, each head renormalised",
    ]


def test_two_spellings_of_an_aggregator_are_one_row_and_one_address(plan_of):
    spellings = ["topk", "topk:3", "topk:03"]
    plans = [plan_of(attention={"models": [RANDOM], "heads": text}) for text in spellings]
    assert len({fingerprint(plan.rows[0].map) for plan in plans}) == 1
    assert len(plan_of(attention={"models": [RANDOM], "heads": spellings}).rows) == 1


def test_stored_crops_by_aggregators_have_words_of_their_own(plan_of):
    boxes = plan_of(attention={"models": [TRAINED], "heads": ["mean", "max"]}).specs("boxes")[1:]
    assert [box.words for box in boxes] == [
        f"greedy crop 1, 16 px by {TRAINED}, block 4",
        f"greedy crop 1, 16 px by {TRAINED}, block 4, max over heads",
    ]


@pytest.mark.parametrize("heads", ["lowest_entropy_k", "topk:4", ["mean", "topk_mass:4"]])
def test_more_heads_than_the_model_has_are_refused(plan_of, heads):
    with pytest.raises(UsageError, match=f"{RANDOM} has 3 in a block; write .*:3 or fewer"):
        plan_of(attention={"models": [RANDOM], "heads": heads})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"heads": "median"}, "'median' is not understood; write mean, max"),
        ({"heads": []}, "'attention.heads' needs at least one value"),
        ({"heads": 3}, "'attention.heads' should be a valid string, not 3"),
        ({"reading": "sliced"}, "'attention.reading' should be 'slice' or 'patch-softmax'"),
        ({"reading": []}, "'attention.reading' needs at least one value"),
    ],
)
def test_heads_and_readings_that_do_not_exist_are_refused(plan_of, section, said):
    with pytest.raises(UsageError, match=said):
        plan_of(attention={"models": [RANDOM], **section})


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
    sizes = [row.blocks[0].input_size for row in plan.rows if row.kind == "baseline"]
    assert sizes == [48, 96]


@pytest.mark.parametrize(
    ("run", "numerics"),
    [
        ({}, 1),
        ({"precision": "bf16"}, 2),
        ({"precision": "fp16"}, 2),
        ({"compile": True}, 2),
        ({"precision": "bf16", "compile": True}, 2),
    ],
)
def test_low_precision_and_compiled_code_have_addresses_of_their_own(plan_of, run, numerics):
    """Eager float32 keeps the addresses that it had before the others got a version."""
    plan = plan_of(attention={"models": [TRAINED]}, run=run)
    model = plan.attention[0].model
    assert model.numerics == plan.model_spec(RANDOM).numerics == numerics
    before = fingerprint(replace(model, numerics=1))
    assert (fingerprint(model) == before) == (numerics == 1)
