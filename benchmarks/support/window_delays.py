"""How long the window is held up, told by a timer that comes late."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer

TICK_MS = 5


class Delays:
    """How late a timer's ticks came, in the window's own loop of events."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.ms.append(max(0.0, 1000.0 * (now - self._last) - TICK_MS))
        self._last = now

    @staticmethod
    def head(words: str) -> None:
        """Print the head of a table."""
        columns = f"{'':<44} {'median':>8} {'99 %':>8} {'longest':>8} {'took, s':>8}"
        print(f"{words}; delay of the event loop, ms\n{columns}")

    def of(self, name: str, action: Callable[[], None], until: Callable[[], bool] = lambda: True) -> None:
        """Do something, and print the delays until it has had its effect and a moment longer."""
        self.ms.clear()
        begun = time.perf_counter()
        action()
        while not until():
            wait(TICK_MS / 1000.0)
        took_s = time.perf_counter() - begun
        wait(0.3)
        delays = np.array(self.ms)
        median, late = np.percentile(delays, [50, 99])
        print(f"{name:<44} {median:>8.1f} {late:>8.1f} {delays.max():>8.1f} {took_s:>8.2f}")


def wait(seconds: float) -> None:
    """Let the window work, in a loop of events as napari's own: else Qt keeps what is to be deleted later."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000.0 * seconds), Qt.TimerType.PreciseTimer, loop.quit)
    loop.exec()
