"""The command line is the group of all commands, and its exit codes."""

import atexit
import errno
import gc
import os
import signal
import sys
from typing import NoReturn

import click

from .commands.cache import cache
from .commands.cluster import finish, logs, status, submit
from .commands.compare import compare
from .commands.datasets import datasets
from .commands.experiment import experiment
from .commands.localize import discover, localize, patches, plot, probe_masking
from .commands.matrix import build_matrix, demo, fit_heads, report
from .commands.models import models
from .commands.paper import paper
from .commands.predict import predict, save_head
from .commands.stages import embed_crops, extract_attn, extract_patches, plan, run, select_crops
from .commands.train.lastvit import train
from .ending import end_after
from .errors import A2pipeError
from .version import __version__

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class OrderedGroup(click.Group):
    """An OrderedGroup's help lists commands in the order of the work, as they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in that order; click itself sorts them."""
        del ctx
        return list(self.commands)


@click.group(
    cls=OrderedGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
)
@click.version_option(__version__, prog_name="a2pipe")
def cli() -> None:
    """Attention maps -> crop boxes -> crop embeddings -> heads, each computed once.

    \b
    A first look (no network, no data needed):
      a2pipe demo
    \b
    Your own images, step by step; each step reuses what the cache has:
      a2pipe extract-attn --model dinov2_vits14_reg --dataset DIR
      a2pipe select-crops --model dinov2_vits14_reg --dataset DIR --crop-sizes 64,32
      a2pipe embed-crops  --attention-model dinov2_vits14_reg --model dinov2_vitb14_reg ...
    \b
    Or a whole grid from one file:
      a2pipe experiment new experiment.toml
      a2pipe plan experiment.toml             what would be computed
      a2pipe build-matrix experiment.toml     compute it, fit heads, write the report
    \b
    Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images are bad,
    4 not in the cache, 130 interrupted, 143 terminated.
    """


_WORK = (
    demo,
    extract_attn,
    extract_patches,
    select_crops,
    embed_crops,
    fit_heads,
    build_matrix,
    run,
)
_SEEN = (localize, discover, patches, probe_masking, plot, plan, status, report)
_MORE = (submit, finish, logs, save_head, predict, compare, train, paper)
for _command in (*_WORK, *_SEEN, *_MORE, experiment, cache, models, datasets):
    cli.add_command(_command)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"a2pipe: {message}", err=True)
    sys.exit(code)


def _one_sentence(error: click.ClickException) -> str:
    """Return click's message as a sentence, and name the help of the command it is about."""
    message = error.format_message()
    if isinstance(error, click.NoSuchOption) and error.ctx:
        # By likeness alone click would offer --decode for --model, and not --attention-model.
        longer = f"-{error.option_name.lstrip('-')}"
        names = [name for option in error.ctx.command.params for name in option.opts]
        near = " or ".join(repr(name) for name in names if name.endswith(longer))
        message = f"{error.message} (Did you mean {near}?)" if near else message
    ended = message if message.endswith((".", "?", ")")) else f"{message}."
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{ended} See `{context.command_path} --help`." if context else ended


class Terminated(SystemExit):
    """Terminated is raised on SIGTERM; it unwinds the stack, so a shard in writing is finished."""


def _terminate(*_: object) -> NoReturn:
    """End the run on SIGTERM."""
    # A batch system may send it to the job and to each of its processes: the second is ignored.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated(EXIT_TERMINATED)


def main() -> None:
    """Run the command line; raise SystemExit with the exit code unless that is 0.

    Every failure that is expected is told in one sentence on stderr.
    """
    # Waiting threads of a model leave their core to decoding and to other processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # At the end Python would look for cycles in all of PyTorch, for over a second.
    atexit.register(gc.freeze)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(prog_name="a2pipe", standalone_mode=False)
        # All is done, and a stop that comes now must not make the exit code say otherwise.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.exceptions.NoArgsIsHelpError as asked:
        asked.show()
        sys.exit(asked.exit_code)
    except click.ClickException as error:
        _fail(_one_sentence(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail("Interrupted; what was committed is kept.", EXIT_INTERRUPTED)
    except Terminated:
        _fail("Terminated; what was committed is kept.", EXIT_TERMINATED)
    except A2pipeError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail("The disk is full; free some space and run the command again.", 1)
        raise


def program() -> NoReturn:
    """Run the command line as a process of its own, which ends as soon as all is told."""
    end_after(main)
