"""Structures that molecules lie on: tubes, filaments, rings, grids, clusters.

Each is made from its own seed, so that several movies can show the same one. A density is then the mean over
the field: all molecules of the field are gathered on the structure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.simulation.checks import check_above_0, check_seed
from blinkspot.evaluation.simulation.field import Field
from blinkspot.evaluation.simulation.structure import Independent, Places, Structure

FloatArray = NDArray[np.float64]

_SEGMENT_NM = 50.0
_SEGMENTS_PER_RING = 60
_NOTHING_IN_THE_FIELD = "No part of the structure lies in the field: choose larger frames, or more of it."
_MOST_ELEMENTS = 100_000
_MOST_PARTS = 20_000_000


@dataclass(frozen=True)
class Tubes(Structure):
    """Hollow tubes that cross the field, seen from the side: microtubules.

    Each is a curve whose direction wanders (a worm-like chain: Kratky & Porod 1949, Rec. Trav. Chim. 68:1106;
    in the plane the angle's variance grows by ``1 / persistence length`` per length). Molecules lie on its
    wall, so that more are seen at its two edges than in its middle.

    Attributes
    ----------
    seed : int
        Seed of the curves.
    per_um2 : float
        Curves per square micrometre, by their middles.
    length_um : float
        Length of each, micrometres, as far as it lies in the field.
    persistence_um : float
        Length over which it keeps its direction, micrometres.
    diameter_nm : float
        Diameter of the wall, nm.
    """

    seed: int = 1
    per_um2: float = 0.08
    length_um: float = 30.0
    persistence_um: float = 20.0
    diameter_nm: float = 40.0

    def __post_init__(self) -> None:
        check_seed(self, "tubes'")
        check_above_0(self, "tubes'", "per_um2", "length_um", "persistence_um", "diameter_nm")

    def places_in(self, field: Field) -> Places:
        """Return the places on the walls of those curves that lie in a field."""
        random = np.random.default_rng(self.seed)
        middles_nm = _scattered(field, self.per_um2, random)
        steps = max(1, round(1e3 * self.length_um / _SEGMENT_NM / 2.0))
        _check_parts(2 * steps * len(middles_nm), "segments", "shorter tubes, or fewer of them")
        turn = math.sqrt(_SEGMENT_NM / (1e3 * self.persistence_um))
        return _OnLines(_curves(middles_nm, steps, turn, random), self.diameter_nm, field)


@dataclass(frozen=True)
class Filaments(Tubes):
    """Thin filaments that bend and end: actin. As :class:`Tubes`, with other numbers."""

    per_um2: float = 0.4
    length_um: float = 6.0
    persistence_um: float = 5.0
    diameter_nm: float = 8.0


@dataclass(frozen=True)
class Rings(Structure):
    """Rings in the plane of the frame.

    Attributes
    ----------
    seed : int
        Seed of their places.
    per_um2 : float
        Rings per square micrometre.
    diameter_nm : float
        Diameter of each, nm.
    """

    seed: int = 1
    per_um2: float = 0.5
    diameter_nm: float = 300.0

    def __post_init__(self) -> None:
        check_seed(self, "rings'")
        check_above_0(self, "rings'", "per_um2", "diameter_nm")

    def places_in(self, field: Field) -> Places:
        """Return the places on those parts of the rings that lie in a field."""
        centres_nm = _scattered(field, self.per_um2, np.random.default_rng(self.seed))
        angle = np.linspace(0.0, 2.0 * math.pi, _SEGMENTS_PER_RING + 1)
        circle_nm = self.diameter_nm / 2.0 * np.column_stack([np.cos(angle), np.sin(angle)])
        segments = np.hstack([circle_nm[:-1], np.diff(circle_nm, axis=0)])
        rings = np.tile(segments, (len(centres_nm), 1))
        rings[:, :2] += np.repeat(centres_nm, _SEGMENTS_PER_RING, axis=0)
        return _OnLines(rings, 0.0, field)


@dataclass(frozen=True)
class Grids(Structure):
    """Small grids of docking sites, each turned at random: DNA origami.

    Molecules that shine again and again take the sites one by one; where there are more molecules than
    sites, every site has its share of them.

    Attributes
    ----------
    seed : int
        Seed of the grids' places and angles.
    per_um2 : float
        Grids per square micrometre.
    rows, columns : int
        Sites of each.
    spacing_nm : float
        Distance of neighbouring sites, nm.
    """

    seed: int = 1
    per_um2: float = 0.5
    rows: int = 3
    columns: int = 4
    spacing_nm: float = 20.0

    def __post_init__(self) -> None:
        check_seed(self, "grids'")
        check_above_0(self, "grids'", "per_um2", "spacing_nm", whole=("rows", "columns"))

    def places_in(self, field: Field) -> Places:
        """Return the sites of grids that lie wholly in a field; of those larger than it, what lies there."""
        random = np.random.default_rng(self.seed)
        half_nm = 0.5 * self.spacing_nm * math.hypot(self.rows - 1, self.columns - 1)
        centres_nm = _scattered(field, self.per_um2, random, half_nm)
        _check_parts(self.rows * self.columns * len(centres_nm), "sites", "smaller grids, or fewer of them")
        angle = random.uniform(0.0, 2.0 * math.pi, len(centres_nm))[:, np.newaxis]
        column, row = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        u = self.spacing_nm * (column.ravel() - (self.columns - 1) / 2.0)
        v = self.spacing_nm * (row.ravel() - (self.rows - 1) / 2.0)
        x_nm = centres_nm[:, :1] + u * np.cos(angle) - v * np.sin(angle)
        y_nm = centres_nm[:, 1:] + u * np.sin(angle) + v * np.cos(angle)
        sites_nm = np.column_stack([x_nm.ravel(), y_nm.ravel()])
        sites_nm = sites_nm[field.contains(*sites_nm.T)]
        if not len(sites_nm):
            raise BlinkspotError(_NOTHING_IN_THE_FIELD)
        return _Sites(sites_nm)


@dataclass(frozen=True)
class Clusters(Structure):
    """Round clusters, Gaussian in both directions, with as many molecules in each on average.

    Attributes
    ----------
    seed : int
        Seed of their places.
    per_um2 : float
        Clusters per square micrometre.
    sigma_nm : float
        Standard deviation of a molecule's place along an axis, nm.
    """

    seed: int = 1
    per_um2: float = 0.5
    sigma_nm: float = 60.0

    def __post_init__(self) -> None:
        check_seed(self, "clusters'")
        check_above_0(self, "clusters'", "per_um2", "sigma_nm")

    def places_in(self, field: Field) -> Places:
        """Return the places around the clusters' middles in a field; what would lie beyond is thrown back."""
        centres_nm = _scattered(field, self.per_um2, np.random.default_rng(self.seed))
        return _AroundCentres(centres_nm, self.sigma_nm, field)


class _OnLines(Independent):
    """Places on line segments, by their length."""

    def __init__(self, segments: FloatArray, diameter_nm: float, field: Field) -> None:
        """Take segments (n, 4): x and y of the start, and of the way to the end, nm; those in the field."""
        middle_nm = segments[:, :2] + segments[:, 2:] / 2.0
        self._segments = segments[field.contains(*middle_nm.T)]
        if not len(self._segments):
            raise BlinkspotError(_NOTHING_IN_THE_FIELD)
        lengths = np.hypot(*self._segments[:, 2:].T)
        self._normals = np.column_stack([-self._segments[:, 3], self._segments[:, 2]]) / lengths[:, None]
        self._cumulated = np.cumsum(lengths)
        self._radius_nm = diameter_nm / 2.0
        self._field = field

    def draw(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw independent places; x and y, nm, shape (number, 2)."""
        along = random.random(number) * self._cumulated[-1]
        chosen = np.minimum(np.searchsorted(self._cumulated, along, side="right"), len(self._cumulated) - 1)
        part = random.random(number)[:, np.newaxis]
        places_nm = self._segments[chosen, :2] + part * self._segments[chosen, 2:]
        if self._radius_nm > 0:
            aside_nm = self._radius_nm * np.cos(random.uniform(0.0, 2.0 * math.pi, number))
            places_nm += aside_nm[:, np.newaxis] * self._normals[chosen]
        return self._field.reflected(places_nm)


class _Sites:
    """Places that are points."""

    def __init__(self, places_nm: FloatArray) -> None:
        self._places_nm = places_nm

    def draw(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw independent places; x and y, nm, shape (number, 2)."""
        return self._places_nm[random.integers(0, len(self._places_nm), number)]

    def sites(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw places, each as often as the others, or once more; x and y, nm, shape (number, 2)."""
        order = random.permutation(len(self._places_nm))
        return self._places_nm[np.resize(order, number)]


class _AroundCentres(Independent):
    """Places scattered about points."""

    def __init__(self, centres_nm: FloatArray, sigma_nm: float, field: Field) -> None:
        self._centres_nm = centres_nm
        self._sigma_nm = sigma_nm
        self._field = field

    def draw(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw independent places; x and y, nm, shape (number, 2)."""
        centres_nm = self._centres_nm[random.integers(0, len(self._centres_nm), number)]
        return self._field.reflected(centres_nm + random.normal(0.0, self._sigma_nm, (number, 2)))


def _scattered(
    field: Field, per_um2: float, random: np.random.Generator, margin_nm: float = 0.0
) -> FloatArray:
    """Return at least one place in the field, x and y, nm, (n, 2); off the border if there is room."""
    mean = per_um2 * field.area_um2
    if mean > _MOST_ELEMENTS:
        raise BlinkspotError(
            f"The structure would be there {mean:.2g} times in the field, of at most {_MOST_ELEMENTS:,}: "
            "choose a lower per_um2."
        )
    number = random.poisson(mean)
    sizes_nm = np.array(field.extent_nm[::-1])
    margins_nm = np.minimum(margin_nm, sizes_nm / 2.0)
    return random.uniform(margins_nm, sizes_nm - margins_nm, (max(1, number), 2))


def _check_parts(number: int, what: str, instead: str) -> None:
    """Refuse a structure that would take gigabytes."""
    if number > _MOST_PARTS:
        raise BlinkspotError(
            f"The structure would have {float(number):.2g} {what}, of at most {_MOST_PARTS:,}: "
            f"choose {instead}."
        )


def _curves(middles_nm: FloatArray, steps: int, turn: float, random: np.random.Generator) -> FloatArray:
    """Return the segments, (n, 4), of curves that wander both ways from their middles."""
    direction = random.uniform(0.0, 2.0 * math.pi, (len(middles_nm), 1))
    halves = []
    for start in (direction, direction + math.pi):
        angle = start + turn * np.cumsum(random.standard_normal((len(middles_nm), steps)), axis=1)
        ways_nm = _SEGMENT_NM * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        ends_nm = middles_nm[:, np.newaxis] + np.cumsum(ways_nm, axis=1)
        halves.append(np.concatenate([ends_nm - ways_nm, ways_nm], axis=-1).reshape(-1, 4))
    return np.concatenate(halves)


NAMED_STRUCTURES: dict[str, type[Structure]] = {
    "tubes": Tubes,
    "filaments": Filaments,
    "rings": Rings,
    "grid": Grids,
    "clusters": Clusters,
}
"""Kinds of structure by the names that the command line has for them."""
