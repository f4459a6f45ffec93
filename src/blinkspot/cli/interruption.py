"""Requests to end: Ctrl-C, a batch system's, a closed terminal's."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def one_interruption() -> Iterator[None]:
    """Turn the first request to end into KeyboardInterrupt; ignore more while the block deals with that.

    So an impatient second Ctrl-C neither spoils the saving of a model nor leaves half a file behind. They
    stay ignored after the block, for then the process ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # What is ignored already (by nohup, say) stays so.
    before = {number: signal.getsignal(number) for number in numbers}
    watched = [number for number in numbers if before[number] is not signal.SIG_IGN]

    def interrupt(*_: object) -> None:
        for number in watched:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in watched:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in watched:
            if signal.getsignal(number) is interrupt:
                signal.signal(number, before[number])
