"""The command that works on tables after the fits: process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from blinkspot.cli.console import answer, run, say, show
from blinkspot.cli.movie_commands import Json
from blinkspot.cli.step_options import parse_step, steps_help
from blinkspot.errors import BlinkspotError
from blinkspot.files.part_folders import claimed
from blinkspot.files.whole_files import check_can_write, written_whole
from blinkspot.localization import read_table, table_paths
from blinkspot.localization.processing import Step, recorded_steps
from blinkspot.localization.processing import process as apply_steps
from blinkspot.localization.processing.drift import LoadedDrift

_TABLE_SUFFIXES = (".csv", ".hdf5", ".h5", ".txt", ".yaml", ".json")


def process(
    tables: Annotated[
        list[Path], typer.Argument(metavar="TABLE...", help="Tables, one or more: CSV or Picasso's HDF5.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Table to make (.csv or .hdf5); of several, a folder to make.",
        ),
    ],
    step: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME SETTING=VALUE ...'", help="A step; give several in their order."),
    ] = None,
    like: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="Repeat the steps recorded in this table instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Filter, merge and otherwise work on tables of localizations."""
    steps = _chosen_steps(step or [], like)
    rows: dict[Path, tuple[int, int]] = {}
    if len(tables) == 1:
        _check_table_name(output)
        with claimed(output):
            rows[output] = _processed(tables[0], output, steps)
    else:
        names = _names(tables)
        if output.suffix.lower() in _TABLE_SUFFIXES:
            raise BlinkspotError(
                f"{output} has the name of one table, and {len(tables)} are to be made: give the name of a "
                "folder with -o, or process them one by one."
            )
        # All of them or none.
        with claimed(output), written_whole(output) as folder:
            folder.mkdir()
            for table, name in zip(tables, names, strict=True):
                rows[output / name] = _processed(table, folder / name, steps)
    if not as_json:
        # Not as entries of an answer, whose names are words: these are paths.
        for target, (before, after) in rows.items():
            show(f"{target}: {after} of {before} rows")
        return
    made = [
        {"table": str(target), "rows_before": before, "rows_after": after}
        for target, (before, after) in rows.items()
    ]
    answer({"tables": made, "steps": [each.name for each in steps]}, True)


process.__doc__ = f"""Filter, merge and otherwise work on tables of localizations.

Each --step is a name and its settings, as in --step 'merge radius_nm=20 dark_frames=1'. Steps are applied in
their order and recorded in the table made. These are all of them, with the defaults of their settings:

\b
{steps_help()}
"""


def _chosen_steps(texts: list[str], like: Path | None) -> list[Step]:
    if texts and like is not None:
        raise BlinkspotError("Give steps with --step, or a table to take them from with --like, not both.")
    if like is None:
        steps = [parse_step(text) for text in texts]
    else:
        steps = [_with_its_file(step, like) for step in recorded_steps(read_table(like))]
    if not steps:
        none = "no steps are given" if like is None else f"{like} records no steps"
        raise BlinkspotError(f"There is nothing to do, for {none}: give one with --step.")
    return steps


def _with_its_file(step: Step, like: Path) -> Step:
    """Return a step that was recorded in a table, and that reads a file, with where that file lies now."""
    if not isinstance(step, LoadedDrift) or Path(step.path).is_absolute():
        return step
    for path in (like.parent / step.path, Path(step.path)):
        if path.is_file():
            return replace(step, path=str(path))
    raise BlinkspotError(
        f"{like} records that the drift in {step.path} was taken off, and that file is neither beside it nor "
        f"in the current folder: put it beside {like.name}."
    )


def _processed(source: Path, target: Path, steps: list[Step]) -> tuple[int, int]:
    """Apply steps to a file and write another; return the numbers of rows before and after."""
    before = read_table(source)
    try:
        after = run(apply_steps(before, steps))
    except BlinkspotError as error:
        raise BlinkspotError(f"{source}: {error}") from error
    after.save(target)
    for entry in after.provenance["processing"][-len(steps) :]:
        say(f"{source.name}: {entry['step']}, {entry['rows_before']} rows to {entry['rows_after']}.")
    return len(before), len(after)


def _check_table_name(output: Path) -> None:
    for path in table_paths(output):
        check_can_write(path)


def _names(tables: list[Path]) -> list[str]:
    """Return the names that the tables will have in their folder."""
    names = [table.with_suffix(table.suffix.lower()).name for table in tables]
    for name in names:
        if names.count(name) > 1:
            raise BlinkspotError(f"Two of the tables would be written as {name}: process them one by one.")
    return names
