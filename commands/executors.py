"""These flags say where shards are computed, besides --gpus, which is a key of an experiment."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from .options import PATH, HeadedOption, decorated

_option = functools.partial(click.option, cls=HeadedOption, heading="Run")
_OPTIONS = [
    _option("--scheduler", metavar="ADDRESS", help="Compute on the Dask cluster that runs there."),
    _option(
        "--local-workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Compute in N processes of this machine, each with a GPU of its own if there are any.",
    ),
    _option(
        "--cluster",
        type=PATH,
        metavar="FILE",
        help="Compute in jobs of the batch system that FILE describes, through dask-jobqueue.",
    ),
]


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags, of which one may be given; the command receives an `executor`, or None."""

    @functools.wraps(command)
    def wrapped(
        scheduler: str | None,
        local_workers: int | None,
        cluster: Path | None,
        overrides: Mapping[str, Any],
        **values: Any,
    ) -> Any:
        given = [value for value in (scheduler, local_workers, cluster) if value is not None]
        gpus = overrides.get("run.gpus")
        if len(given) > 1:
            raise click.UsageError("Give one of --scheduler, --local-workers and --cluster.")
        if given and gpus is not None:
            raise click.UsageError(
                "--gpus is for the GPUs of this machine: leave it out, or --scheduler, "
                "--local-workers and --cluster."
            )
        executor = None
        if given:
            from ..pipeline.cluster.choose import make_executor

            executor = make_executor(
                scheduler=scheduler or "", local_workers=local_workers or 0, cluster=cluster
            )
        return command(executor=executor, overrides=overrides, **values)

    return decorated(wrapped, _OPTIONS)
