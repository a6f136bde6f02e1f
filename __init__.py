"""a2pipe computes attention maps, crop boxes, crop embeddings and heads, each once.

    import a2pipe
    matrix = a2pipe.build_matrix("experiment.toml")
    features = a2pipe.open_features("experiment.toml", row="full image", model="dinov2_vits14_reg")

Everything here is imported when first used, so `import a2pipe` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

_HOME = {
    "Backbone": ".models.backbone",
    "Cache": ".cache.catalog",
    "Collection": ".datasets.collection",
    "Executor": ".pipeline.shards.executor",
    "Experiment": ".pipeline.experiment.schema",
    "LocalExecutor": ".pipeline.shards.local",
    "Matrix": ".reports.matrix",
    "View": ".pipeline.api",
    "A2pipeError": ".errors",
    "build_matrix": ".pipeline.api",
    "load_backbone": ".models.backbone",
    "load_collection": ".pipeline.planning.collection",
    "load_experiment": ".pipeline.experiment.load",
    "make_executor": ".pipeline.cluster.choose",
    "open_attention": ".pipeline.api",
    "open_boxes": ".pipeline.api",
    "open_features": ".pipeline.api",
    "open_patches": ".pipeline.api",
    "predict": ".pipeline.predict.predict",
}

__all__ = [
    "A2pipeError",
    "Backbone",
    "Cache",
    "Collection",
    "Executor",
    "Experiment",
    "LocalExecutor",
    "Matrix",
    "View",
    "__version__",
    "build_matrix",
    "load_backbone",
    "load_collection",
    "load_experiment",
    "make_executor",
    "open_attention",
    "open_boxes",
    "open_features",
    "open_patches",
    "predict",
]

if TYPE_CHECKING:
    from .cache.catalog import Cache
    from .datasets.collection import Collection
    from .errors import A2pipeError
    from .models.backbone import Backbone, load_backbone
    from .pipeline.api import (
        View,
        build_matrix,
        open_attention,
        open_boxes,
        open_features,
        open_patches,
    )
    from .pipeline.cluster.choose import make_executor
    from .pipeline.experiment.load import load_experiment
    from .pipeline.experiment.schema import Experiment
    from .pipeline.planning.collection import load_collection
    from .pipeline.predict.predict import predict
    from .pipeline.shards.executor import Executor
    from .pipeline.shards.local import LocalExecutor
    from .reports.matrix import Matrix


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
