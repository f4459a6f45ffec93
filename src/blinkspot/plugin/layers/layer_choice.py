"""A combo box of some of the viewer's layers that follows the layer list."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QSizePolicy, QWidget

from blinkspot.plugin.layers.movies import ROLE, why_not_a_movie
from blinkspot.plugin.widgets.following import follow
from blinkspot.plugin.widgets.name_box import NameBox

MOVIE_TIP = "The movie as the camera recorded it, of the axes time, y and x."
"""What a choice of a movie is for."""

_REST_MS = 100


class LayerChoice(NameBox):
    """Lets the user choose one of the viewer's layers.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers to list.
    accepts : callable
        Whether a layer is listed.
    tip : str
        What is chosen; the tooltip tells it and the name, which may be too long to be read whole.
    none_text : str, optional
        Text of a first entry that stands for no layer; without it the first usable layer is chosen by itself.

    Signals
    -------
    chosen : Layer or None
        Another layer was chosen, by the user or because the one before was removed; or the chosen one was
        given data of another shape.
    renewed : Layer
        The chosen layer was given other data of the same shape: what is chosen for it holds, what was found
        out about it does not. Told once the data come to rest: a camera may renew them many times a second.
    """

    chosen = Signal(object)
    renewed = Signal(object)

    def __init__(
        self,
        viewer: ViewerModel,
        accepts: Callable[[Layer], bool],
        tip: str,
        none_text: str | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._accepts = accepts
        self._tip = tip
        self._none_text = none_text
        self._listed: list[Layer | None] = []
        self._current: Layer | None = None
        self._shape: tuple[int, ...] = ()
        self._followed: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(lambda: self.renewed.emit(self._current))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.currentIndexChanged.connect(self._on_index_changed)
        events = viewer.layers.events
        for emitter in (events.inserted, events.removed, events.reordered, events.renamed):
            follow(self, emitter, self.refresh)
        self.setToolTip(tip)
        self.refresh()

    @property
    def layer(self) -> Layer | None:
        """The chosen layer, None where there is none."""
        return self._current

    def choose(self, layer: Layer | None) -> None:
        """Choose a layer, as if the user had."""
        if layer in self._listed:
            self.setCurrentIndex(self._listed.index(layer))

    def refresh(self, event: object = None) -> None:
        """List the layers anew; the chosen one stays chosen for as long as it is there."""
        listed: list[Layer | None] = [] if self._none_text is None else [None]
        listed += [layer for layer in self._viewer.layers if self._accepts(layer)]
        names = [self._none_text if layer is None else layer.name for layer in listed]
        self._listed = listed
        self.blockSignals(True)
        self.clear()
        self.addItems(names)
        self.setCurrentIndex(self._index_to_keep())
        self.blockSignals(False)
        self._on_index_changed(self.currentIndex())

    def _index_to_keep(self) -> int:
        if self._current in self._listed:
            return self._listed.index(self._current)
        for index, layer in enumerate(self._listed):
            if layer is None or why_not_a_movie(layer) is None:
                return index
        return 0 if self._listed else -1

    def _on_index_changed(self, index: int) -> None:
        layer = self._listed[index] if 0 <= index < len(self._listed) else None
        self.setToolTip(self._tip if layer is None else f"{layer.name}\n{self._tip}")
        if layer is not self._current:
            self._current = layer
            self._rest.stop()
            self._follow_data(layer)
            self.chosen.emit(layer)

    def _follow_data(self, layer: Layer | None) -> None:
        if layer is None:
            return
        self._shape = layer.data.shape
        if layer not in self._followed:
            self._followed.add(layer)
            follow(self, layer.events.data, self._on_data_changed)

    def _on_data_changed(self, event: Any) -> None:
        layer = self._current
        if layer is None or event.source is not layer:
            return
        if layer.data.shape == self._shape:
            self._rest.start()
            return
        self._shape = layer.data.shape
        self.refresh()
        if layer is self._current:
            self.chosen.emit(layer)


def is_source(layer: Layer) -> bool:
    """Whether a layer may be a movie that the user brought: any image that no dock made."""
    return isinstance(layer, Image) and ROLE not in layer.metadata


def may_be_denoised(layer: Layer) -> bool:
    """Whether a layer may be a denoised movie: one of ours, or any other that the user brought."""
    return layer.metadata.get(ROLE) in (None, "denoised") and why_not_a_movie(layer) is None
