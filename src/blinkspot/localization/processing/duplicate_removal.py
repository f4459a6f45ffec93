"""Of localizations of one frame that have found the same molecule, keep the surest."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization._compiling import compiled, read_only
from blinkspot.localization.processing.ordering import compile_ordering, order_by_frame
from blinkspot.localization.processing.rows import rows_where
from blinkspot.localization.processing.settings import check_number, setting
from blinkspot.localization.processing.step import recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import in_parts, waited_for
from blinkspot.plain_values import make_plain
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class DuplicateRemoval:
    """Remove localizations that have a surer one nearby in the same frame.

    From the smallest uncertainty up, each is kept unless one that is kept lies closer than its distance. This
    is the rule of :func:`blinkspot.localization.duplicates.without_duplicates`, with certainty for strength.
    ThunderSTORM's (Ovesny 2014, Bioinformatics) differs where a removed localization lies between two: there
    it still removes others, and of two with the same position and uncertainty it keeps none.

    Attributes
    ----------
    distance_nm : float or None
        None: each localization's own uncertainty, ThunderSTORM's default.

    Raises
    ------
    BlinkspotError
        If the distance is not above 0; when applied, if the table knows no uncertainties.
    """

    name: ClassVar[str] = "duplicates"

    distance_nm: float | None = setting(
        None, "closer ones are duplicates; none: closer than the uncertainty of the less sure", "nm"
    )

    def __post_init__(self) -> None:
        make_plain(self)
        if self.distance_nm is not None:
            check_number(self.name, "distance_nm", self.distance_nm, 0.0, 1e4, above=True)

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the localizations that are kept; see :class:`.step.Step`."""
        # What is not above 0 is no uncertainty, and nobody's surest.
        given = table.column("uncertainty_nm")
        uncertainty = np.where(given > 0.0, given, np.nan)
        if len(table) and np.isnan(uncertainty).all():
            raise BlinkspotError(
                "duplicates: this table knows no uncertainties, so of two localizations neither is the surer."
            )
        clock = Stopwatch("removing duplicates", 1.0)
        yield clock.at(0.0)
        yield from waited_for(_compile, clock)
        order = yield from order_by_frame(table, clock, (0.0, 0.5))
        kept = np.ones(len(table), dtype=np.bool_)
        x, y, uncertainty = (
            read_only(each) for each in (table.column("x_nm"), table.column("y_nm"), uncertainty)
        )
        distance = np.nan if self.distance_nm is None else self.distance_nm

        def remove(part: slice) -> None:
            _remove(order.rows, order.starts, part.start, part.stop, x, y, uncertainty, distance, kept)

        yield from in_parts(remove, order.n_frames, clock, (0.5, 1.0), at_first=16)
        without = yield from rows_where(table, kept, clock)
        return recorded(self, table, without)


@compiled
def _remove(
    rows: IntArray,
    starts: IntArray,
    first: int,
    last: int,
    x: FloatArray,
    y: FloatArray,
    uncertainty: FloatArray,
    distance: float,
    kept: NDArray[np.bool_],
) -> None:
    """Mark what is removed from frames ``first`` to ``last`` as not kept; distance NaN: the uncertainty."""
    for frame in range(first, last):
        here = rows[starts[frame] : starts[frame + 1]]
        n = len(here)
        judged = np.zeros(n, dtype=np.bool_)
        # NaN comes last: the least sure.
        for i in np.argsort(uncertainty[here], kind="mergesort"):
            row = here[i]
            judged[i] = True
            limit = uncertainty[row] if np.isnan(distance) else distance
            for step in (-1, 1):
                j = i + step
                while 0 <= j < n and kept[row] and abs(x[here[j]] - x[row]) < limit:
                    other = here[j]
                    if judged[j] and kept[other]:
                        dx, dy = x[other] - x[row], y[other] - y[row]
                        if dx * dx + dy * dy < limit * limit:
                            kept[row] = False
                    j += step


def _compile() -> None:
    compile_ordering()
    one, index = read_only(np.ones(1)), np.array([0, 1])
    _remove(index[:1], index, 0, 1, one, one, one, 1.0, np.ones(1, dtype=np.bool_))
