"""One stage on its own: its lines, its bad images, and what is refused."""

import pytest

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.errors import UsageError
from a2pipe.pipeline.results.stage_run import compute_stage
from a2pipe.pipeline.session import open_session


def test_a_line_tells_what_is_stored_of_each_spec_of_the_stage(experiment, images, tmp_path):
    (images / "00000.png").write_bytes(b"no image")
    session = open_session(experiment(), tmp_path / "cache")
    run = compute_stage(session, "attention")
    (spec,) = session.plan.attention
    assert run.lines == [
        {
            "stage": "attention",
            "what": spec.words,
            "fingerprint": fingerprint(spec),
            "rows": 80,
            "shards": "3/3",
            "bad": 1,
            "folder": str(session.stored(spec).folder),
        }
    ]
    assert [bad.path for bad in run.bad] == [str(images / "00000.png")]
    assert len(list((tmp_path / "cache" / "runs").iterdir())) == 1


def test_a_rank_tells_what_is_done_so_far(experiment, tmp_path):
    session = open_session(experiment(), tmp_path / "cache")
    run = compute_stage(session, "attention", rank=1, world_size=2)
    assert (run.lines[0]["shards"], run.bad) == ("1/3", [])


@pytest.mark.parametrize(
    ("section", "stage", "message"),
    [
        ("attention", "attention", "name at least one model"),
        ("embedding", "embeddings", "name at least one embedding model and a crop or baseline"),
    ],
)
def test_a_stage_without_a_model_is_refused(experiment, tmp_path, section, stage, message):
    session = open_session(experiment(**{section: {}}), tmp_path / "cache")
    with pytest.raises(UsageError, match=message):
        compute_stage(session, stage)
    assert not session.stats.shards
