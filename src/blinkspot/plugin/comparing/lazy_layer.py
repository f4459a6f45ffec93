"""A layer of differences of which napari computes the frame that it shows."""

from __future__ import annotations

from collections.abc import Callable

from napari.layers import Image

from blinkspot.errors import BlinkspotError
from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.comparing.pair_of_layers import first_frame
from blinkspot.plugin.comparing.pixelwise_layer import add_pixelwise


class LazyLayer:
    """Keeps a layer of differences true to the movies that it is made of.

    Parameters
    ----------
    viewer : OfViewer
    source, denoised : Image
        The movies; the layer outlives their removal.
    make : callable
        Returns the frames; raises BlinkspotError where they cannot be made any more.
    """

    def __init__(
        self, viewer: OfViewer, source: Image, denoised: Image, make: Callable[[], LazyFrames]
    ) -> None:
        self._viewer = viewer
        self._make = make
        self.source, self.denoised = source, denoised
        self.layer: Image | None = None
        self._point: tuple[float, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer, or to appear."""
        return self.layer is None or self.layer in self._viewer().layers

    def add(self, name: str, role: str, unit: str, limit: float) -> Image:
        """Add the layer, of what the movies are now; see :func:`.add_pixelwise`.

        Raises
        ------
        BlinkspotError
            If its frames cannot be made any more.
        """
        frames = self._make()
        first = first_frame(self.source, self.denoised)
        self.layer = add_pixelwise(
            self._viewer(), self.source, frames, name=name, role=role, unit=unit, first=first, limit=limit
        )
        for movie in (self.source, self.denoised):
            movie.events.data.connect(self.renew)
        self.layer.events.set_data.connect(self._on_drawn)
        self.denoised.events.set_data.connect(self._on_denoised_drawn)
        self._on_drawn()
        return self.layer

    def renew(self, event: object = None) -> None:
        """Compute from what the movies are now; where they no longer fit, what is shown stays."""
        if self.layer is None or not self.is_shown:
            return
        try:
            self.layer.data = self._make()
        except BlinkspotError:
            return

    def _on_drawn(self, event: object = None) -> None:
        self._point = tuple(self._viewer().dims.point)

    def _on_denoised_drawn(self, event: object) -> None:
        """Follow a movie that is denoised just now: its frames change where they are."""
        # After a move of the slider, this layer is drawn by itself.
        moved = tuple(self._viewer().dims.point) != self._point
        if not moved and self.layer is not None and self.is_shown:
            self.layer.refresh(extent=False, highlight=False)
