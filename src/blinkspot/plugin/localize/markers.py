"""Markers around the molecules of the frame that is shown, on the noisy and on the denoised movie."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image, Points

from blinkspot.plugin.comparing.view import ComparisonView
from blinkspot.plugin.layers.movies import Place
from blinkspot.plugin.layers.rings import NO_PLACES, add_rings
from blinkspot.plugin.localize.marking.looks import DENOISED_COLOUR, LOOKS, NOISY_COLOUR
from blinkspot.plugin.localize.marking.states import Marked

# Of different size, so that both are seen where they lie over one another.
_NOISY_DIAMETER_PX = 7.0
_DENOISED_DIAMETER_PX = 9.0


class PreviewMarkers:
    """Two layers of open markers, whose colour and shape tell the state of a molecule.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer to show them in.
    comparison : ComparisonView
        What compares two of its layers: each layer of circles goes with its movie.
    """

    def __init__(self, viewer: ViewerModel, comparison: ComparisonView) -> None:
        self._viewer = viewer
        self._comparison = comparison
        self._movies: tuple[Image, Image | None] | None = None
        self._hidden = False
        self.noisy: Points | None = None
        self.denoised: Points | None = None

    def begin(self, noisy: Image, denoised: Image | None) -> None:
        """Mark these movies from now on; the layers appear."""
        if self._movies != (noisy, denoised) or not self.exist:
            self.remove()
            self._movies = (noisy, denoised)
            self.noisy = self._circles(noisy, "noisy", NOISY_COLOUR, _NOISY_DIAMETER_PX)
            if denoised is not None:
                self.denoised = self._circles(noisy, "denoised", DENOISED_COLOUR, _DENOISED_DIAMETER_PX)
        else:
            self._put_there(noisy)
            if not self._hidden:
                return
            self._set_visible(True)
        self._hidden = False
        self.arrange()

    def _put_there(self, movie: Image) -> None:
        """Have the layers lie where their movie lies by now."""
        for layer in (self.noisy, self.denoised):
            if layer is not None:
                Place.of(movie).put(layer, 0)

    @property
    def exist(self) -> bool:
        """Whether the layers are in the viewer: the user may have deleted them."""
        if self._movies is None:
            return False
        wanted = [self.noisy] if self._movies[1] is None else [self.noisy, self.denoised]
        return all(layer is not None and layer in self._viewer.layers for layer in wanted)

    def show_noisy(self, found: Marked) -> None:
        """Mark the molecules found in the noisy movie."""
        if self.noisy is not None and self.exist:
            _mark(self.noisy, found)

    def show_denoised(self, found: Marked | None) -> None:
        """Mark the molecules found in the denoised movie."""
        if self.denoised is not None and self.exist:
            _mark(self.denoised, found or Marked(NO_PLACES, ()))

    def arrange(self) -> None:
        """Lay each layer over its movie where the two are compared."""
        if self._hidden:
            return
        pair = self._comparison.pair
        if pair is not None and pair == self._movies and self.denoised is not None and self.exist:
            self._comparison.lay_over((self.noisy, self.denoised))

    def hide(self) -> None:
        """Show no circles for the time being.

        The layers stay in the list: taking a layer out costs napari a full garbage collection, too slow for
        something that is switched on and off.
        """
        self._hidden = True
        self._set_visible(False)

    def _set_visible(self, visible: bool) -> None:
        for layer in (self.noisy, self.denoised):
            if layer is not None:
                layer.visible = visible

    def remove(self) -> None:
        """Take the layers out of the viewer."""
        layers, self.noisy, self.denoised, self._movies = (self.noisy, self.denoised), None, None, None
        for layer in layers:
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _circles(self, movie: Image, kind: str, colour: str, diameter_px: float) -> Points:
        return add_rings(
            self._viewer,
            movie,
            NO_PLACES,
            name=f"found in {kind}",
            role="markers",
            colour=colour,
            diameter_px=diameter_px,
        )


def _mark(layer: Points, marked: Marked) -> None:
    layer.data = marked.places
    if not layer.visible:
        # napari leaves the slice of a hidden layer as it was, with points in it that may be gone.
        layer.set_view_slice()
    if marked.states:
        layer.symbol = [LOOKS[state].symbol for state in marked.states]
        layer.border_color = [LOOKS[state].colour for state in marked.states]
