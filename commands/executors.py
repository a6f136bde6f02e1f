"""These flags say where shards are computed."""

import functools
from collections.abc import Callable
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
    """Add the flags, of which one may be given; the command receives an `executor`."""

    @functools.wraps(command)
    def wrapped(
        scheduler: str | None, local_workers: int | None, cluster: Path | None, **values: Any
    ) -> Any:
        given = (scheduler, local_workers, cluster)
        if sum(value is not None for value in given) > 1:
            raise click.UsageError("Give one of --scheduler, --local-workers and --cluster.")
        from ..pipeline.cluster.choose import make_executor

        executor = make_executor(
            scheduler=scheduler or "", local_workers=local_workers or 0, cluster=cluster
        )
        return command(executor=executor, **values)

    return decorated(wrapped, _OPTIONS)
