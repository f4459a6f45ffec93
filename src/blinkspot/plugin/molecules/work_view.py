"""Keeps what is seen of a table up to date: how many molecules are left, where they are, their picture."""

from __future__ import annotations

from functools import partial

from napari.components import ViewerModel
from napari.layers import Points as PointsLayer
from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.running import MakeJob
from blinkspot.plugin.layers.table_shown import PictureChoice
from blinkspot.plugin.molecules import molecules_steps
from blinkspot.plugin.molecules.layers import Work, frame_at, show_left
from blinkspot.plugin.widgets.following import follow

_DEBOUNCE_MS = 150


class WorkView(QObject):
    """Shows what a condition leaves of the table of a layer, as both change.

    Parameters
    ----------
    viewer : ViewerModel
        Where it is shown.

    Signals
    -------
    counted : Left
        The molecules that are left.
    refused : str
        What is wrong with the condition.
    failed : (object, str)
        An exception, and what was being done: a defect.
    """

    counted = Signal(object)
    refused = Signal(str)
    failed = Signal(object, str)

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._of: tuple[PointsLayer, Work, str] | None = None
        self._debounce = QTimer(self)
        self._debounce.setSingleShot(True)
        self._debounce.setInterval(_DEBOUNCE_MS)
        self._debounce.timeout.connect(self._show)
        self._counting = LatestOnly(self)
        self._counting.answered.connect(self.counted.emit)
        self._counting.failed.connect(self._on_count_failed)
        self._showing = LatestOnly(self)
        self._showing.answered.connect(self._on_shown)
        self._showing.failed.connect(self._on_show_failed)
        follow(self, viewer.dims.events.current_step, self._on_slider)

    def forget(self) -> None:
        """Follow no table; what is shown stays."""
        self._of = None
        for latest in (self._counting, self._showing):
            latest.forget()
        self._debounce.stop()

    def show(self, layer: PointsLayer, work: Work, condition: str) -> None:
        """Count what is left of the table of a layer, and show it when nothing changes for a moment."""
        self._of = (layer, work, condition)
        self._counting.ask_job(partial(molecules_steps.left, work.opened.history.table, condition))
        self.show_soon()

    def show_soon(self) -> None:
        """Show what is left anew when nothing changes for a moment."""
        self._debounce.start()

    def job(self, choice: PictureChoice | None) -> MakeJob | None:
        """Return the job that makes what is shown; None where no table is followed.

        Parameters
        ----------
        choice : PictureChoice or None
            How a picture is drawn; None for none.
        """
        if self._of is None:
            return None
        layer, work, condition = self._of
        frame, table = frame_at(self._viewer, layer), work.opened.history.table
        return partial(molecules_steps.show, table, condition, work.opened, frame, choice)

    def _show(self) -> None:
        if self._of is None:
            return
        layer, work, condition = self._of
        table, has_picture = work.opened.history.table, work.picture in self._viewer.layers
        if layer not in self._viewer.layers or (work.is_untouched(table, condition) and not has_picture):
            # What is on its way shows a condition that was taken back.
            self._showing.forget()
            return
        choice = work.choice if has_picture and work.drawn != (table, condition) else None
        job = self.job(choice)
        assert job is not None
        self._showing.ask_job(job)

    def _on_shown(self, shown: molecules_steps.Shown) -> None:
        if self._of is not None and self._of[0] in self._viewer.layers:
            layer, work, _ = self._of
            show_left(self._viewer, layer, work, shown, anew=False)
            # Not where the same frame would be asked for again: it may be one that the table does not reach.
            if frame_at(self._viewer, layer) != shown.frame:
                self._on_slider()

    def _on_slider(self, *_: object) -> None:
        if self._of is None:
            return
        layer, work = self._of[:2]
        if work.frames is not None and not work.frames[0] <= frame_at(self._viewer, layer) <= work.frames[1]:
            self.show_soon()

    def _on_count_failed(self, error: Exception) -> None:
        if isinstance(error, BlinkspotError):
            # Typing passes through conditions that are not complete: no notification for each.
            self.refused.emit(str(error))
        else:
            self.failed.emit(error, "Filtering")

    def _on_show_failed(self, error: Exception) -> None:
        # A wrong condition is told once, by the count.
        if not isinstance(error, BlinkspotError):
            self.failed.emit(error, "Showing the molecules")
