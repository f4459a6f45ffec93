"""What a movie is, in a line: frames, size, pixel type, pixel size, axes."""

from __future__ import annotations

from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.camera.warning import COLOUR
from blinkspot.plugin.docks.outlook_line import OutlookLine
from blinkspot.plugin.layers.movies import STACK, stack_of
from blinkspot.plugin.widgets.forms import row

_TIME_LABELS = ("t", "time")
# Key of a layer's metadata: the user has said that the first axis is time.
_CONFIRMED = "blinkspot_first_axis_is_time"


class MovieLine(QWidget):
    """Says what the movie shown is, and on demand whether denoising will help.

    Parameters
    ----------
    keeper : CameraKeeper
        Keeps the cameras of the viewer's movies.
    """

    def __init__(self, keeper: CameraKeeper, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keeper = keeper
        self._layer: Layer | None = None
        self.facts = QLabel()
        # Takes a second line in a narrow dock, and gives way: the tooltip has all of it.
        self.facts.setWordWrap(True)
        self.facts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.facts.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.facts.linkActivated.connect(self._confirm_time)
        self.outlook = OutlookLine(keeper)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row(self.facts, self.outlook.button))
        layout.addWidget(self.outlook)
        keeper.changed.connect(self._on_camera_changed)
        self.show_layer(None)

    def show_layer(self, layer: Layer | None) -> None:
        """Be about this movie; None where there is none that can be used."""
        self._layer = layer
        self.outlook.show_layer(layer)
        self.setVisible(layer is not None)
        self._refresh()

    def _on_camera_changed(self, layer: Layer) -> None:
        if layer is self._layer:
            self._refresh()

    def _confirm_time(self, _: str) -> None:
        if self._layer is not None:
            self._layer.metadata[_CONFIRMED] = True
        self._refresh()

    def _refresh(self) -> None:
        try:
            movie = None if self._layer is None else stack_of(self._layer)
        except BlinkspotError:
            movie = None
        if movie is None or self._layer is None:
            self.facts.clear()
            return
        record = self._keeper.record(self._layer)
        knows_pixel = record is not None and "pixel_size_nm" not in record.unknown
        pixel = f"{record.camera.pixel_size_nm:.4g} nm" if record is not None and knows_pixel else "? nm"
        guessed = axes_are_guessed(self._layer)
        mark = f" <a href='time' style='color: {COLOUR}'>(time?)</a>" if guessed else ""
        self.facts.setText(
            f"{movie.n_frames} frames{mark}, {movie.height}×{movie.width}, {movie.dtype}, {pixel}"
        )
        self.facts.setToolTip("\n".join(_details(movie, knows_pixel, pixel, guessed)))


def axes_are_guessed(layer: Layer) -> bool:
    """Whether no one says that the first axis is time: the movie's file, its layer, the user."""
    if layer.metadata.get(_CONFIRMED):
        return False
    stack = layer.metadata.get(STACK)
    if isinstance(stack, Stack):
        return stack.axes_guessed
    return str(layer.axis_labels[0]).lower() not in _TIME_LABELS


def _details(movie: Stack, knows_pixel: bool, pixel: str, guessed: bool) -> list[str]:
    megabytes = movie.n_frames * movie.height * movie.width * movie.dtype.itemsize / 1e6
    lines = [
        f"Axes: time ({movie.n_frames}), y ({movie.height}), x ({movie.width}).",
        f"Pixels: {movie.dtype}, {megabytes:,.0f} MB in all, read as they are needed.",
        f"Pixel size: {pixel}." if knows_pixel else "Pixel size: not known; type it below.",
    ]
    if movie.path is not None:
        lines.append(f"File: {movie.path}.")
    if guessed:
        lines.append(
            "Nothing says that the first axis is time. Its planes are taken for frames, one after another: "
            "if they are heights or channels, this is no movie to denoise. Click on (time?) to confirm."
        )
    return lines
