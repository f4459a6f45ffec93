"""The choice of a movie and of its denoised version."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFormLayout, QWidget

from blinkspot.plugin.docks.opener import OpenButton
from blinkspot.plugin.layers.layer_choice import MOVIE_TIP, LayerChoice, is_source, may_be_denoised
from blinkspot.plugin.session import Session
from blinkspot.plugin.widgets.forms import row


class MoviePair(QWidget):
    """Lets the user choose a movie, or open one, and its denoised version.

    With another movie, and when a movie is denoised, its newest denoised version is chosen by itself.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers to list.
    session : Session
        Knows which layer is which one denoised.
    open_button : OpenButton
        Opens a movie.
    tip, none_text : str
        What the denoised version is for, and the text of the entry that stands for none.

    Attributes
    ----------
    form : QFormLayout
        For more rows.
    movies, denoised : LayerChoice

    Signals
    -------
    movie_chosen : Layer or None
        Another movie was chosen; its denoised version is chosen already.
    """

    movie_chosen = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        session: Session,
        open_button: OpenButton,
        tip: str,
        none_text: str,
    ) -> None:
        super().__init__()
        self._viewer, self._session = viewer, session
        self.movies = LayerChoice(viewer, is_source, MOVIE_TIP)
        open_button.opened.connect(self.movies.choose)
        self.denoised = LayerChoice(
            viewer,
            lambda layer: may_be_denoised(layer) and layer is not self.movies.layer,
            tip,
            none_text=none_text,
        )
        self.form = QFormLayout(self)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setVerticalSpacing(4)
        self.form.addRow("Movie", row(self.movies, open_button))
        self.form.addRow("Denoised", self.denoised)
        self.movies.chosen.connect(self._on_movie_chosen)
        session.denoised_added.connect(self._on_denoised_added)
        self._choose_denoised()

    @property
    def layers(self) -> tuple[Image | None, Image | None]:
        """Return the movie and its denoised version, None where none is chosen."""
        return self.movies.layer, self.denoised.layer

    def _on_movie_chosen(self, layer: Layer | None) -> None:
        self._choose_denoised()
        self.movie_chosen.emit(layer)

    def _choose_denoised(self) -> None:
        self.denoised.refresh()
        # A single frame may be newer, but is no movie that could be chosen.
        among = [layer for layer in self._viewer.layers if may_be_denoised(layer)]
        self.denoised.choose(self._session.denoised_of(self.movies.layer, among))

    def _on_denoised_added(self, layer: Layer) -> None:
        if self._session.denoised_of(self.movies.layer, [layer]) is not None:
            self.denoised.refresh()
            self.denoised.choose(layer)
