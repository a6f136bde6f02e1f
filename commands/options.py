"""Commands share these options, and decorators give them flags of an experiment."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from .flags import CALLBACKS, TYPES, Flag, Group

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

HEADINGS = (
    "Options",
    "Dataset",
    "Image",
    "Attention",
    "Patches",
    "Crops",
    "Embedding",
    "Heads",
    "Localization",
    "Masking",
    "Training",
    "Run",
)
"""The help shows these headings, in this order."""


class HeadedOption(click.Option):
    """A HeadedOption stands under a heading in the help of a `HeadedCommand`."""

    def __init__(self, *names: Any, heading: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.heading = heading


class HeadedCommand(click.Command):
    """A HeadedCommand shows options under headings in its help; `HEADINGS` has their order."""

    # cloup does this and more, but takes 70 to 140 ms to import, half of what `--help` may take.
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options to the help, a section for each heading that has any."""
        lines: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for parameter in self.get_params(ctx):
            line = parameter.get_help_record(ctx)
            if line is not None and isinstance(parameter, click.Option):
                lines[getattr(parameter, "heading", HEADINGS[0])].append(line)
        for heading, found in lines.items():
            if found:
                with formatter.section(heading):
                    formatter.write_dl(found)


PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
"""A file in place of the folder is refused before anything is computed."""


def path_option(name: str, metavar: str, sentence: str, **settings: Any) -> Decorator:
    """Return an option whose value is a path; `settings` are those of `click.option`."""
    return click.option(name, **{"type": PATH, "metavar": metavar, "help": sentence, **settings})


cache_option = click.option(
    "--cache",
    "cache_root",
    type=PATH,
    metavar="DIR",
    help="Folder of the cache.  [$A2PIPE_CACHE, else the user's cache folder]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print no progress on stderr.")
out_option = path_option("--out", "DIR", "Folder of the report.  [results/NAME]", type=FOLDER)


def decorated(command: Callable[..., Any], options: Iterable[Decorator]) -> Callable[..., Any]:
    """Return the command with these options, which its help lists in this order."""
    # click collects options from the inside out, as decorators above each other are applied.
    for option in reversed(list(options)):
        command = option(command)
    return command


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --cache, --quiet and --json."""
    return decorated(command, (cache_option, quiet_option, json_option))


def key_flags(*groups: Group, short: Mapping[str, str] | None = None) -> Decorator:
    """Add the flags of these groups; the command receives `overrides`, a value by dotted key.

    `overrides` has the flags that are given and no other. short: a second name of a flag, by its
    key.
    """
    flags = {flag.key.replace(".", "__"): flag for group in groups for flag in group}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(**values: Any) -> Any:
            said = {flag.key: values.pop(name) for name, flag in flags.items()}
            # What is not given must be no override, as that would win over the experiment file.
            given = {key: value for key, value in said.items() if value not in (None, (), {})}
            return command(overrides=given, **values)

        options = [_option(name, flag, (short or {}).get(flag.key)) for name, flag in flags.items()]
        return decorated(wrapped, options)

    return decorate


def _option(parameter: str, flag: Flag, short: str | None) -> Decorator:
    sentence, spaces, default = flag.help.partition("  ")
    repeated = " May be repeated." if flag.multiple else ""
    # A switch that is not given is None, so that it does not win over the file.
    settings: dict[str, Any] = {"is_flag": True, "default": None}
    if flag.metavar:
        settings = {"metavar": flag.metavar, "multiple": flag.multiple}
        settings["type"] = TYPES.get(flag.metavar)
        settings["callback"] = CALLBACKS.get(flag.metavar)
    return click.option(
        *filter(None, (flag.name, short)),
        parameter,
        cls=HeadedOption,
        heading=flag.heading,
        help=sentence + repeated + spaces + default,
        **settings,
    )


def experiment_options(*groups: Group, short: Mapping[str, str] | None = None) -> Decorator:
    """Add an optional EXPERIMENT argument, --config, and the flags of these groups.

    The command receives `source` (the file, or None) and `overrides`, as `key_flags` has them.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(experiment: Path | None, config: Path | None, **values: Any) -> Any:
            if experiment and config:
                raise click.UsageError(
                    "Give the experiment file once: as the argument or with --config."
                )
            return command(source=experiment or config, **values)

        argument = click.argument("experiment", type=PATH, required=False)
        config = path_option(
            "--config", "FILE", "Experiment file, instead of the argument; flags win over it."
        )
        return decorated(wrapped, (argument, config, key_flags(*groups, short=short)))

    return decorate
