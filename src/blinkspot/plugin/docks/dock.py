"""What the docks have in common."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QFrame, QMainWindow, QScrollArea, QStyle, QVBoxLayout, QWidget

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.docks.opener import OpenButton
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.jobs.running import JobRunner, MakeJob
from blinkspot.plugin.layers.layer_choice import LayerChoice
from blinkspot.plugin.layers.movies import why_not_a_movie
from blinkspot.plugin.session import session_of
from blinkspot.plugin.widgets.closing_watch import ClosingWatch
from blinkspot.plugin.widgets.following import follow
from blinkspot.plugin.widgets.job_bar import JobBar

_WIDTH_PX = 370


class Dock(QWidget):
    """A dock: its controls in a scroll area, and below them what it is doing.

    Attributes
    ----------
    title : str
        What its tab says.

    Parameters
    ----------
    napari_viewer : ViewerModel
        The viewer to work in.
    stop_text, stop_tip : str
        Text and tooltip of the button that stops the dock's job.
    pause_tip : str, optional
        Tooltip of the button that pauses it; without it there is none.
    """

    title: str
    # Of the class, too: PySide6 may send an event after Python has taken an object's own attributes away.
    _arranged = False

    def __init__(
        self, napari_viewer: ViewerModel, stop_text: str, stop_tip: str, pause_tip: str = ""
    ) -> None:
        super().__init__()
        # napari wraps the viewer of a plugin in a proxy, through which a layer is not the layer in its list.
        self.viewer: ViewerModel = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.session = session_of(self.viewer)
        self.runner = JobRunner(self)
        self.session.add_runner(self.runner)
        self.job_bar = JobBar(self.runner, stop_text, stop_tip, pause_tip)
        content = QWidget()
        self.controls = QVBoxLayout(content)
        self.controls.setContentsMargins(6, 4, 6, 4)
        self.controls.setSpacing(4)
        self._scroll = scroll = QScrollArea()
        scroll.setWidget(content)
        content.installEventFilter(self)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, stretch=1)
        # What is always seen, however many settings there are.
        self.footer = QVBoxLayout()
        self.footer.setContentsMargins(6, 0, 6, 0)
        layout.addLayout(self.footer)
        layout.addWidget(self.job_bar)
        self.job_layers: list[Layer] = []
        ClosingWatch(self).closed.connect(self.on_closed)
        follow(self, self.viewer.layers.events.removed, self._stop_if_layer_removed)

    def sizeHint(self) -> QSize:
        """Return a size that leaves most of a small screen to the picture."""
        return QSize(_WIDTH_PX, 600)

    def start_job(self, title: str, make_job: MakeJob, layers: list[Layer]) -> bool:
        """Start a job that makes no sense without some layers: it is stopped if one of them is removed."""
        if self.runner.busy:
            self.job_bar.say("Still busy: stop that first.")
            return False
        self.job_layers = layers
        return self.runner.start(title, make_job)

    def usable_movie(self, layer: Layer | None) -> Image:
        """Return a layer if it is a movie.

        Raises
        ------
        BlinkspotError
            With the reason why it is none.
        """
        if layer is None:
            raise BlinkspotError("There is no movie yet: open one, or drag it into the window.")
        reason = why_not_a_movie(layer)
        if reason is not None:
            raise BlinkspotError(reason)
        return layer

    def complain(self, error: BaseException, doing: str) -> None:
        """Tell the user, in a notification and in the dock, why something did not work."""
        self.job_bar.say(tell_error(error, doing))

    def make_open_button(self, choice: LayerChoice) -> OpenButton:
        """Make a button that opens a movie and chooses it."""
        button = OpenButton(self.viewer)
        button.opened.connect(choice.choose)
        return button

    def denoised_pair(self, source: Layer | None) -> tuple[Layer, Layer] | None:
        """Return a movie and its newest denoised version, None where there is none."""
        denoised = self.session.denoised_of(source, self.viewer.layers)
        return None if source is None or denoised is None else (source, denoised)

    def in_viewer(self, layer: Layer | None) -> bool:
        """Whether a layer is (still) in the viewer."""
        return layer is not None and layer in self.viewer.layers

    def _stop_if_layer_removed(self, event: object) -> None:
        if self.runner.busy and not all(self.in_viewer(layer) for layer in self.job_layers):
            self.runner.stop()

    def on_closed(self) -> None:
        """Stop the job, and take away what is no use without the dock, which was closed for good.

        The dock itself goes with it: under PySide6, what its signals are connected to would keep it for ever.
        """
        self.runner.stop()
        if self.runner.busy:
            self.runner.ended.connect(self.deleteLater)
        else:
            self.deleteLater()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the controls, which need more room where some of them appear."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest and self._arranged:
            self._leave_room()
        return bool(super().eventFilter(watched, event))

    def _leave_room(self) -> None:
        """Be as wide as the controls and their scroll bar, which else would cover what is at the right."""
        scroll = self._scroll
        bar, content, style = scroll.verticalScrollBar(), scroll.widget(), scroll.style()
        if bar is None or content is None or style is None:
            return
        gap = style.pixelMetric(QStyle.PixelMetric.PM_ScrollView_ScrollBarSpacing, None, scroll)
        beside = bar.sizeHint().width() + gap + 2 * scroll.frameWidth()
        scroll.setMinimumWidth(content.minimumSizeHint().width() + beside)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Join the other docks of ours, as tabs, when shown first: a small screen has no room for all."""
        super().showEvent(event)
        if self._arranged:
            return
        self._arranged = True
        self._leave_room()
        self.session.dock_shown(self)
        panel, window = self.parent(), self.window()
        if not isinstance(panel, QDockWidget) or not isinstance(window, QMainWindow):
            return
        # The tab's text: with the plugin's name behind it, as in the panel's title, it would be cut off.
        panel.setWindowTitle(self.title)
        if window.tabifiedDockWidgets(panel) or panel.isFloating():
            return
        area = window.dockWidgetArea(panel)
        for other in window.findChildren(QDockWidget):
            if (
                other is not panel
                and isinstance(other.widget(), Dock)
                and window.dockWidgetArea(other) == area
                and not other.isFloating()
            ):
                window.tabifyDockWidget(other, panel)
                panel.raise_()
                return
