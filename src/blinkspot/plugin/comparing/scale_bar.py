"""napari's scale bar, in µm as soon as the pixel size is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import QObject

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.comparing.pixel_size import measured_in_lengths, pixel_size_nm
from blinkspot.plugin.widgets.following import follow

_NM_PER_UM = 1000.0


class ScaleBar(QObject):
    """Shows and hides the scale bar of a viewer.

    It appears by itself once, with the first movie that says how large its pixels are.

    Parameters
    ----------
    viewer : ViewerModel
        Whose scale bar it is.
    cameras : CameraKeeper
        Which know the pixel sizes.
    is_busy : callable
        Whether a job runs whose result is to lie where its movie lies.
    parent : QObject
        With which it ends.
    """

    def __init__(
        self, viewer: ViewerModel, cameras: CameraKeeper, is_busy: Callable[[], bool], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewer = OfViewer(viewer)
        self._cameras, self._is_busy = cameras, is_busy
        self._has_appeared = False
        follow(self, viewer.layers.events.inserted, self._on_inserted)
        self._on_inserted()

    @property
    def is_shown(self) -> bool:
        """Whether the scale bar is shown."""
        return bool(self._viewer().canvas.overlays.scale_bar.visible)

    def hide(self) -> None:
        """Hide it."""
        self._viewer().canvas.overlays.scale_bar.visible = False

    def show(self, movie: Layer) -> None:
        """Show it; layers that are measured in pixels are measured in µm from now on.

        All of them together, as they lie in one world with the movie: they keep their place to one another.

        Raises
        ------
        BlinkspotError
            If the pixel size is not known, or a job or the layers do not allow that.
        """
        if not measured_in_lengths(movie):
            self._measure_in_um(movie)
        self._has_appeared = True
        self._viewer().canvas.overlays.scale_bar.visible = True

    def _measure_in_um(self, movie: Layer) -> None:
        size_nm = pixel_size_nm(self._cameras, movie)
        if size_nm is None:
            raise BlinkspotError(
                f"The pixel size of {movie.name!r} is not known: type it into the Camera section of a dock."
            )
        if self._is_busy():
            raise BlinkspotError("A job is running whose result lies where the movie lies now: wait for it.")
        if not np.isclose(movie.scale[-1], movie.scale[-2]):
            raise BlinkspotError(f"The pixels of {movie.name!r} are not square: set its scale in µm.")
        viewer = self._viewer()
        in_pixels = [layer for layer in viewer.layers if not measured_in_lengths(layer)]
        # A movie may be scaled in µm already, and only not say so.
        factor = size_nm / _NM_PER_UM / float(movie.scale[-1])
        if abs(factor - 1.0) > 1e-6:
            for layer in in_pixels:
                _check_can_scale(layer)
            camera = viewer.scene.camera
            zoom, centre = camera.zoom, camera.center
            for layer in in_pixels:
                _scale(layer, factor)
            camera.zoom = zoom / factor
            camera.center = (centre[0], centre[1] * factor, centre[2] * factor)
        for layer in in_pixels:
            layer.units = (*layer.units[:-2], "um", "um")

    def _on_inserted(self, event: object = None) -> None:
        if self._has_appeared:
            return
        if any(measured_in_lengths(layer) for layer in self._viewer().layers if layer.ndim >= 2):
            self._has_appeared = True
            self._viewer().canvas.overlays.scale_bar.visible = True


def _check_can_scale(layer: Layer) -> None:
    """Check that no rotation or shear mixes the axes y and x, which are scaled, with others."""
    stretch = np.eye(layer.ndim)
    stretch[-2:, -2:] *= 2.0
    for matrix in (layer.rotate, np.asarray(layer.affine)[:-1, :-1]):
        if not np.allclose(stretch @ matrix, matrix @ stretch):
            raise BlinkspotError(
                f"The layer {layer.name!r} is turned between the picture and another axis: set the scales "
                "and units of the layers yourself."
            )


def _scale(layer: Layer, factor: float) -> None:
    stretch = np.ones(layer.ndim)
    stretch[-2:] = factor
    layer.scale = layer.scale * stretch
    layer.translate = layer.translate * stretch
    affine = np.array(layer.affine)
    affine[:-1, -1] *= stretch
    layer.affine = affine
