"""The button that sets noisy and denoised side by side, and back."""

from __future__ import annotations

from collections.abc import Callable

from napari.layers import Layer
from qtpy.QtWidgets import QPushButton, QWidget

from blinkspot.plugin.comparison_view import ComparisonView
from blinkspot.plugin.layer_choice import follow
from blinkspot.plugin.notify import tell


class SideBySideButton(QPushButton):
    """Toggles the side-by-side view.

    Parameters
    ----------
    comparison : ComparisonView
        The view to enter and leave.
    pair : callable
        Returns the two layers to show, None where there are none yet.
    """

    def __init__(
        self,
        comparison: ComparisonView,
        pair: Callable[[], tuple[Layer, Layer] | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Side by side", parent)
        self.setCheckable(True)
        self.setChecked(comparison.active)
        self.setToolTip(
            "Show noisy and denoised side by side, moving and zooming together. Press again to go back."
        )
        self._comparison = comparison
        self._pair = pair
        self.clicked.connect(self._on_clicked)
        follow(self, comparison.changed, self._on_changed)

    def _on_clicked(self, checked: bool) -> None:
        if not checked:
            self._comparison.restore()
            return
        pair = self._pair()
        if pair is None:
            self.setChecked(False)
            tell("There is no denoised movie to set beside this one yet: train and denoise first.")
            return
        self._comparison.show(*pair)

    def _on_changed(self, active: object) -> None:
        self.setChecked(bool(active))
