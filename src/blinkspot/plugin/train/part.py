"""Which frames, and which part of them, a denoiser learns from."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import SMALLEST_SIDE_PX
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.layers.movies import stack_of
from blinkspot.plugin.train import training_steps
from blinkspot.plugin.train.frame_strip import FrameStrip
from blinkspot.plugin.train.region import Region, region_drawn, region_in_view
from blinkspot.plugin.widgets.forms import combo

_ALL, _IN_VIEW, _DRAWN = "all", "in view", "drawn"


class TrainingPart(QWidget):
    """Lets the user keep a training to a range of frames and a region.

    The frames are looked at, in another thread, once this is on the screen.

    Parameters
    ----------
    viewer : ViewerModel
        With the movie, and with the rectangles drawn.

    Signals
    -------
    said : str
        Why a region cannot be taken.
    failed : object
        The exception that looking at the frames has raised.
    """

    said = Signal(str)
    failed = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Image | None = None
        self._range: tuple[int, int] | None = None
        self._region: Region | None = None
        self._everywhere: Any = None  # signals of the whole movie, once they are known
        self.strip = FrameStrip(viewer)
        self.strip.dragged.connect(self._on_dragged)
        self.region = combo(
            {
                _ALL: "All of each frame",
                _IN_VIEW: "What is in view now",
                _DRAWN: "The rectangle drawn",
            },
            "Part of the frames to learn from: what the canvas shows at this moment, or the rectangle that "
            "is selected, or was drawn last, in a Shapes layer. Choose it again after a change.",
        )
        self.region.activated.connect(self._on_region_chosen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.strip)
        layout.addWidget(self.region)
        self._looking = LatestOnly(self)
        self._looking.answered.connect(self._on_looked)
        self._looking.failed.connect(self.failed.emit)

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments of :class:`blinkspot.denoising.TrainingSettings`; none where all is learned from."""
        settings: dict[str, Any] = {}
        if self._range is not None:
            settings["first_frame"], settings["last_frame"] = self._range
        if self._region is not None:
            settings["region_px"] = self._region
        return settings

    def show_layer(self, layer: Image | None) -> None:
        """Be about this movie, all of it."""
        self._layer = layer
        self._range = self._everywhere = None
        self._looking.forget()
        self.strip.clear()
        self._set_region(None, _ALL)
        self._look()

    def look_anew(self) -> None:
        """Look at frames that have come in place of those before; what is chosen of them stays."""
        self._everywhere = None
        self._looking.forget()
        self._look()

    def restore(self, settings: dict[str, Any]) -> None:
        """Choose what :attr:`settings` gave for this movie; what does not lie in it is left out."""
        if self._layer is None:
            return
        n_frames, height, width = self._layer.data.shape
        first, last = settings.get("first_frame"), settings.get("last_frame")
        if isinstance(first, int) and isinstance(last, int) and 0 <= first <= last < n_frames:
            self._on_dragged(first, last)
        region = settings.get("region_px")
        if (
            isinstance(region, list | tuple)
            and len(region) == 4
            and all(type(each) is int for each in region)
        ):
            top, left, rows, columns = region
            inside = min(top, left) >= 0 and top + rows <= height and left + columns <= width
            if inside and min(rows, columns) >= SMALLEST_SIDE_PX:
                self._set_region((top, left, rows, columns), _DRAWN)
                self.look_anew()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look at the frames now; the part may have been chosen anew while this was not seen."""
        super().showEvent(event)
        self._look()

    def _look(self) -> None:
        if self._layer is None or not self.isVisible():
            return
        try:
            movie = stack_of(self._layer)
        except BlinkspotError:  # said where it is chosen
            return
        self._looking.ask_job(partial(training_steps.signals, movie, self.settings, self._everywhere))

    def _on_looked(self, found: tuple[Any, Any]) -> None:
        self._everywhere, chosen = found
        if self._layer is not None:
            n_frames = self._layer.data.shape[0]
            self.strip.show_signals(self._everywhere, chosen, n_frames, self._range or (0, n_frames - 1))

    def _on_dragged(self, first: int, last: int) -> None:
        assert self._layer is not None  # what is dragged is shown
        everything = (0, self._layer.data.shape[0] - 1)
        last = max(last, min(everything[1], first + training_steps.FEWEST_FRAMES - 1))
        first = max(0, min(first, last - training_steps.FEWEST_FRAMES + 1))
        self._range = None if (first, last) == everything else (first, last)
        self._look()

    def _on_region_chosen(self, index: int) -> None:
        way, region = self.region.currentData(), None
        try:
            if way != _ALL and self._layer is not None:
                in_view = way == _IN_VIEW
                region = region_in_view(self._layer) if in_view else region_drawn(self._viewer, self._layer)
        except BlinkspotError as error:
            self._set_region(None, _ALL)
            self.said.emit(str(error))
        else:
            self._set_region(region, way)
        self.look_anew()

    def _set_region(self, region: Region | None, way: str) -> None:
        self._region = region
        self.region.setItemText(self.region.findData(_IN_VIEW), "What is in view now")
        self.region.setItemText(self.region.findData(_DRAWN), "The rectangle drawn")
        self.region.setCurrentIndex(self.region.findData(way))
        if region is not None:
            top, left, height, width = region
            where = f"Rows {top} to {top + height - 1}, columns {left} to {left + width - 1}"
            self.region.setItemText(self.region.currentIndex(), where)
