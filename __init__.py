"""a2pipe: attention maps, crop boxes, crop embeddings and heads, each computed once.

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
    "Experiment": ".pipeline.experiment.schema",
    "Matrix": ".reports.results",
    "View": ".pipeline.views",
    "A2pipeError": ".errors",
    "build_matrix": ".pipeline.api",
    "load_backbone": ".models.backbone",
    "load_collection": ".pipeline.api",
    "load_experiment": ".pipeline.experiment.toml",
    "open_attention": ".pipeline.views",
    "open_boxes": ".pipeline.views",
    "open_features": ".pipeline.views",
    "predict": ".pipeline.predict.predict",
}

__all__ = [
    "A2pipeError",
    "Backbone",
    "Cache",
    "Collection",
    "Experiment",
    "Matrix",
    "View",
    "__version__",
    "build_matrix",
    "load_backbone",
    "load_collection",
    "load_experiment",
    "open_attention",
    "open_boxes",
    "open_features",
    "predict",
]

if TYPE_CHECKING:
    from .cache.catalog import Cache
    from .datasets.collection import Collection
    from .errors import A2pipeError
    from .models.backbone import Backbone, load_backbone
    from .pipeline.api import build_matrix, load_collection
    from .pipeline.experiment.schema import Experiment
    from .pipeline.experiment.toml import load_experiment
    from .pipeline.predict.predict import predict
    from .pipeline.views import View, open_attention, open_boxes, open_features
    from .reports.results import Matrix


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
