"""The foot of a dock: how far the job is, how long it still takes, and the buttons that pause and stop it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from blinkspot.plugin.jobs.running import End, JobRunner, Outcome
from blinkspot.progress import Progress

_PAUSE, _GO_ON = "Pause", "Resume"


class JobBar(QWidget):
    """Shows what a :class:`JobRunner` does.

    Parameters
    ----------
    runner : JobRunner
        The runner to show, to pause and to stop.
    stop_text, stop_tip : str
        Text and tooltip of the button that stops the job.
    pause_tip : str, optional
        Tooltip of the button that pauses the job; without it there is none.
    """

    def __init__(
        self,
        runner: JobRunner,
        stop_text: str,
        stop_tip: str,
        pause_tip: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._note = self._hint = self._how_far = ""
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.status.setObjectName("status")
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.stop_button = QPushButton(stop_text)
        self.stop_button.setToolTip(stop_tip)
        self.stop_button.clicked.connect(self._stop)
        self.pause_button = QPushButton(_PAUSE)
        self.pause_button.setToolTip(pause_tip)
        self.pause_button.clicked.connect(self._pause_or_go_on)
        self._can_pause = bool(pause_tip)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.bar, stretch=1)
        row.addWidget(self.pause_button)
        row.addWidget(self.stop_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 4)
        layout.addLayout(row)
        layout.addWidget(self.status)
        self._show_running(False)
        runner.started.connect(self._on_started)
        runner.progressed.connect(self._on_progressed)
        runner.pause_changed.connect(self._on_pause_changed)
        runner.ended.connect(self._on_ended)

    def say(self, text: str) -> None:
        """Show a line of text."""
        self.status.setText(text)

    def hint(self, text: str) -> None:
        """Say what is missing before a job can start; an empty text takes back no more than the last hint."""
        if self._runner.busy:
            return
        if text or self.status.text() == self._hint:
            self.say(text)
        self._hint = text

    def note(self, text: str) -> None:
        """Have a sentence stand behind the progress of the job that runs; an empty one takes it back."""
        self._note = text

    def _show_running(self, running: bool) -> None:
        self.bar.setVisible(running)
        self.stop_button.setVisible(running)
        self.stop_button.setEnabled(running)
        self.pause_button.setVisible(running and self._can_pause)
        self.pause_button.setEnabled(running)

    def _stop(self) -> None:
        self.stop_button.setEnabled(False)
        self.pause_button.setEnabled(False)
        self.say("Stopping...")
        self._runner.stop()

    def _pause_or_go_on(self) -> None:
        if self._runner.paused:
            self._runner.go_on()
        else:
            self._runner.pause()

    def _on_pause_changed(self, paused: bool) -> None:
        self.pause_button.setText(_GO_ON if paused else _PAUSE)
        if self.stop_button.isEnabled():
            self.say(f"Paused. {self._how_far}".rstrip() if paused else self._how_far)

    def _on_started(self, title: str) -> None:
        self.bar.setRange(0, 0)
        self._note = self._how_far = ""
        self._show_running(True)
        self.say(f"{title}...")

    def _on_progressed(self, value: Any) -> None:
        if not isinstance(value, Progress) or not self.stop_button.isEnabled():
            return
        self._show(value)
        self.say(f"Paused. {self._how_far}" if self._runner.paused else self._how_far)

    def _show(self, value: Progress) -> None:
        step = value.step[:1].upper() + value.step[1:]
        if value.done <= 0:
            self.bar.setRange(0, 0)
            self._how_far = f"{step}... {self._note}".rstrip()
            return
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * value.fraction))
        how_far = f"{step}: {value.fraction:.0%}{time_left(value)}"
        self._how_far = f"{how_far}. {self._note}" if self._note else how_far

    def _on_ended(self, outcome: Outcome) -> None:
        self._show_running(False)
        if outcome.end is End.FAILED:
            self.say(outcome.message)
        elif outcome.end is End.STOPPED:
            self.say("Stopped.")
        else:
            self.say("Done.")


def time_left(progress: Progress) -> str:
    """Say how long a job still takes, as it stands after a percentage; empty while that is unknown."""
    if progress.remaining_s is None:
        return ""
    minutes, seconds = divmod(round(progress.remaining_s), 60)
    if minutes == 0:
        return f", {seconds} s left"
    if minutes < 60:
        return f", {minutes} min {seconds:02d} s left"
    hours, minutes = divmod(minutes, 60)
    return f", {hours} h {minutes:02d} min left"
