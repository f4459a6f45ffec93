"""A line across a molecule, and the light of both movies along it."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

from blinkspot.errors import BlinkspotError
from blinkspot.movies.line_profile import Line
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.comparing import profile_steps
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.comparing.pair_of_layers import movie_behind
from blinkspot.plugin.comparing.pixel_size import pixel_size_nm
from blinkspot.plugin.comparing.profile_line import add_line, compile_lines, line_in, move_line
from blinkspot.plugin.comparing.profile_panel import ProfilePanel
from blinkspot.plugin.comparing.profile_steps import ProfileQuestion
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell, tell_error
from blinkspot.plugin.layers.movies import frame_index, frame_shown, why_not_a_movie
from blinkspot.plugin.widgets.following import follow

_LONG_MS = 1500


class LineProfile(QObject):
    """Plots two movies along a line that the user drags, in the frame that is shown.

    Parameters
    ----------
    viewer : ViewerModel
        Which shows them.
    cameras : CameraKeeper
        The cameras of its movies.
    parent : QObject
        With which it ends.

    Attributes
    ----------
    line : Shapes or None
        The layer of the line, while there is one.
    panel : ProfilePanel or None
        The plot.
    """

    def __init__(self, viewer: ViewerModel, cameras: CameraKeeper, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = OfViewer(viewer)
        self._cameras = cameras
        self._pair: tuple[Image, Image] | None = None
        self.line: Shapes | None = None
        self.panel: ProfilePanel | None = None
        self._compiled = threading.Event()
        self._placing, self._measuring = LatestOnly(self), LatestOnly(self)
        self._placing.answered.connect(self._on_placed)
        self._measuring.answered.connect(self._on_measured)
        for question in (self._placing, self._measuring):
            question.failed.connect(lambda error: tell_error(error, "Measuring along the line"))
        follow(self, viewer.dims.events.current_step, self._measure)
        follow(self, viewer.layers.events.removed, self._on_removed)
        cameras.changed.connect(self._measure)

    def show(self, source: Image, denoised: Image) -> None:
        """Lay a line across the brightest pixel in the middle of the view, and plot both movies along it.

        Raises
        ------
        BlinkspotError
            If the noisy layer is no movie.
        """
        reason = why_not_a_movie(source)
        if reason is not None:
            raise BlinkspotError(reason)
        self.close()
        self._pair = source, denoised
        self._cameras.ensure(source)
        index = frame_index(self._viewer(), denoised)
        where = denoised if index is not None else source
        across = partial(
            profile_steps.line_across_brightest,
            movie_behind(where),
            frame_shown(self._viewer(), where),
            self._corners_in_view(where),
        )

        compiled = self._compiled = threading.Event()

        def placed() -> Line:
            compile_lines()
            compiled.set()
            return across()

        self._placing.ask(placed)
        QTimer.singleShot(_LONG_MS, self._say_why_it_takes_long)

    def _say_why_it_takes_long(self) -> None:
        # A slow disk takes long, too.
        if self._placing.busy and not self._compiled.is_set():
            tell("The line comes soon: napari compiles what it draws lines by, once per installation.")

    def close(self) -> None:
        """Take the line and the plot away."""
        self._placing.forget()
        self._measuring.forget()
        for layer in self._pair or ():
            layer.events.set_data.disconnect(self._measure)
        line, panel = self.line, self.panel
        self._pair = self.line = self.panel = None
        viewer = self._viewer()
        if line is not None and line in viewer.layers:
            viewer.layers.remove(line)
        if panel is not None and isalive(panel) and panel.parent() is not None:  # type: ignore[no-untyped-call]
            viewer.window.remove_dock_widget(panel)
            panel.deleteLater()

    def _corners_in_view(self, layer: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Return two corners of what the viewer shows of a layer, y and x in its pixels."""
        corners: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.asarray(
            layer.corner_pixels[:, -2:], float
        )
        return corners

    def _on_placed(self, line: Line) -> None:
        viewer = self._viewer()
        if self._pair is None or not all(layer in viewer.layers for layer in self._pair):
            return
        if why_not_a_movie(self._pair[0]) is not None:
            # The user has put something else into the layer since.
            self._pair = None
            return
        self.line = add_line(viewer, self._pair[0], line)
        self.panel = ProfilePanel(viewer)
        self.panel.moved.connect(self._move)
        self.panel.closed.connect(self.close)
        viewer.window.add_dock_widget(
            self.panel, name="Line profile", area="bottom", add_vertical_stretch=False
        )
        # A layer is drawn anew where its frames change, too: those of a movie that is denoised just now.
        for layer in (self.line, *self._pair):
            layer.events.set_data.connect(self._measure)
        self._measure()

    def _move(self, dy: float, dx: float, end_only: bool) -> None:
        if self.line is not None:
            move_line(self.line, (0.0, 0.0) if end_only else (dy, dx), (dy, dx))

    def _measure(self, event: object = None) -> None:
        if self.panel is None:
            return
        question = self._question()
        if question is None:
            self._measuring.forget()
            self.panel.clear()
        else:
            self._measuring.ask(partial(profile_steps.profiles, question))

    def _question(self) -> ProfileQuestion | None:
        """Return what to draw; None without a line, or where a layer holds something else by now."""
        line = None if self.line is None else line_in(self.line)
        if line is None or self._pair is None:
            return None
        source, denoised = self._pair
        record = self._cameras.record(source)
        try:
            return ProfileQuestion(
                line,
                self._frame_of(source),
                self._frame_of(denoised),
                None if record is None or record.lacks else record.camera,
                pixel_size_nm(self._cameras, source),
            )
        except BlinkspotError:
            return None

    def _frame_of(self, layer: Image) -> tuple[Stack, int] | None:
        index = frame_index(self._viewer(), layer)
        return None if index is None else (movie_behind(layer), index)

    def _on_measured(self, shown: profile_steps.Profiles) -> None:
        if self.panel is not None and isalive(self.panel):  # type: ignore[no-untyped-call]
            self.panel.show_profiles(shown)

    def _on_removed(self, event: object) -> None:
        if self._pair is None:
            return
        wanted = [*self._pair, *([self.line] if self.line is not None else [])]
        if not all(layer in self._viewer().layers for layer in wanted):
            self.close()
