"""Keep the localizations that have others around them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial import cKDTree

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.rows import rows_where
from blinkspot.localization.processing.settings import check_choice, check_number, setting
from blinkspot.localization.processing.step import recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import in_parts, waited_for
from blinkspot.plain_values import make_plain
from blinkspot.progress import Progress, Stopwatch


@dataclass(frozen=True)
class DensityFilter:
    """Keep each localization that has at least so many others within a radius, of whatever frames.

    As ThunderSTORM's density filter (Ovesny 2014, Bioinformatics): the localization itself does not count,
    and all are judged on the table as it was. A distance of exactly the radius is within.

    Attributes
    ----------
    radius_nm : float
    neighbours : int
        Fewest others.
    dimensions : {2, 3}
        3: distances in x, y and z.

    Raises
    ------
    BlinkspotError
        If a value is out of its range; when applied, in 3 dimensions, if a localization has no ``z_nm``.
    """

    name: ClassVar[str] = "density"

    radius_nm: float = setting(50.0, "how far neighbours may be", "nm")
    neighbours: int = setting(5, "fewest other localizations within the radius")
    dimensions: int = setting(2, "2, or 3 with z")

    def __post_init__(self) -> None:
        make_plain(self)
        check_number(self.name, "radius_nm", self.radius_nm, 0.0, 1e6, above=True)
        check_number(self.name, "neighbours", self.neighbours, 1, 1000, whole=True)
        check_choice(self.name, "dimensions", self.dimensions, (2, 3))

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the localizations with neighbours; see :class:`.step.Step`."""
        axes = ("x_nm", "y_nm", "z_nm")[: self.dimensions]
        if "z_nm" in axes and ("z_nm" not in table.data.columns or np.isnan(table.column("z_nm")).any()):
            raise BlinkspotError(
                "density: in 3 dimensions every localization needs a z_nm, and some here have none; "
                "take dimensions=2."
            )
        clock = Stopwatch("counting neighbours", 1.0)
        yield clock.at(0.0)
        positions = np.column_stack([table.column(axis) for axis in axes])
        tree = yield from waited_for(
            lambda: cKDTree(positions, balanced_tree=False, compact_nodes=False), clock
        )
        dense = np.empty(len(table), dtype=np.bool_)
        # The last of itself and so many others; infinitely far where fewer are within the radius.
        nearest, limit = [self.neighbours + 1], np.nextafter(self.radius_nm, np.inf)

        def judge(part: slice) -> None:
            rows = tree.indices[part]
            distances, _ = tree.query(positions[rows], nearest, distance_upper_bound=limit)
            dense[rows] = np.isfinite(distances[:, 0])

        yield from in_parts(judge, len(table), clock, (0.2, 1.0), at_first=2**10)
        kept = yield from rows_where(table, dense, clock)
        return recorded(self, table, kept)
