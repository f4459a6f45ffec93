"""The buttons that compare a noisy movie with its denoised version, and go back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image, Layer
from qtpy.QtGui import QAction  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.comparing.flip_button import FLIP_KEY
from blinkspot.plugin.comparing.view import CURTAIN, FLIP, SIDE_BY_SIDE, WAYS
from blinkspot.plugin.jobs.notify import tell, tell_error
from blinkspot.plugin.widgets.following import follow

if TYPE_CHECKING:
    from blinkspot.plugin.session import Session

_TIPS = {
    SIDE_BY_SIDE: "Show noisy and denoised side by side, moving and zooming together.",
    CURTAIN: "Show noisy left and denoised right of a line that you drag over the picture.",
    FLIP: f"Show one of the two, and the other one at the press of a key ({FLIP_KEY}) or of the button above "
    "the picture.",
}
_MORE_WIDTH_PX = 24


class CompareControl(QWidget):
    """A button that compares in the way chosen last, and one with a menu of all ways.

    Parameters
    ----------
    session : Session
        With what compares in its viewer.
    movie : callable
        Returns the dock's movie, None where there is none.
    pair : callable
        Returns the two layers to compare, None where there are none yet.

    Attributes
    ----------
    button : QPushButton
        Enters and leaves.
    more_button : QPushButton
        Opens the menu.
    actions_by_name : dict
        The menu's actions.
    """

    def __init__(
        self,
        session: Session,
        movie: Callable[[], Layer | None],
        pair: Callable[[], tuple[Layer, Layer] | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._comparison, self._pair = session, session.comparison, pair
        self._movie = movie
        self.button = QPushButton()
        self.button.setCheckable(True)
        self.button.clicked.connect(self._on_clicked)
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.actions_by_name: dict[str, QAction] = {}
        self._build_menu()
        self.more_button = QPushButton("▾")
        self.more_button.setFixedWidth(_MORE_WIDTH_PX)
        self.more_button.setAccessibleName("More ways to compare")
        self.more_button.setToolTip(
            "More ways to compare noisy and denoised: curtain, flip, difference, profile..."
        )
        self.more_button.clicked.connect(self._open_menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self.button, stretch=1)
        layout.addWidget(self.more_button)
        follow(self, self._comparison.changed, self._on_changed)
        self._on_changed(self._comparison.active)

    def _build_menu(self) -> None:
        for way in WAYS:
            action = self._add(way, _TIPS[way], partial(self._choose_way, way))
            action.setCheckable(True)
        self.menu.addSeparator()
        pixelwise = self._session.pixelwise
        self._add(
            "Difference",
            "Add a layer of denoised minus noisy, in ADU: red where denoising has added, blue where it has "
            "taken away.",
            lambda: self._with_images(pixelwise.show_difference, "Computing the difference"),
        )
        self._add(
            "Residual",
            "Add a layer of what is left over of each pixel, in standard deviations of its noise. Where the "
            "model is right it is noise without a pattern, of size 1; a spot in it was lost or made up.",
            lambda: self._with_images(pixelwise.show_residual, "Computing the residual"),
        )

        self._add(
            "Line profile",
            "Lay a line across the brightest molecule in view, and plot both movies along it. Drag its ends.",
            lambda: self._with_images(self._session.profile.show, "Measuring along a line", alone=True),
        )
        self.menu.addSeparator()
        action = self._add(
            "Scale bar",
            "Show a scale bar in µm. Layers measured in pixels are measured in µm from then on, by the pixel "
            "size of the movie.",
            self._toggle_scale_bar,
        )
        action.setCheckable(True)

    def _add(self, name: str, tip: str, chosen: Callable[[], None]) -> QAction:
        action = QAction(name, self.menu)
        action.setToolTip(tip)
        action.triggered.connect(lambda: chosen())
        self.menu.addAction(action)
        self.actions_by_name[name] = action
        return action

    def _open_menu(self) -> None:
        self.actions_by_name["Scale bar"].setChecked(self._session.scale_bar.is_shown)
        # Not by the button itself, which would wait here until the menu is closed.
        self.menu.popup(self.more_button.mapToGlobal(self.more_button.rect().bottomLeft()))

    def _on_clicked(self, checked: bool) -> None:
        if checked:
            self._show(self._comparison.way)
        else:
            self._comparison.restore()

    def _choose_way(self, way: str) -> None:
        if self._comparison.active and self._comparison.way == way:
            self._comparison.restore()
        else:
            self._show(way)

    def _show(self, way: str) -> None:
        try:
            pair = self._pair()
            if pair is None:
                tell("There is no denoised movie to compare this one with yet: train and denoise first.")
            else:
                self._comparison.show(*pair, way)
        except BlinkspotError as error:
            tell_error(error, "Comparing")
        self._on_changed(self._comparison.active)

    def _toggle_scale_bar(self) -> None:
        scale_bar = self._session.scale_bar
        if scale_bar.is_shown:
            scale_bar.hide()
            return
        movie = self._movie()
        if movie is None:
            tell("There is no movie yet: open one, or drag it into the window.")
            return
        try:
            scale_bar.show(movie)
        except BlinkspotError as error:
            tell_error(error, "Showing the scale bar")

    def _with_images(self, show: Callable[[Image, Image], None], doing: str, alone: bool = False) -> None:
        pair = self._pair()
        if pair is None:
            tell("There is no denoised movie to compare this one with yet: train and denoise first.")
            return
        if self._comparison.active and (self._comparison.way == SIDE_BY_SIDE) == alone:
            # A new picture would hide the two; a line would get a cell of its own beside them.
            self._comparison.restore()
        try:
            show(*pair)
        except BlinkspotError as error:
            tell_error(error, doing)

    def _on_changed(self, active: object) -> None:
        way = self._comparison.way
        self.button.setChecked(bool(active))
        self.button.setText(way)
        self.button.setToolTip(f"{_TIPS[way]} Press again to go back.")
        for name in WAYS:
            self.actions_by_name[name].setChecked(bool(active) and name == way)
