"""The command ``blinkspot``: its subcommands, and what its exit status says."""

from __future__ import annotations

import sys

import typer

from blinkspot.cli import movie_commands, processing_commands, score_commands, table_commands
from blinkspot.cli.astigmatism_command import calibrate_astigmatism
from blinkspot.cli.batch_command import batch
from blinkspot.cli.check_command import check
from blinkspot.cli.console import say
from blinkspot.cli.demo_command import demo
from blinkspot.cli.drift_command import drift
from blinkspot.cli.interruption import INTERRUPTED
from blinkspot.cli.residuals_command import residuals
from blinkspot.cli.resolution_command import resolution
from blinkspot.cli.simulate_command import simulate
from blinkspot.errors import BlinkspotError
from blinkspot.hardware_faults import is_out_of_memory
from blinkspot.provenance import package_version

app = typer.Typer(
    name="blinkspot",
    help="Denoise single-molecule movies by blind-spot networks, localize, and compare fairly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    movie_commands.camera,
    simulate,
    movie_commands.train,
    movie_commands.denoise,
    calibrate_astigmatism,
    table_commands.localize,
    drift,
    processing_commands.process,
    table_commands.convert,
    table_commands.render,
    score_commands.score,
    score_commands.picture_score,
    resolution,
    residuals,
    table_commands.compare,
    check,
    batch,
    demo,
):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"napari-blinkspot {package_version()}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Denoise single-molecule movies by blind-spot networks, localize, and compare fairly."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; :func:`blinkspot.cli.main` says with which status.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted.
    """
    try:
        status = app(arguments, standalone_mode=False)
    except BlinkspotError as error:
        say(f"blinkspot: {error}")
        sys.exit(2)
    except typer.Abort as error:  # what some versions of typer make of Ctrl-C
        raise KeyboardInterrupt from error
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        say(f"blinkspot: {sentence}")
        sys.exit(2)
    if status == INTERRUPTED:  # what other versions make of it
        raise KeyboardInterrupt
    sys.exit(status if isinstance(status, int) else 0)


def _sentence(error: Exception) -> str | None:
    """Return what to say of an error that is not ours; None if it is a defect."""
    if is_out_of_memory(error):
        return "There is not enough memory for this job: close other programs, or use smaller frames."
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f" with {error.filename}"
        return (
            f"The job ended by an error of the system{where} ({error.strerror}): check that all files are "
            "there, their permissions, and the room on the disk."
        )
    # What the option parser raises; it exports no common base class.
    message = getattr(error, "format_message", None)
    if message is None:
        return None
    sentence = message() or "No command is given: choose one of those listed above."
    context = getattr(error, "ctx", None)
    if "extra argument" in sentence and context is not None:
        takes = " ".join(context.command.collect_usage_pieces(context)).removeprefix("[OPTIONS] ")
        command = f"blinkspot {context.info_name}"
        sentence += (
            f": besides options, '{command}' takes {takes}; put a name with spaces in quotation marks."
        )
    return sentence
