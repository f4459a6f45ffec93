"""What the models and results of a viewer were made from, for as long as they live."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Layer

from blinkspot.camera import Camera
from blinkspot.plugin.layers.movies import PROVENANCE, stack_behind
from blinkspot.plugin.layers.reference import reference_to
from blinkspot.plugin.layers.table_shown import PictureChoice

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser
    from blinkspot.localization.astigmatism import AstigmatismCalibration


class Ancestor:
    """A movie that something was made from: by its name now, or where it is gone, by the last one known.

    Parameters
    ----------
    layer : Layer
        Of a movie.

    Attributes
    ----------
    path : Path or None
        Its file.
    shape : tuple of int
        (T, Y, X).
    provenance : dict
        What made it, where it is denoised.
    """

    def __init__(self, layer: Layer) -> None:
        stack = stack_behind(layer.data, layer.metadata)
        self._layer = weakref.ref(layer)
        self._data = reference_to(layer.data)
        self._name = str(layer.name)
        self.path: Path | None = None if stack is None else stack.path
        self.shape: tuple[int, ...] = tuple(layer.data.shape)
        self.provenance: dict[str, Any] = dict(layer.metadata.get(PROVENANCE) or {})

    @property
    def name(self) -> str:
        """What it is called."""
        layer = self._layer()
        if layer is not None:
            self._name = str(layer.name)
        return self._name

    def is_among(self, layers: Iterable[Layer]) -> bool:
        """Tell whether its layer is there, and still holds what it held."""
        own, data = self._layer(), self._data()
        return own is not None and own.data is data and any(layer is own for layer in layers)


class GoneAncestor:
    """A movie that something was made from, and that is not in the viewer: as :class:`Ancestor`."""

    def __init__(
        self,
        name: str,
        path: str | None,
        shape: tuple[int, ...],
        provenance: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.path = None if path is None else Path(path)
        self.shape = shape
        self.provenance = provenance or {}

    def is_among(self, layers: Iterable[Layer]) -> bool:
        """Return False: it has no layer."""
        return False


AnyAncestor = Ancestor | GoneAncestor


@dataclass
class ModelOrigin:
    """Where a model comes from.

    Attributes
    ----------
    movie : Ancestor, GoneAncestor or None
        That it was trained on, in this window.
    stopped : bool
        Whether its training did not come to its own end.
    path : Path or None
        Its file.
    """

    movie: AnyAncestor | None = None
    stopped: bool = False
    path: Path | None = None


@dataclass(frozen=True)
class TableOrigin:
    """Where a layer of molecules comes from.

    Attributes
    ----------
    movie, denoised : Ancestor, GoneAncestor or None
        What was localized, and in what the molecules were found, where that is denoised.
    calibration : (Path, AstigmatismCalibration) or None
    path : Path or None
        The file that it was read from.
    picture : (weak reference, PictureChoice) or None
        The layer of its picture, and how that was drawn.
    """

    movie: AnyAncestor | None = None
    denoised: AnyAncestor | None = None
    calibration: tuple[Path, AstigmatismCalibration] | None = None
    path: Path | None = None
    picture: tuple[weakref.ref[Layer], PictureChoice] | None = None


@dataclass(frozen=True)
class Reported:
    """A report that was written, and of what."""

    movie: AnyAncestor
    denoised: AnyAncestor
    camera: Camera
    truth: weakref.ref[Layer] | None
    holds_out: bool
    folder: Path


class Lineage:
    """Remembers what was made from what.

    Attributes
    ----------
    reports : list of Reported
        Oldest first.
    """

    def __init__(self) -> None:
        self._models: WeakKeyDictionary[Denoiser, ModelOrigin] = WeakKeyDictionary()
        self._denoised: WeakKeyDictionary[Layer, AnyAncestor] = WeakKeyDictionary()
        self._tables: WeakKeyDictionary[Layer, TableOrigin] = WeakKeyDictionary()
        self.reports: list[Reported] = []

    def model(self, model: Denoiser) -> ModelOrigin:
        """Return where a model comes from; what is set there is remembered."""
        return self._models.setdefault(model, ModelOrigin())

    def source(self, denoised: Layer) -> AnyAncestor | None:
        """Return what a denoised movie was made from, None where that is not known."""
        return self._denoised.get(denoised)

    def set_source(self, denoised: Layer, source: AnyAncestor) -> None:
        """Remember what a denoised movie was made from."""
        self._denoised[denoised] = source

    def table(self, points: Layer) -> TableOrigin:
        """Return where a layer of molecules comes from."""
        return self._tables.get(points, TableOrigin())

    def set_table(self, points: Layer, origin: TableOrigin) -> None:
        """Remember where a layer of molecules comes from."""
        self._tables[points] = origin
