"""Requests to end: Ctrl-C, a batch system's, a closed terminal's."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

INTERRUPTED = 130
"""Exit status of a command that was interrupted."""


class Request:
    """Whether an end has been asked for.

    Attributes
    ----------
    made : bool
        True from the first request on.
    """

    made = False

    def obey(self) -> None:
        """Raise KeyboardInterrupt where an end has been asked for."""
        if self.made:
            raise KeyboardInterrupt


_of_command: Request | None = None


@contextlib.contextmanager
def one_interruption() -> Iterator[Request]:
    """Turn the first request to end into KeyboardInterrupt; ignore more while the block deals with that.

    So an impatient second Ctrl-C neither spoils the saving of a model nor leaves half a file behind. They
    stay ignored after the block, for then the process ends.

    Not every library lets KeyboardInterrupt pass: where it has got lost, the next :func:`noted_interruption`
    in the block knows of the request, and so does what this gives.
    """
    global _of_command
    request = Request()

    def interrupt() -> None:
        request.made = True
        raise KeyboardInterrupt

    before, _of_command = _of_command, request
    try:
        with _first_request(interrupt):
            yield request
    finally:
        _of_command = before


@contextlib.contextmanager
def noted_interruption() -> Iterator[Request]:
    """Note the first request to end, and let the block finish what it is at; ignore more.

    A request that the block does not come to obey is left for the next such block of the same command.
    """
    request = _of_command or Request()

    def note() -> None:
        request.made = True

    with _first_request(note):
        yield request


@contextlib.contextmanager
def immediate_interruption() -> Iterator[Request]:
    """Leave the first request to :func:`one_interruption`; tell of one that has got lost."""
    yield _of_command or Request()


@contextlib.contextmanager
def _first_request(act: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # What is ignored already (by nohup, say) stays so.
    before = {number: signal.getsignal(number) for number in numbers}
    watched = [number for number in numbers if before[number] is not signal.SIG_IGN]

    def handle(*_: object) -> None:
        for number in watched:
            signal.signal(number, signal.SIG_IGN)
        act()

    for number in watched:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in watched:
            if signal.getsignal(number) is handle:
                signal.signal(number, before[number])
