"""The residual of the frame shown, as the model has it: computed in another thread as the slider moves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from blinkspot.errors import BlinkspotError
from blinkspot.movies.frame_comparison import symmetric_limit
from blinkspot.plugin.comparing import pixelwise_steps
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.comparing.pixelwise_layer import add_pixelwise
from blinkspot.plugin.comparing.pixelwise_steps import FrameResidual
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.layers.movies import Place, frame_shown, stack_of, why_not_a_movie
from blinkspot.plugin.widgets.following import follow

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser


class ModelResidual(QObject):
    """A layer of the residual of the frame computed last; on the movie's other frames it shows nothing.

    Parameters
    ----------
    viewer : OfViewer
    source : Image
        The noisy movie.
    denoiser : Denoiser
        The model.
    name : str
        Of the layer, which appears with the first frame.
    parent : QObject

    Signals
    -------
    failed : object
        An exception.
    """

    failed = Signal(object)

    def __init__(
        self, viewer: OfViewer, source: Image, denoiser: Denoiser, name: str, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._name = name
        self.source, self.denoiser = source, denoiser
        self.layer: Image | None = None
        self._computing = LatestOnly(self)
        self._computing.answered.connect(self._on_answered)
        self._computing.failed.connect(self.failed.emit)
        follow(self, viewer().dims.events.current_step, self.renew)
        follow(self, source.events.data, self.renew)
        follow(self, viewer().layers.events.removed, self._on_removed)
        self.renew()

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer, or to appear."""
        return self.source in self._viewer().layers and (
            self.layer is None or self.layer in self._viewer().layers
        )

    def renew(self, event: object = None) -> None:
        """Compute the frame that the viewer shows."""
        if not self.is_shown or (self.layer is not None and not self.layer.visible):
            return
        try:
            movie = stack_of(self.source)
        except BlinkspotError:
            return
        index = frame_shown(self._viewer(), self.source)
        self._computing.ask(partial(pixelwise_steps.residual_by_model, self.denoiser, movie, index))

    def _on_answered(self, answer: FrameResidual) -> None:
        if not self.is_shown or why_not_a_movie(self.source) is not None:
            return
        if self.layer is None:
            self.layer = add_pixelwise(
                self._viewer(),
                self.source,
                answer.frame[None],
                name=self._name,
                role="residual",
                unit="standard deviations",
                first=answer.index,
                limit=symmetric_limit(answer.frame),
            )
            self.layer.events.visible.connect(self.renew)
        else:
            self.layer.data = answer.frame[None]
            Place.of(self.source).put(self.layer, answer.index)

    def _on_removed(self, event: object) -> None:
        if not self.is_shown:
            self._computing.forget()
