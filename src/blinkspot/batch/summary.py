"""The table at the end of a batch."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from blinkspot.batch.figures import Figures
from blinkspot.batch.recipe import Recipe
from blinkspot.batch.result_folder import SUMMARY
from blinkspot.errors import BlinkspotError
from blinkspot.provenance import provenance

# Far more than the names of the columns take.
_MOST_HEADER = 10_000

State = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Row:
    """What came out of one movie.

    Attributes
    ----------
    movie : Path
    folder : Path or None
        Of its results.
    frames : int or None
    figures : Figures
    seconds : float
        Of work, this time.
    state : {"done", "skipped", "failed"}
        ``"skipped"``: all was there already.
    why : str
        Of one that failed.
    warnings : tuple of str
        What speaks against trusting a result, a sentence each.
    """

    movie: Path
    folder: Path | None = None
    frames: int | None = None
    figures: Figures = field(default=Figures())
    seconds: float = 0.0
    state: State = "done"
    why: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """What came out of a batch.

    Attributes
    ----------
    rows : tuple of Row
        One for each movie, in the order in which they were given.
    path : Path
        Of the table as a file.
    """

    rows: tuple[Row, ...]
    path: Path

    @property
    def failed(self) -> int:
        """How many movies failed."""
        return sum(row.state == "failed" for row in self.rows)

    def as_list(self) -> list[dict[str, Any]]:
        """Return the rows by column, JSON-ready."""
        return [_entry(row) for row in self.rows]

    def text(self) -> str:
        """Return the table to be read on a terminal."""
        cells = [_cells(row) for row in self.rows]
        shown = [name for name in cells[0] if name == "movie" or any(each[name] for each in cells)]
        lines = [shown, *([each[name] for name in shown] for each in cells)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(shown))]
        texts = ("movie", "comparison", "false", "state")

        def aligned(line: list[str]) -> str:
            placed = [
                cell.ljust(width) if name in texts else cell.rjust(width)
                for name, cell, width in zip(shown, line, widths, strict=True)
            ]
            return "  ".join(placed).rstrip()

        return "\n".join(map(aligned, lines))


def _cells(row: Row) -> dict[str, str]:
    figures = row.figures
    shares = figures.false_percent or {}
    return {
        "movie": row.movie.name,
        "frames": _number(row.frames),
        "model steps": _number(figures.model_steps),
        "settled": _yes_or_no(figures.settled),
        "molecules": _number(figures.molecules),
        "uncertainty, nm": _number(figures.mean_uncertainty_nm),
        "FRC, nm": _number(figures.frc_resolution_nm),
        "comparison": figures.judgement or "",
        "false": ", ".join(f"{name} {_percent(share)}" for name, share in shares.items()),
        "seconds": f"{row.seconds:.0f}",
        "state": f"{row.state}: {row.why}" if row.why else row.state,
    }


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g} %"


def _yes_or_no(value: bool | None) -> str:
    return "" if value is None else ("yes" if value else "no")


def check_can_replace(output: Path) -> None:
    """Check that what a folder holds by the name of the table, if anything, is one of an earlier batch.

    Parameters
    ----------
    output : Path

    Raises
    ------
    BlinkspotError
        If it is another's, which must not be lost.
    """
    path = output / SUMMARY
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            beginning = file.readline(_MOST_HEADER)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BlinkspotError(
            f"{path}, which a batch writes, cannot be read ({error.strerror or error}): move it away, or "
            "choose another folder."
        ) from error
    # A spreadsheet may have written it again, in its own way; one that is empty holds nothing to lose.
    if beginning and re.findall(r"\w+", beginning)[:2] != summary_columns()[:2]:
        raise BlinkspotError(
            f"{path} is not the table of a batch, and is not overwritten: move it away, or choose another "
            "folder."
        )


def write_summary(rows: tuple[Row, ...], output: Path, recipe: Recipe) -> Summary:
    """Write the table as ``summary.csv``, in place of the one before, with its provenance beside it.

    Parameters
    ----------
    rows : tuple of Row
    output : Path
        Folder of the batch.
    recipe : Recipe

    Raises
    ------
    BlinkspotError
        If it cannot be written.
    """
    path = output / SUMMARY
    text = io.StringIO()
    entries = [_entry(row) for row in rows]
    writer = csv.DictWriter(text, list(entries[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    record = provenance("batch", camera=None, recipe=recipe.text, recipe_file=str(recipe.path))
    _replace(path.with_suffix(".provenance.json"), json.dumps(record, indent=1) + "\n")
    _replace(path, text.getvalue())
    return Summary(rows, path)


def summary_columns() -> list[str]:
    """Return the columns of ``summary.csv``."""
    return list(_entry(Row(Path())))


def _entry(row: Row) -> dict[str, Any]:
    figures = dataclasses.asdict(row.figures)
    shares = figures.pop("false_percent") or {}
    routes = ("noisy", "denoised_fit_raw", "denoised_fit_denoised")
    return {
        "movie": str(row.movie),
        "folder": "" if row.folder is None else row.folder.name,
        "frames": row.frames,
        **figures,
        **{f"false_percent_{name}": shares.get(name) for name in routes},
        "seconds": round(row.seconds, 1),
        "state": row.state,
        "why": row.why,
        "warnings": " ".join(row.warnings),
    }


def _replace(path: Path, text: str) -> None:
    """Write a file in place of the one before, which stays whole until then."""
    new = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        # Not every file's name is in UTF-8.
        new.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(new, path)
    except OSError as error:
        raise BlinkspotError(
            f"{path} cannot be written ({error.strerror or error}): check the room and the permissions there."
        ) from error
