"""The command ``blinkspot``: its subcommands, and what its exit status says."""

from __future__ import annotations

import sys

import typer

from blinkspot.cli import movie_commands, table_commands
from blinkspot.cli.console import say
from blinkspot.cli.demo_command import demo
from blinkspot.errors import BlinkspotError
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
    movie_commands.simulate,
    movie_commands.train,
    movie_commands.denoise,
    table_commands.localize,
    table_commands.render,
    table_commands.score,
    table_commands.compare,
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
    """Run the command line and exit.

    The status is 0 when the job was done, 2 for bad input (with one sentence on standard error), 130 when
    it was interrupted.
    """
    try:
        status = app(arguments, standalone_mode=False)
    except BlinkspotError as error:
        say(f"blinkspot: {error}")
        sys.exit(2)
    except MemoryError:
        say(
            "blinkspot: There is not enough memory for this job: close other programs, or use smaller frames."
        )
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        say("blinkspot: Stopped; nothing half-done was left behind.")
        sys.exit(130)
    except Exception as error:
        # What the option parser raises; it exports no common base class.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        say(f"blinkspot: {message()}")
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)
