"""These calls of the Python API open an experiment, and return its matrix or cached arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..cache.artifact import OK
from ..datasets.collection import Collection
from ..errors import UsageError
from ..models.outputs import Statistic, parse_statistic
from ..reports.matrix import Matrix
from ..stages.specs import PatchSpec, parts_of
from .experiment.load import Source
from .planning.plan import Spec
from .planning.rows import find_row
from .results import matrix
from .session import Session, open_session
from .shards.executor import Executor
from .shards.progress import make_progress

Form = Literal["numpy", "dask", "zarr"]
T = TypeVar("T")


def build_matrix(
    experiment: Source,
    *,
    cache: Path | str | None = None,
    executor: Executor | None = None,
    quiet: bool = False,
) -> Matrix:
    """Compute what an experiment lacks, fit the missing heads, and return its matrix.

    experiment: a TOML file, a mapping of the same shape, or an `Experiment`. cache: folder of the
    cache; `$A2PIPE_CACHE` or the user's cache folder if None. executor: what computes attention,
    boxes and embeddings: a `LocalExecutor`, what `make_executor` returns, or an object of your own
    with their method `compute`; this process if None. Heads are always fitted in this process.
    quiet: print no progress on stderr.

    Raises:
        UsageError: the experiment, the dataset or a model's name is wrong.
        A2pipeError: some images are bad and `run.skip_bad_images` is off; the disk is full; or the
            executor could not compute some shards.
    """
    session = open_session(experiment, cache, make_progress(quiet), executor=executor)
    return matrix.build_matrix(session).matrix


@dataclass(frozen=True, eq=False)
class View:
    """A view holds rows of the cache, one for each unique image of a collection.

    values: (images, ...), as a numpy.ndarray, a dask.array.Array, or the stored zarr.Array
        (h5py.Dataset on the HDF5 backend). NumPy and Dask check every byte they read against its
        checksum; the stored array checks none.
    status: uint8 (images,); 1 is good, 2 unreadable, 3 not finite. Bad rows hold NaN (boxes: -1).
    images: content digests, in the order of rows.
    collection: the samples; several of them may share one image.
    """

    values: Any
    status: NDArray[np.uint8]
    images: tuple[str, ...]
    collection: Collection

    @property
    def row_of_sample(self) -> NDArray[np.int64]:
        """Return the row of each sample of the collection, int64 (samples,).

        A sample whose file could not be read has no row. It gets the number after the last row, so
        that indexing with it raises IndexError instead of returning another image's row.
        """
        row_of = {image: row for row, image in enumerate(self.images)}
        none = len(self.images)
        return np.array([row_of.get(digest, none) for digest in self.collection.digests], np.int64)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Return whether each sample of the collection has a good row, bool (samples,)."""
        good: NDArray[np.bool_] = np.append(self.status == OK, False)[self.row_of_sample]
        return good


def open_attention(
    experiment: Source,
    model: str | None = None,
    *,
    block: int | None = None,
    form: Form = "numpy",
    cache: Path | str | None = None,
) -> View:
    """Open the attention of the CLS token: float32 (images, heads, tokens).

    A row is the full softmax of one block, prefix tokens first, so it sums to 1.

    experiment, cache: as for `build_matrix`. model, block: which attention; either may be left out
    where the experiment has one. form: the kind of array.

    Raises:
        UsageError: the experiment has no such model or block, or several and none was named.
        NotCachedError: the rows have not been computed.
    """
    session = open_session(experiment, cache)
    found = [
        spec
        for spec in session.plan.attention
        if model in (None, spec.model.name) and block in (None, spec.block)
    ]
    known = [f"{spec.model.name} block {spec.block}" for spec in session.plan.attention]
    return _view(session, _only(found, "attention", known), form)


def open_patches(
    experiment: Source,
    statistic: str | None = None,
    model: str | None = None,
    *,
    form: Form = "numpy",
    cache: Path | str | None = None,
) -> View:
    """Open a statistic of patches: (images, N), float32, or uint16 for votes.

    The patches of a row stand as in the grid, row by row.

    experiment, cache: as for `build_matrix`. statistic: "patch-score", "norm", "votes:49" and the
    like, as in the experiment's `attention.source` or `patches.statistics`. model: of its attention
    models. Either may be left out where the experiment has one. form: the kind of array.

    Raises:
        UsageError: the experiment has no such statistic or model, or several and none was named.
        NotCachedError: the rows have not been computed.
    """
    session = open_session(experiment, cache)
    wanted = parse_statistic(statistic) if statistic else None
    found = [
        spec
        for spec in session.plan.patches
        if model in (None, spec.model.name)
        and (wanted is None or _resolved(session, spec, wanted) == spec.output)
    ]
    known = [f"{spec.model.name} {spec.statistic}" for spec in session.plan.patches]
    return _view(session, _only(found, "statistic", known), form)


