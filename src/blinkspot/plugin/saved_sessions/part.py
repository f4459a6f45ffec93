"""Saving all that is in the window, opening it again, and copying the command lines that repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from blinkspot.plugin.docks.dock import Dock
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import warn
from blinkspot.plugin.jobs.running import End, MakeJob, Outcome
from blinkspot.plugin.saved_sessions import session_steps
from blinkspot.plugin.saved_sessions.contents import bytes_in_memory, contents_of
from blinkspot.plugin.saved_sessions.restoring import put_back
from blinkspot.plugin.widgets import file_dialogs
from blinkspot.plugin.widgets.following import follow
from blinkspot.plugin.widgets.forms import row

_SESSIONS = "Sessions (session.json)"
_MOVIES = "Movies (*.tif *.tiff *.btf *.tf8);;All files (*)"
_WITH_MOVIES = "With movies that are in no file"


class SessionPart(QWidget):
    """The part of a dock that saves and opens sessions, by that dock's jobs.

    Parameters
    ----------
    dock : Dock
        Whose job bar says how it goes.
    movie : callable
        Returns the layer of the movie that is chosen there, or None.
    """

    def __init__(self, dock: Dock, movie: Callable[[], Any]) -> None:
        super().__init__(dock)
        self._dock = dock
        self._movie = movie
        self._when_done: Callable[[Any], None] | None = None
        self._next: Callable[[], None] | None = None
        self._putting: Generator[None, None, None] | None = None  # layers of a session that is being opened
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._go_on)
        self.save_button = QPushButton("Save session...")
        self.save_button.setToolTip(
            "Write a new folder with all that is in this window: settings, cameras, models and tables, where "
            "the movies lie, and the command lines that repeat it."
        )
        self.save_button.clicked.connect(self.ask_save)
        self.open_button = QPushButton("Open session...")
        self.open_button.setToolTip("Add what a session holds to this window. Nothing in it is run.")
        self.open_button.clicked.connect(self.ask_open)
        self.copy_button = QPushButton("Copy command lines")
        self.copy_button.setToolTip(
            "Copy the lines of 'blinkspot ...' that repeat, in a shell, what was done with this movie: "
            "training, denoising, localization, steps, picture and report. What no command repeats is said."
        )
        self.copy_button.clicked.connect(lambda: self.copy())
        self.with_movies = QCheckBox(_WITH_MOVIES)
        self.with_movies.setToolTip(
            "Write movies that are only in memory into the session, too, as TIFF: typically some 100 MB. "
            "Movies that have a file are never copied: the session says where they lie."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row(self.save_button, self.open_button, stretch_all=True))
        layout.addWidget(self.with_movies)
        layout.addWidget(self.copy_button)
        self._copying = LatestOnly(self)
        self._copying.answered.connect(self._on_lines)
        self._copying.failed.connect(lambda error: dock.complain(error, "Copying the command lines"))
        dock.runner.started.connect(self.refresh)
        dock.runner.ended.connect(self._on_ended)
        for emitter in (dock.viewer.layers.events.inserted, dock.viewer.layers.events.removed):
            follow(self, emitter, self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Say how large the movies are that are in no file, and what can be pressed."""
        size = bytes_in_memory(self._dock.viewer)
        self.with_movies.setText(f"{_WITH_MOVIES} ({_megabytes(size)})" if size else _WITH_MOVIES)
        self.with_movies.setEnabled(size > 0)
        for button in (self.save_button, self.open_button):
            button.setEnabled(not self._dock.runner.busy and self._putting is None)

    # -- saving

    def ask_save(self) -> None:
        """Ask for a new folder, and save the session there."""
        layer = self._movie()
        name = "session" if layer is None else f"{layer.name} session"
        folder = file_dialogs.ask_new_folder(self, "Save the session into a new folder", name)
        if folder is not None:
            self.save(folder)

    def save(self, folder: Path) -> None:
        """Save the session into a new folder, in another thread."""
        contents = contents_of(self._dock.viewer, self._dock.session)
        with_movies = self.with_movies.isEnabled() and self.with_movies.isChecked()
        job = partial(session_steps.save, contents, folder, with_movies)

        def on_saved(saved: session_steps.Saved) -> None:
            for model in contents.models.values():
                self._dock.session.model_saved.emit(model)
            left_out = [] if with_movies else list(contents.in_memory)
            without = f" Without {', '.join(map(repr, left_out))}, in memory only." if left_out else ""
            remarks = "".join(f" {remark}" for remark in saved.remarks)
            if remarks:
                warn(remarks.strip())
            self._dock.job_bar.say(f"The session is saved in {saved.folder}.{without}{remarks}")

        self._start("Saving the session", job, on_saved)

    # -- opening

    def ask_open(self) -> None:
        """Ask for a session, and open it."""
        path = file_dialogs.ask_open(self, "Open a session", _SESSIONS)
        if path is not None:
            self.open(path)

    def open(self, path: Path) -> None:
        """Open a session, in another thread."""
        job = partial(session_steps.locate, path, {})
        self._start("Opening the session", job, partial(self._on_located, path))

    def _on_located(self, path: Path, located: session_steps.Located) -> None:
        movies = {movie.name: movie for movie in located.record.movies}
        moved: dict[str, Path] = {}
        for name, reason in located.missing.items():
            title = f"Where is {name} ({movies[name].path}) now?{f' {reason}.' if reason else ''}"
            if Path(str(movies[name].path)).suffix.lower() in ("", ".zarr"):
                found = file_dialogs.ask_open_folder(self, title)
            else:
                found = file_dialogs.ask_open(self, title, _MOVIES)
            if found is not None:
                moved[name] = found
        if moved:
            job = partial(session_steps.locate, path, moved)
            self._start("Opening the session", job, self._restore)
        else:
            self._restore(located)

    def _restore(self, located: session_steps.Located) -> None:
        steps = self._dock.viewer.dims.current_step
        job = partial(session_steps.restore, located, int(steps[0]) if len(steps) > 2 else 0)
        self._start("Opening the session", job, self._on_restored)

    def _on_restored(self, restored: session_steps.Restored) -> None:
        self._putting = put_back(self._dock.viewer, self._dock.session, restored)
        self.refresh()
        self._put_next(restored)

    def _put_next(self, restored: session_steps.Restored) -> None:
        """Add one layer, and the next once the window has done what else it has to do."""
        assert self._putting is not None
        try:
            next(self._putting)
        except StopIteration:
            self._putting = None
            self._say_opened(restored)
        except Exception as error:
            self._putting = None
            self._dock.complain(error, "Opening the session")
        else:
            self._next = partial(self._put_next, restored)
            self._later.start()
        self.refresh()

    def _say_opened(self, restored: session_steps.Restored) -> None:
        counts = {
            "movie": len(restored.movies) + len(restored.denoised) + len(restored.anew),
            "model": len(restored.models),
            "table": len(restored.tables),
        }
        listed = ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in counts.items())
        remarks = "".join(f" {remark}" for remark in restored.remarks)
        if restored.remarks:
            warn(remarks.strip())
        if restored.anew:
            names = ", ".join(repr(entry.name) for entry, *_ in restored.anew)
            remarks += f" Denoised as you look, for it was in memory only: {names}."
        self._dock.job_bar.say(f"Opened: {listed}.{remarks}")

    # -- command lines

    def copy(self, of_all: bool = False) -> None:
        """Put the command lines onto the clipboard: of the movie chosen, or of all."""
        layer = self._movie()
        movie = None if of_all or layer is None else str(layer.name)
        contents = contents_of(self._dock.viewer, self._dock.session)
        self._copying.ask(partial(session_steps.lines_of, contents, movie))

    def _on_lines(self, lines: list[str]) -> None:
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None  # there is a window
        clipboard.setText("\n".join(lines) + "\n")
        commands = [shlex.split(line)[1] for line in lines if not line.startswith("#")]
        listed = ", ".join(commands) if commands else "none, for nothing was done yet"
        self._dock.job_bar.say(f"Copied to the clipboard: {listed}.")

    # -- jobs

    def _start(self, title: str, job: MakeJob, when_done: Callable[[Any], None]) -> None:
        if self._putting is not None:
            # The menu's commands can be chosen while the buttons cannot be pressed.
            self._dock.job_bar.say("Still opening a session: wait until all of it is there.")
        elif self._dock.start_job(title, job, []):
            self._when_done = when_done

    def _on_ended(self, outcome: Outcome) -> None:
        self.refresh()
        when_done, self._when_done = self._when_done, None
        if when_done is not None and outcome.end is End.DONE:
            # After all others have heard of the end: another job may begin.
            self._next = partial(when_done, outcome.result)
            self._later.start()

    def _go_on(self) -> None:
        then, self._next = self._next, None
        if then is not None:
            then()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
