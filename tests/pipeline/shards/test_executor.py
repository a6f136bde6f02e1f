"""Executors are equals: each has the method of the protocol, with the same arguments."""

from inspect import signature

import pytest

from a2pipe.pipeline.cluster.dask.run import DaskExecutor
from a2pipe.pipeline.shards.executor import Executor
from a2pipe.pipeline.shards.gpus.executor import GpuExecutor
from a2pipe.pipeline.shards.local import LocalExecutor


@pytest.mark.parametrize("kind", [LocalExecutor, GpuExecutor, DaskExecutor])
def test_the_method_is_that_of_the_protocol(kind):
    assert signature(kind.compute, eval_str=True) == signature(Executor.compute, eval_str=True)