def _resolved(session: Session, spec: PatchSpec, statistic: Statistic) -> Statistic:
    """Return a statistic as the model of a spec has it."""
    return session.plan.backbones[spec.model.name].resolve(statistic, spec.input_size)


def open_boxes(
    experiment: Source,
    row: str | None = None,
    *,
    crop: int = 0,
    form: Form = "numpy",
    cache: Path | str | None = None,
) -> View:
    """Open crop boxes: int32 (images, 4).

    A box is x0, y0, x1, y1 in pixels of the resized image, half-open.

    experiment, cache: as for `build_matrix`. row: the label or key of a row of the matrix, or an
    attention model that has one row; may be left out where there is one. crop: which of the row's
    crops, from 0. form: the kind of array.

    Raises:
        UsageError: the experiment has no such row or crop, or several rows and none was named.
        NotCachedError: the boxes have not been computed.
    """
    session = open_session(experiment, cache)
    boxes = find_row(session.plan.rows, row).boxes
    if not 0 <= crop < len(boxes):
        raise UsageError(f"The row has crops 0 to {len(boxes) - 1}, not {crop}.")
    return _view(session, boxes[crop], form)


def open_features(
    experiment: Source,
    row: str | None = None,
    model: str | None = None,
    *,
    form: Form = "numpy",
    cache: Path | str | None = None,
) -> View:
    """Open the embeddings of a row's crops under one embedding model: float32 (images, crops * d).

    experiment, cache: as for `build_matrix`. row: as for `open_boxes`. model: an embedding model;
    may be left out where there is one. form: the kind of array; "zarr" is the stored array of one
    crop, so a row of several crops has none.

    Raises:
        UsageError: the experiment has no such row or model, or several and none was named; or the
            form is "zarr" and the row has several crops.
        NotCachedError: the embeddings have not been computed.
    """
    session = open_session(experiment, cache)
    columns = session.plan.columns
    column = _only([name for name in columns if model in (None, name)], "model", columns)
    features = session.plan.features(find_row(session.plan.rows, row), column)
    specs = [spec for feature in features for spec in parts_of(feature)]
    views = {spec: _view(session, spec, form) for spec in specs}
    if len(features) == len(specs) == 1:
        return views[specs[0]]
    if form == "zarr":
        raise UsageError("Several crops are several stored arrays; open them as numpy or dask.")
    status = np.max([view.status for view in views.values()], axis=0)
    blocks = [_mean([views[spec].values for spec in parts_of(part)]) for part in features]
    # NumPy hands Dask arrays on to Dask's own function of the same name.
    values = np.concatenate(blocks, axis=1)
    return View(values, status, views[specs[0]].images, session.collection)


def _mean(parts: list[Any]) -> Any:
    """Return the mean of NumPy or Dask arrays of one shape, computed in float64."""
    if len(parts) == 1:
        return parts[0]
    return np.stack(parts).mean(axis=0, dtype=np.float64).astype(np.float32)


def _only(found: Sequence[T], what: str, known: Sequence[str]) -> T:
    """Return the one that was found; raise UsageError with what is known if it is not one."""
    if len(found) != 1:
        problem = f"Several {what}s fit; name one" if found else f"There is no such {what}; choose"
        raise UsageError(f"{problem} of: {'; '.join(known) or 'none'}.")
    return found[0]


def _view(session: Session, spec: Spec, form: Form) -> View:
    """Open the rows of a spec; raises as the calls above."""
    artifact = session.artifact(spec)
    ways = {"numpy": artifact.read, "dask": artifact.dask, "zarr": artifact.open}
    if form not in ways:
        raise UsageError(f"There is no form {form!r}; choose numpy, dask or zarr.")
    values = ways[form](session.plan.field(spec).name)
    return View(values, artifact.read("status"), artifact.layout.images, session.collection)
