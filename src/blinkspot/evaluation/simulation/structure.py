"""What molecules can lie on: the common ground of structures and masks."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation.simulation.field import Field

FloatArray = NDArray[np.float64]


class Places(Protocol):
    """Places in one field that molecules can have."""

    def draw(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw independent places; x and y, nm, shape (number, 2)."""
        ...

    def sites(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw the places of molecules that are all there together; x and y, nm, shape (number, 2)."""
        ...


class Structure(ABC):
    """Something that molecules lie on: a frozen dataclass, the same in every movie made with it."""

    @abstractmethod
    def places_in(self, field: Field) -> Places:
        """Return the places that molecules have on it, in a field."""

    def mean_in(self, field: Field) -> float:
        """Return the mean over the field of the part of the density that is there, 0 to 1.

        A mask takes molecules away where it is dim; a structure gathers them all.
        """
        return 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return kind and settings, JSON-ready."""
        settings = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {"kind": type(self).__name__, **settings}


class Independent:
    """Places where each molecule's does not depend on the others'; draws them by :meth:`draw`."""

    def draw(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw independent places; x and y, nm, shape (number, 2)."""
        raise NotImplementedError

    def sites(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw the places of molecules that are all there together; x and y, nm, shape (number, 2)."""
        return self.draw(number, random)


class Everywhere(Independent):
    """Uniform over the field."""

    def __init__(self, field: Field) -> None:
        self._height_nm, self._width_nm = field.extent_nm

    def draw(self, number: int, random: np.random.Generator) -> FloatArray:
        """Draw independent places; x and y, nm, shape (number, 2)."""
        x_nm = random.uniform(0.0, self._width_nm, number)
        return np.column_stack([x_nm, random.uniform(0.0, self._height_nm, number)])
