"""List the datasets that can be asked for by name. A new one is one file and one line here.

Other packages add theirs through the entry point group `a2pipe.datasets`: a function that takes a
`Request` and returns a `Collection`; the first line of its docstring describes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from ..errors import UsageError
from ..registry import Registry
from .benchmark_facts import BenchmarkFacts
from .collection import Collection
from .images.archive_memo import forget_archives
from .images.memo import forget_memo
from .request import Loader, Request

# Loaders of other packages have imported both names from here.
from .request import check_options as check_options

MEMO = "images.json"


@dataclass(frozen=True)
class _Entry:
    """An _Entry is a built-in dataset, whose loader and facts are imported when needed."""

    summary: str
    loader: str
    facts: str = ""


def _benchmark(summary: str, loader: str, facts: str = "FACTS") -> _Entry:
    """Return the entry of a benchmark whose facts lie in the same module as its loader."""
    module = loader.partition(":")[0]
    return _Entry(summary, f"benchmarks.{loader}", f"benchmarks.{module}:{facts}")


_DEMO = "demo.loader:load_demo"
_BUILT_IN = {
    "demo-01": _Entry("handwritten 0 and 1 on two photographs that betray the class", _DEMO),
    "demo-01-balanced": _Entry("its control: class and photograph are independent", _DEMO),
    "demo-38": _Entry("handwritten 3 and 8 on two photographs that betray the class", _DEMO),
    "demo-38-balanced": _Entry("its control: class and photograph are independent", _DEMO),
    "folder": _Entry(
        "a folder of images: [split/]class/*.jpg, or images alone", "formats.loaders:folder"
    ),
    "manifest": _Entry(
        "a CSV or Parquet table with a row for every sample", "formats.loaders:manifest"
    ),
    "webdataset": _Entry("tar shards: KEY.jpg, KEY.cls or KEY.json", "formats.loaders:webdataset"),
    "huggingface": _Entry(
        "a folder that save_to_disk of Hugging Face datasets wrote", "formats.loaders:saved"
    ),
    "waterbirds": _benchmark(
        "land and water birds on land and on water", "waterbirds:load_waterbirds"
    ),
    "celeba": _benchmark("faces: blond hair or not, women and men", "celeba:load_celeba"),
    "imagenet-val": _benchmark(
        "the 50,000 validation images, with boxes", "imagenet:load_imagenet"
    ),
    "voc07": _benchmark(
        "Pascal VOC 2007, with boxes, to discover objects in",
        "pascal_voc:load_pascal_voc",
        "FACTS_07",
    ),
    "voc12": _benchmark(
        "Pascal VOC 2012, with boxes and masks, to discover objects in",
        "pascal_voc:load_pascal_voc",
        "FACTS_12",
    ),
    "coco20k": _benchmark(
        "20,000 training images of COCO 2014, with boxes, to discover objects in",
        "coco20k:load_coco20k",
    ),
    "spawrious-o2o-hard": _benchmark(
        "generated dogs: a place for each breed, another one in test",
        "spawrious:load_spawrious",
        "FACTS_O2O_HARD",
    ),
    "spawrious-m2m-hard": _benchmark(
        "generated dogs: two places for two breeds, two others in test",
        "spawrious:load_spawrious",
        "FACTS_M2M_HARD",
    ),
    "metashift-cat-dog": _benchmark(
        "cats indoors and dogs outdoors, in test the other way round",
        "metashift_cat_dog:load_cat_dog",
    ),
    "metashift-animals": _benchmark(
        "eight animals, in test in other contexts; built first", "metashift_animals:load_animals"
    ),
}
DATASETS: Registry[Loader] = Registry(
    "dataset",
    "a2pipe.datasets",
    __package__,
    {name: entry.loader for name, entry in _BUILT_IN.items()},
    "A folder of images, a .csv or a .parquet manifest, or .tar shards are given by their path.",
)


def load(
    name: str,
    root: Path | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    memo: Path | None = None,
    workspace: Path | None = None,
    rehash: bool = False,
) -> Collection:
    """Load a dataset by its name; a folder, a .csv or .parquet manifest, or tar shards by path.

    memo: folder in which the digests of image files are remembered between runs.
    workspace: folder in which a built collection may be placed.
    rehash: forget what is remembered, of every file, and read these anew.

    Raises UsageError for a name that is unknown (with the nearest ones), an option the dataset does
    not have, and a dataset that is not where it should be.
    """
    file = memo and memo / MEMO
    if file and rehash and not (forget_memo(file) and forget_archives(file)):
        file = None
    return _loader(name)(Request(name, root, options or {}, file, workspace))


def names() -> list[tuple[str, str]]:
    """Return every name with one line about it: the built-in ones, then those of plug-ins."""
    return [(name, _summary(name)) for name in DATASETS.names()]


def facts_of(name: str) -> BenchmarkFacts | None:
    """Return what was published about a benchmark; None for every other dataset."""
    entry = _BUILT_IN.get(name)
    if entry is None or not entry.facts:
        return None
    facts: BenchmarkFacts = _import(entry.facts)
    return facts


def _loader(name: str) -> Loader:
    """Return what loads a dataset: by its name, else by what its path looks like."""
    of_path: Loader | None = None
    if name not in DATASETS:
        of_path = _import("formats.loaders:loader_of_path")(name)
    return of_path or DATASETS.load(name)


def _import(target: str) -> Any:
    """Import the object at "module:name" below this folder."""
    return resolve_name(f"{__package__}.{target}")


def _summary(name: str) -> str:
    """Return one line about a dataset; for a plug-in that cannot be loaded, a line that says so."""
    if name in _BUILT_IN:
        return _BUILT_IN[name].summary
    value = DATASETS.plug_ins()[name].value
    try:
        return (DATASETS.load(name).__doc__ or value).strip().splitlines()[0]
    except UsageError:
        return f"cannot be loaded from {value}"
