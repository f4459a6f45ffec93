"""Questions that are answered in another thread one after the other, every one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from blinkspot.plugin.jobs.latest_only import LatestOnly


class OneByOne(QObject):
    """Computes answers in another thread, in the order of the questions, and delivers each.

    For files that are opened or written: the next one must not take the place of one that waits.

    Signals
    -------
    answered : object
        Answer to a question.
    failed : object
        The exception that a question raised; the next one is asked all the same.
    """

    answered = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[Callable[[], Any]] = deque()
        self._is_asking = False
        self._latest = LatestOnly(self)
        self._latest.answered.connect(self._on_answered)
        self._latest.failed.connect(self._on_failed)

    def ask(self, question: Callable[[], Any]) -> None:
        """Have ``question()`` computed in another thread, after those that were asked before."""
        self._waiting.append(question)
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting and not self._is_asking:
            self._is_asking = True
            self._latest.ask(self._waiting.popleft())

    def _on_answered(self, answer: Any) -> None:
        self._is_asking = False
        self._go_on()
        self.answered.emit(answer)

    def _on_failed(self, error: Exception) -> None:
        self._is_asking = False
        self._go_on()
        self.failed.emit(error)
