"""What several benchmarks share: the movies with truth, and tables on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blinkspot import Camera, LocalizationTable, Progress, Stack, open_stack, read_table
from blinkspot.cli.console import run

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
EM_150 = Camera(pixel_size_nm=100, offset_adu=100, electrons_per_adu=12, em_gain=150)
CAMERAS = {
    "default": Camera(pixel_size_nm=80, offset_adu=414, electrons_per_adu=3.6),
    "low120": EM_150,
    "yfp3_bg100": EM_150,
    "yfp4_bg100": Camera(pixel_size_nm=100, offset_adu=100, electrons_per_adu=12, em_gain=100),
    "blinking_low60": EM_150,
}


@dataclass(frozen=True)
class TruthMovie:
    """A simulated movie with its camera, its truth, and what ThunderSTORM found in it."""

    name: str
    movie: Stack
    camera: Camera
    truth: LocalizationTable
    thunderstorm: dict[str, LocalizationTable]


def truth_movie(name: str) -> TruthMovie:
    """Open one of the shared simulated movies."""
    folder = SHARED / "simulated"
    if not folder.is_dir():
        sys.exit(f"The shared movies are not at {folder}: this benchmark needs them.")
    return TruthMovie(
        name,
        open_stack(folder / f"{name}.tif"),
        CAMERAS[name],
        read_table(folder / f"{name}_truth.csv"),
        {fit: read_table(folder / f"{name}_thunderstorm_{fit}.csv") for fit in ("wlsq", "mle")},
    )


def done(job: Generator[Progress, None, Any]) -> Any:
    """Run a job to its end behind a progress bar."""
    return run(job)


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows below a header, in columns."""
    lines = [[_cell(value) for value in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for number, line in enumerate(lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
