"""A layer that shows one denoised frame, where that frame lies in its movie."""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from blinkspot.camera import FloatArray
from blinkspot.plugin.layers.layer_list import put_above
from blinkspot.plugin.layers.movies import ROLE, Place


class LiveLayer:
    """Shows the frame computed last; on the movie's other frames it shows nothing.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer to add it to.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._source: Image | None = None
        self._place: Place | None = None
        self.layer: Image | None = None

    def begin(self, source: Image, place: Place) -> None:
        """Show frames of this movie, where it lies, from now on; the layer appears with the first of them."""
        if self._source is not source or not self.is_shown:
            self.remove()
        self._source = source
        self._place = place

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(self, index: int, frame: FloatArray) -> None:
        """Show a frame (Y, X) in ADU. A layer that the user has deleted does not come back."""
        if self._source is None or self._place is None or self._source not in self._viewer.layers:
            return
        where = self._place.of_frames(index)
        if self.layer is None:
            self.layer = add_result(
                self._viewer,
                self._source,
                frame[None],
                f"{self._source.name} denoised so far",
                "preview",
                where,
            )
        elif self.is_shown:
            self.layer.data = frame[None]
            self.layer.translate = where["translate"]

    def remove(self) -> None:
        """Take the layer out of the viewer."""
        if self.is_shown:
            self._viewer.layers.remove(self.layer)
        self.layer = None


def add_result(
    viewer: ViewerModel,
    source: Image,
    data: Any,
    name: str,
    role: str,
    where: dict[str, Any],
    **metadata: Any,
) -> Image:
    """Add a denoised movie to the viewer, with the display of its source.

    Parameters
    ----------
    source : Image
        The noisy movie.
    data : array-like, (n, Y, X)
        Denoised frames in the source's ADU.
    name : str
        Name of the new layer.
    role : str
        Its :data:`~blinkspot.plugin.layers.movies.ROLE`.
    where : dict
        Its place; see :class:`~blinkspot.plugin.layers.movies.Place`.
    **metadata
        More to keep with it.
    """
    layer = viewer.add_image(
        data,
        name=name,
        contrast_limits=source.contrast_limits,
        gamma=source.gamma,
        colormap=source.colormap.name,
        metadata={ROLE: role, **metadata},
        **where,
    )
    put_above(viewer, layer, source)
    viewer.layers.link_layers([source, layer], ("contrast_limits", "gamma"))
    return layer
