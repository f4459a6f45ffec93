"""Reads inputs in a child of its own, with little memory and little time, and tells what became of each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from blinkspot import BlinkspotError

MEMORY_BYTES = 1_000_000_000
"""What a child may take beyond what it has once it has read every valid input."""
TIME_S = 5.0
"""Processor time that an input may take."""
# On a machine with other work a child may wait for long; one that sleeps for ever uses no processor time.
_WALL_S = 30.0
_POLL_S = 0.2
# A child that has read many inputs is replaced, so that what one of them leaves behind ends with it.
_INPUTS_PER_CHILD = 1000
_LONGEST_SENTENCE = 1000

_OF_MEMORY = (
    "unable to allocate",
    "cannot allocate",
    "can't allocate",
    "enough memory",
    "out of memory",
    "bad_alloc",
)

KINDS = ("accepted", "refused", "foreign exception", "hang", "over memory", "crash")
"""What may become of an input; all but the first two are faults."""

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    words : str
        The sentence, or the traceback.
    place : str
        Where it failed, by which failures are told apart.
    """

    kind: str
    words: str = ""
    place: str = ""


class Children:
    """One child at a time, replaced where it dies, hangs or has read enough.

    Parameters
    ----------
    read : callable
        Reads an input, given its folder.
    valid : list of Path
        Inputs that a child reads before its memory is limited.
    """

    def __init__(self, read: Read, valid: list[Path]) -> None:
        self._read = read
        self._valid = valid
        self._context = multiprocessing.get_context("fork")
        self._child: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection
        self._left = 0

    def outcome(self, folder: Path) -> Outcome:
        """Read an input."""
        if self._child is None or not self._left:
            self._replace()
        assert self._child is not None
        self._left -= 1
        self._pipe.send(folder)
        began, used = time.monotonic(), _processor_s(self._child.pid)
        while not self._pipe.poll(_POLL_S):
            if not self._child.is_alive():
                break
            spent = _processor_s(self._child.pid) - used
            if spent > TIME_S or time.monotonic() - began > _WALL_S:
                place = f"after {spent:.1f} s of processor time"
                self.close()
                return Outcome("hang", place, "hang")
        try:
            outcome: Outcome = self._pipe.recv()
        except EOFError:
            self._child.join()
            code = self._child.exitcode or 0
            name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            self.close()
            return Outcome("crash", name, name)
        return outcome

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.join()
            self._pipe.close()
            self._child = None

    def _replace(self) -> None:
        self.close()
        self._pipe, theirs = self._context.Pipe()
        self._child = self._context.Process(target=_serve, args=(theirs, self._read, self._valid))
        self._child.start()
        theirs.close()
        self._left = _INPUTS_PER_CHILD
        ready = self._pipe.recv()
        if ready is not None:
            raise RuntimeError(f"A valid input cannot be read:\n{ready}")


def _processor_s(pid: int | None) -> float:
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def _serve(pipe: Connection, read: Read, valid: list[Path]) -> None:
    """Read what comes through the pipe; the words of a failure to begin come first, or None."""
    # What libraries print of damaged files is not looked at.
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    with _words_of_failure(pipe):
        for folder in valid:
            read(folder)
    pipe.send(None)
    limit = psutil.Process().memory_info().vms + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        pipe.send(_outcome(read, pipe.recv()))


@contextlib.contextmanager
def _words_of_failure(pipe: Connection) -> Iterator[None]:
    try:
        yield
    except Exception:
        pipe.send(traceback.format_exc())
        raise


def _outcome(read: Read, folder: Path) -> Outcome:
    try:
        read(folder)
    except BlinkspotError as error:
        sentence = str(error)
        if _is_of_memory(error):
            return Outcome("over memory", traceback.format_exc(), _place(error))
        if "\n" in sentence or len(sentence) > _LONGEST_SENTENCE or not sentence.endswith((".", ")")):
            return Outcome("foreign exception", f"Not one sentence: {sentence}", "sentence")
        return Outcome("refused", sentence, _place(error))
    except MemoryError as error:
        return Outcome("over memory", traceback.format_exc(), _place(error))
    except BaseException as error:
        kind = "over memory" if _is_of_memory(error) else "foreign exception"
        return Outcome(kind, traceback.format_exc(), _place(error))
    return Outcome("accepted")


def _is_of_memory(error: BaseException | None) -> bool:
    """Tell whether it began with a lack of memory, whatever was made of it."""
    seen = 0
    while error is not None and seen < 20:
        words = str(error).lower()
        if isinstance(error, MemoryError) or any(said in words for said in _OF_MEMORY):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _place(error: BaseException) -> str:
    """Return the exception and the last line of ours that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}blinkspot{os.sep}" in frame.filename] or frames
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {where}"
