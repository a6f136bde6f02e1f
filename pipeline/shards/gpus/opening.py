"""A task is told to another process of this machine as plain JSON, and opened there."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ....cache.catalog import Cache
from ....cache.fingerprint import fingerprint
from ....datasets.collection import NO_BOXES, Collection
from ....errors import A2pipeError
from ...experiment.schema import Experiment
from ...planning.identification import identify_all
from ...planning.plan import STAGES, make_plan
from ..backbones import weights_memo
from ..request import Request, experiment_for
from ..task import Task, prepare


def told(task: Task, decoders: int) -> Request:
    """Return what another process needs to know of a task, besides its device and its shards.

    decoders: how many images it decodes at once, where the experiment does not say.
    """
    specs = task.asked_for
    return {
        "experiment": experiment_for(task, decoders),
        "cache": str(task.cache.root),
        "stages": sorted({spec.stage for spec in specs}, key=STAGES.index),
        "specs": [fingerprint(spec) for spec in specs],
        "images": _images_of(task.plan.collection),
    }


def opened(request: Request, device: str) -> Task:
    """Return the task of a request, to be computed on this device, as it stands by now.

    Raises:
        A2pipeError: the weights of a model are no longer those of the request.
    """
    experiment = Experiment.model_validate(request["experiment"])
    run = experiment.run.model_copy(update={"device": device})
    experiment = experiment.model_copy(update={"run": run})
    cache, wanted = Cache(request["cache"]), set(request["specs"])
    infos = identify_all(experiment, weights_memo(cache))
    plan = make_plan(experiment, _collection_of(request["images"]), infos)
    # A plan may be cut to some of its rows, which its experiment does not say.
    specs = [spec for spec in plan.specs_of(request["stages"]) if fingerprint(spec) in wanted]
    if len(specs) < len(wanted):
        raise A2pipeError("The weights of a model have changed since this run began: run again.")
    return prepare(plan, cache, specs)


# The samples are sent, and not loaded again: a folder of a million files takes a while to look at,
# and the samples of some runs, such as those of `predict`, are named by no experiment.
def _images_of(collection: Collection) -> dict[str, Any]:
    """Return path, digest and size of every readable image, each once."""
    first = dict(zip(reversed(collection.digests), range(len(collection))[::-1], strict=True))
    return {
        "name": collection.name,
        "paths": list(collection.path_of.values()),
        "digests": list(collection.images),
        "sizes": collection.sizes[[first[digest] for digest in collection.images]].tolist(),
    }


def _collection_of(images: Mapping[str, Any]) -> Collection:
    """Return the images as a collection, without what only heads and tables read of one."""
    paths = tuple(images["paths"])
    none = np.full(len(paths), -1, np.int64)
    return Collection(
        name=images["name"],
        paths=paths,
        labels=none,
        class_names=(),
        groups=none,
        group_names=(),
        splits=np.full(len(paths), "", np.str_),
        boxes=(NO_BOXES,) * len(paths),
        image_ids=paths,
        digests=tuple(images["digests"]),
        sizes=np.array(images["sizes"], np.int64).reshape(-1, 2),
        unreadable={},
    )
