"""Merge the localizations of a molecule that shone in several frames, or number them."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.combining import combine
from blinkspot.localization.processing.correlation import Correlated, correlated
from blinkspot.localization.processing.linking import LinkLimits, Links, link
from blinkspot.localization.processing.ordering import compile_ordering
from blinkspot.localization.processing.rows import table_of
from blinkspot.localization.processing.settings import check_number, setting
from blinkspot.localization.processing.step import recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import in_parts, waited_for
from blinkspot.plain_values import make_plain
from blinkspot.progress import Progress, Stopwatch, finish

_MOST_FRAMES = 2**31


@dataclass(frozen=True)
class _Linking:
    """Which localizations are one molecule; see :mod:`.linking`."""

    name: ClassVar[str] = "link"

    radius_nm: float = setting(20.0, "greatest distance from the molecule's mean position so far", "nm")
    radius_uncertainties: float | None = setting(
        None, "greatest distance also as a multiple of its uncertainty; none: radius_nm alone"
    )
    dark_frames: int = setting(1, "most frames in between in which it is not found", "frames")
    longest_frames: int = setting(0, "most frames from first to last; 0: no limit", "frames")

    def __post_init__(self) -> None:
        make_plain(self)
        check_number(self.name, "radius_nm", self.radius_nm, 0.0, 1000.0, above=True)
        if self.radius_uncertainties is not None:
            check_number(
                self.name, "radius_uncertainties", self.radius_uncertainties, 0.0, 1000.0, above=True
            )
        for frames in ("dark_frames", "longest_frames"):
            check_number(self.name, frames, getattr(self, frames), 0, _MOST_FRAMES, whole=True)

    def _links(
        self, table: LocalizationTable, clock: Stopwatch, done: tuple[float, float]
    ) -> Generator[Progress, None, Links]:
        if self.radius_uncertainties is not None and np.isnan(table.column("uncertainty_nm")).any():
            raise BlinkspotError(
                f"{self.name}: radius_uncertainties needs an uncertainty_nm of every localization, and some "
                "here have none; give radius_nm alone."
            )
        limits = LinkLimits(
            radius_nm=float(self.radius_nm),
            uncertainties=math.inf if self.radius_uncertainties is None else float(self.radius_uncertainties),
            dark_frames=self.dark_frames,
            longest_frames=self.longest_frames,
        )
        return link(table, limits, clock, done)


@dataclass(frozen=True)
class Merge(_Linking):
    """Make one row of the localizations of a molecule that shone in several frames.

    A localization belongs to the molecule within ``radius_nm`` whose mean position so far is nearest, if the
    molecule was found at most ``dark_frames`` + 1 frames before; a molecule is found at most once a frame
    (:mod:`.linking`). Distances are those in x and y. The row has

    - ``frame``: the first one;
    - ``x_nm``, ``y_nm``, ``z_nm``: means weighted by 1 / uncertainty^2, of the axis where the table has the
      axes' own; a localization without an uncertainty weighs as the median one, and a row that was merged
      before as the localizations in it;
    - ``uncertainty_nm`` and those of the axes: of these means; 1 / sqrt(sum 1 / u^2) where the localizations
      are independent, more where they are correlated (:mod:`.correlation`); NaN where one is not known; where
      both axes have their own, ``uncertainty_nm`` is their root mean square;
    - ``photons``: the sum;
    - ``sigma_nm`` and those of the axes: means weighted by photons; ``background_photons``, ``deviance``:
      means over the localizations, since each frame shows the background equally well;
      ``background_std_photons``: their root mean square;
    - ``detection_strength``, ``log_likelihood_ratio``: the largest; ``p_value``: NaN, for it has none;
    - ``detections``: number of localizations; ``molecule``: of the first.

    Attributes
    ----------
    radius_nm : float
    radius_uncertainties : float or None
        Greatest distance in units of sqrt(u_l^2 + u_m^2), of the localization and of the molecule's mean so
        far; ``radius_nm`` holds too.
    dark_frames : int
        0: frames must follow each other.
    longest_frames : int
        Later localizations are another molecule; 0: no limit.
    correlated_frames : int or None
        Localizations within so many frames share photons, 0: they are independent. None: by the table's
        provenance.

    Raises
    ------
    BlinkspotError
        If a value is out of its range; when applied, if ``radius_uncertainties`` is given and uncertainties
        are missing.
    """

    name: ClassVar[str] = "merge"

    correlated_frames: int | None = setting(
        None,
        "frames within which localizations share photons; none: as the table's provenance says",
        "frames",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.correlated_frames is not None:
            check_number(self.name, "correlated_frames", self.correlated_frames, 0, 1000, whole=True)

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return one row a molecule; see :class:`.step.Step`."""
        if self.correlated_frames is None:
            errors = correlated(table.provenance)
        else:
            errors = Correlated(self.correlated_frames)
        clock = Stopwatch("merging", 1.0)
        yield clock.at(0.0)
        yield from waited_for(_compile, clock)
        links = yield from self._links(table, clock, (0.0, 0.7))
        columns = yield from combine(table, links, errors, clock, (0.7, 1.0))
        return recorded(self, table, table_of(columns, table), correlated_frames=errors.frames)


@dataclass(frozen=True)
class NumberMolecules(_Linking):
    """Number the molecules, from 1, in the column ``molecule``; every localization stays.

    Attributes
    ----------
    radius_nm, radius_uncertainties, dark_frames, longest_frames
        As those of :class:`Merge`, which would make one row of each number.

    Raises
    ------
    BlinkspotError
        As :class:`Merge`.
    """

    name: ClassVar[str] = "number"

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the table with numbers; see :class:`.step.Step`."""
        clock = Stopwatch("numbering molecules", 1.0)
        yield clock.at(0.0)
        yield from waited_for(_compile, clock)
        links = yield from self._links(table, clock, (0.0, 0.9))
        numbers = np.empty(len(table))
        ends = links.starts[1:]

        def number(part: slice) -> None:
            # The molecule of a place is the number of those that end before it.
            places = np.arange(part.start, part.stop)
            numbers[links.rows[part]] = np.searchsorted(ends, places, side="right") + 1

        yield from in_parts(number, len(table), clock, (0.9, 1.0))
        columns = {name: table.column(name) for name in table.data.columns}
        numbered = table_of({**columns, "molecule": numbers}, table)
        return recorded(self, table, numbered, molecules=links.n_molecules)


def _compile() -> None:
    compile_ordering()
    ones = np.ones(1)
    table = LocalizationTable.from_columns({"frame": [0], "x_nm": ones, "y_nm": ones, "detections": ones})
    clock = Stopwatch("compiling", 1.0)
    limits = LinkLimits(radius_nm=1.0, uncertainties=math.inf, dark_frames=0, longest_frames=0)
    links = finish(link(table, limits, clock, (0.0, 1.0)))
    finish(combine(table, links, Correlated(0), clock, (0.0, 1.0)))
