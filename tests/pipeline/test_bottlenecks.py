"""The run names what holds it up: one part is made slow at a time, and its advice is what helps."""

import time

import pytest

from a2pipe.cache.stores.zarr_store import ZarrStore
from a2pipe.models.backbone import Backbone
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.decoding import Decoders
from a2pipe.pipeline.shards.stats import DECODE, DEVICE, DISK, HOST

SLOW = {
    DECODE: (Decoders, "_decoded", "--workers"),
    DEVICE: (Backbone, "_read", "--precision bf16"),
    DISK: (ZarrStore, "write", "a faster disk"),
    HOST: (Decoders, "canvases", "a core of its own"),
}
"""What is made slow, and what the run then advises."""


@pytest.mark.parametrize("cause", SLOW)
def test_the_part_that_is_slow_is_named(cause, experiment, tmp_path, monkeypatch):
    owner, name, remedy = SLOW[cause]
    session = open_session(experiment(run={"batch_size": 8, "shard_size": 16}), tmp_path / "cache")
    (model,) = {spec.model for spec in session.plan.attention}
    load_all(session, model)
    work = getattr(owner, name)

    def slowly(*arguments, **options):
        time.sleep(0.4)
        return work(*arguments, **options)

    monkeypatch.setattr(owner, name, slowly)
    throughput = session.compute().throughput
    assert throughput.bottleneck == cause
    assert throughput.share(cause) > 0.6
    assert remedy in throughput.advice()


def load_all(session, model):
    """Load the model and warm it up, which is no part of what is measured here."""
    from a2pipe.pipeline.shards.task import prepare

    specs = session.plan.specs()
    backbone = session.executor.backbones(prepare(session.plan, session.cache, specs)).get(model)
    assert backbone.info.blocks > 0
