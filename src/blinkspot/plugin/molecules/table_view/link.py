"""Between the table and the picture: a row shows its molecule, a click on a molecule selects its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.layers import Points
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QMainWindow

from blinkspot.plugin.layers.movies import ROLE
from blinkspot.plugin.layers.table_shown import places_px
from blinkspot.plugin.layers.world import data_at, units_in_world, world_of
from blinkspot.plugin.molecules.layers import Work, frame_at
from blinkspot.plugin.molecules.molecules_steps import Left
from blinkspot.plugin.molecules.table_view.canvas_clicks import CanvasClicks
from blinkspot.plugin.molecules.table_view.fitted_window import FittedWindow, window_px
from blinkspot.plugin.molecules.table_view.nearest import nearest_row
from blinkspot.plugin.molecules.table_view.panel import TablePanel

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization import LocalizationTable

# How far from a molecule, on the screen, a click may be.
_NEAR_SCREEN_PX = 8.0


class TableLink(QObject):
    """Shows what is left of a table of the viewer in a panel, and keeps the two together.

    Attributes
    ----------
    panel : TablePanel or None
        While it is open.
    """

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._of: tuple[Points, Work, Left] | None = None
        self._marked: tuple[LocalizationTable, int] | None = None
        self.panel: TablePanel | None = None
        self.window = FittedWindow(viewer)
        self._clicks = CanvasClicks(viewer)
        self._clicks.clicked.connect(self._on_clicked)

    def open(self) -> None:
        """Open the panel below the picture; one that was hidden appears again."""
        if self.panel is not None:
            dock = self.panel.parentWidget()
            if dock is not None:
                dock.show()
                dock.raise_()
            return
        self.panel = TablePanel()
        self.panel.row_chosen.connect(self._on_row_chosen)
        self.panel.closed.connect(self.close)
        self._viewer.window.add_dock_widget(
            self.panel, name="Table of molecules", area="bottom", add_vertical_stretch=False
        )
        window = self.panel.window()
        if isinstance(window, QMainWindow):
            # The docks at the right keep their height, which a small screen does not leave them otherwise.
            window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        self.panel.show_left(None if self._of is None else self._of[2])
        self._clicks.begin()

    def close(self) -> None:
        """Close the panel, and take the square away."""
        self._clicks.end()
        self._marked = None
        self.window.remove()
        panel, self.panel = self.panel, None
        if panel is not None and isalive(panel) and panel.parent() is not None:  # type: ignore[no-untyped-call]
            self._viewer.window.remove_dock_widget(panel)
            panel.deleteLater()

    def show(self, layer: Points, work: Work, left: Left) -> None:
        """Show what is left of the table of a layer; a molecule that is not among it loses its square."""
        self._of = (layer, work, left)
        if self._marked is not None and not left.has(*self._marked):
            self._marked = None
            self.window.remove()
        if self.panel is not None:
            self.panel.show_left(left)

    def clear(self) -> None:
        """Show no table, and keep none."""
        self._of = self._marked = None
        if self.panel is not None:
            self.panel.show_left(None)
            self.window.remove()

    def _on_row_chosen(self, table: LocalizationTable, row: int) -> None:
        self._go_to(table, row, centre=True)

    def _on_clicked(self, position: tuple[float, ...]) -> None:
        if self._of is None or self.panel is None or self._of[0] not in self._viewer.layers:
            return
        layer, work, left = self._of
        _, y, x = data_at(self._viewer, layer, position)
        pixel_nm = work.opened.pixel_size_nm
        place_nm = (float(y) + 0.5) * pixel_nm, (float(x) + 0.5) * pixel_nm
        pixel_in_world = abs(float(layer.scale[-1])) * units_in_world(self._viewer, layer)[-1]
        within_nm = _NEAR_SCREEN_PX / self._viewer.scene.camera.zoom / pixel_in_world * pixel_nm
        frame, row = frame_at(self._viewer, layer), None
        if layer.visible or (work.points is not None and work.points.visible):
            row = nearest_row(left.table, left.rows, place_nm, within_nm, frame)
        if row is None and self._shows_picture():
            row = nearest_row(left.table, left.rows, place_nm, within_nm)
        if row is not None:
            self.panel.choose(left.table, row)
            self._go_to(left.table, row, centre=False)

    def _shows_picture(self) -> bool:
        """Whether a super-resolved picture is seen, in which molecules of all frames are."""
        return any(layer.visible and layer.metadata.get(ROLE) == "picture" for layer in self._viewer.layers)

    def _go_to(self, table: LocalizationTable, row: int, centre: bool) -> None:
        """Show the frame of a molecule with its fitted window, and have it in the middle if so wished."""
        if self._of is None or self._of[0] not in self._viewer.layers:
            return
        layer, work, _ = self._of
        (place,) = places_px(table, work.opened.pixel_size_nm, np.array([row]))
        self._marked = (table, row)
        self.window.show(layer, place, window_px(table.provenance))
        world, dims = world_of(self._viewer, layer, place), self._viewer.dims
        first = dims.ndim - len(world)
        for axis in dims.not_displayed:
            if axis >= first:
                dims.set_point(axis, world[axis - first])
        if centre:
            shown = [float(world[axis - first]) for axis in dims.displayed[-2:]]
            self._viewer.scene.camera.center = (self._viewer.scene.camera.center[0], *shown)
