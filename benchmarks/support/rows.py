"""The rows of the denoising table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import print_table
from .trainings import Cost, Trainings


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes
    ----------
    part, what : str
        Which part of the benchmark, and what was measured in it.
    result : str
        The figures, with their units.
    reach : str
        What it must reach; empty where nothing is asked.
    cost : Cost or None
        Of the training where there is one, else of the whole row.
    """

    part: str
    what: str
    result: str
    reach: str = ""
    cost: Cost | None = None

    def cells(self) -> tuple[str, ...]:
        """Return what the table shows."""
        cpu, wall = ("", "") if self.cost is None else (f"{self.cost.cpu_s:.0f}", f"{self.cost.wall_s:.0f}")
        return self.part, self.what, self.result, self.reach, cpu, wall


@dataclass
class Run:
    """One run of the benchmark: its options, and the trainings that its parts share.

    Attributes
    ----------
    trainings : Trainings
        With the time limit and the seed.
    threads : int
        That compute.
    careamics : Path or None
        Interpreter of CAREamics' own environment.
    measure_limit : bool
        Sample the photon limit anew.
    """

    trainings: Trainings
    threads: int
    careamics: Path | None
    measure_limit: bool
    rows: list[Row] = field(default_factory=list)

    def collect(self, rows: Iterator[Row]) -> None:
        """Take rows as they are made, and say each at once: some take minutes."""
        for row in rows:
            self.rows.append(row)
            print("  |  ".join(row.cells()), flush=True)

    def print_table(self) -> None:
        """Print all rows."""
        header = ("part", "what", "result", "reach", "CPU s", "wall s")
        print_table(header, [row.cells() for row in self.rows])
