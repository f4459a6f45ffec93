"""Layers that show, pixel by pixel, what a denoised movie changes and what it leaves over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QObject

from blinkspot.errors import BlinkspotError
from blinkspot.movies.frame_comparison import DenoisedResidualFrames, DifferenceFrames
from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.comparing import pixelwise_steps
from blinkspot.plugin.comparing.lazy_layer import LazyLayer
from blinkspot.plugin.comparing.model_residual import ModelResidual
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.comparing.pair_of_layers import frame_pairs
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.layers.movies import frame_shown

if TYPE_CHECKING:  # importing it imports torch, which takes seconds
    from blinkspot.denoising import Denoiser

_DIFFERENCE, _RESIDUAL = "difference", "residual"


class PixelwiseLayers(QObject):
    """Adds layers of differences and residuals to a viewer.

    Each stands for one denoised movie, or for one model of its movie: asked for again, it is shown, not made
    anew.

    Parameters
    ----------
    viewer : ViewerModel
        Which gets the layers.
    cameras : CameraKeeper
        The cameras of its movies.
    model_behind : callable
        Returns the model that made a denoised movie, None where it is not there.
    parent : QObject
        With which it ends.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        cameras: CameraKeeper,
        model_behind: Callable[[Layer | None], Denoiser | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = OfViewer(viewer)
        self._cameras, self._model_behind = cameras, model_behind
        self._lazy: dict[str, list[LazyLayer]] = {_DIFFERENCE: [], _RESIDUAL: []}
        self._by_model: list[ModelResidual] = []
        cameras.changed.connect(self._on_camera_changed)

    def show_difference(self, source: Image, denoised: Image) -> None:
        """Show denoised minus noisy, ADU.

        Raises
        ------
        BlinkspotError
            If the two are not a movie and its denoised version.
        """
        make = partial(_difference, source, denoised)
        self._show_lazily(_DIFFERENCE, LazyLayer(self._viewer, source, denoised, make), make(), "ADU")

    def show_residual(self, source: Image, denoised: Image) -> None:
        """Show what is left of each pixel, in standard deviations; see :mod:`blinkspot.evaluation.residuals`.

        By the model that made the denoised movie, where it is there; else by the denoised movie.

        Raises
        ------
        BlinkspotError
            If the two are not a movie and its denoised version, or without a model the camera is not known.
        """
        frame_pairs(source, denoised)
        denoiser = self._model_behind(denoised)
        if denoiser is None:
            make = partial(_residual, self._cameras, source, denoised)
            lazy = LazyLayer(self._viewer, source, denoised, make)
            self._show_lazily(_RESIDUAL, lazy, make(), "standard deviations")
            return
        self._by_model = [shown for shown in self._by_model if shown.is_shown]
        for shown in self._by_model:
            if shown.source is source and shown.denoiser is denoiser:
                _bring_back(shown.layer)
                shown.renew()
                return
        residual = ModelResidual(self._viewer, source, denoiser, f"{source.name} {_RESIDUAL}", self)
        residual.failed.connect(lambda error: tell_error(error, "Computing the residual"))
        self._by_model.append(residual)

    def _show_lazily(self, kind: str, lazy: LazyLayer, frames: LazyFrames, unit: str) -> None:
        self._lazy[kind] = [shown for shown in self._lazy[kind] if shown.is_shown]
        for shown in self._lazy[kind]:
            if shown.denoised is lazy.denoised:
                _bring_back(shown.layer)
                return
        # At once: while it is on its way, it is not made anew either.
        self._lazy[kind].append(lazy)
        question = LatestOnly(self)

        def add(limit: float) -> None:
            if lazy.source not in self._viewer().layers:
                forget()
                return
            try:
                lazy.add(f"{lazy.source.name} {kind}", kind, unit, limit)
            except BlinkspotError as error:
                # The user has put something else into a layer since.
                tell(error)

        def tell(error: Exception) -> None:
            forget()
            tell_error(error, f"Computing the {kind}")

        def forget() -> None:
            self._lazy[kind].remove(lazy)

        question.answered.connect(add)
        question.failed.connect(tell)
        for end in (question.answered, question.failed):
            end.connect(question.deleteLater)
        index = frame_shown(self._viewer(), lazy.denoised)
        question.ask(partial(pixelwise_steps.limit_of_frame, frames, index))

    def _on_camera_changed(self, layer: Image) -> None:
        for lazy in self._lazy[_RESIDUAL]:
            if lazy.source is layer:
                lazy.renew()


def _difference(source: Image, denoised: Image) -> LazyFrames:
    return DifferenceFrames(frame_pairs(source, denoised))


def _residual(cameras: CameraKeeper, source: Image, denoised: Image) -> LazyFrames:
    pairs = frame_pairs(source, denoised)
    cameras.ensure(source)
    record = cameras.record(source)
    if record is None:
        raise BlinkspotError(f"The camera of {source.name!r} is not known: set it in the Train dock.")
    record.check_complete()
    return DenoisedResidualFrames(pairs, record.camera)


def _bring_back(layer: Image | None) -> None:
    if layer is not None:
        layer.visible = True
