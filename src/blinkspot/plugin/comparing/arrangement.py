"""What the ways to show two layers have in common."""

from __future__ import annotations

from typing import Protocol

from napari.layers import Layer

Pair = tuple[Layer, Layer]

_NAME_POINTS = 8.0


class Arrangement(Protocol):
    """A way to show two layers, noisy and denoised, in one viewer.

    Attributes
    ----------
    in_grid : bool
        Whether it uses napari's grid, in which every layer takes a cell.
    """

    in_grid: bool

    def enter(self, pair: Pair, overlays: Pair | None) -> None:
        """Show the two, and a layer that lies over each of them; again where the overlays are others.

        The two are visible, layers that would hide them are not, and the grid is off.

        Raises
        ------
        BlinkspotError
            If that cannot be done here.
        """

    def leave(self) -> None:
        """Undo what is not undone by restoring the viewer's state."""


def name_layer(layer: Layer, position: str = "top_left") -> None:
    """Write a layer's name over it."""
    overlay = layer.name_overlay
    overlay.font_size, overlay.position, overlay.visible = _NAME_POINTS, position, True
