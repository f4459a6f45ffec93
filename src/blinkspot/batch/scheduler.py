"""The scheduler of a dask cluster, as the client of a batch sees it: there, silent, without workers, or lost.

Whatever asks the scheduler something may wait for ever. It is asked in threads of their own, so that whoever
has started the batch is told of it, and can end it at once.
"""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from blinkspot.errors import BlinkspotError
from blinkspot.paced import waited_for
from blinkspot.progress import Progress, Stopwatch

# Of dask.distributed, which is not installed everywhere and not fully typed.
Client = Any

_CONNECT_S = 10.0
_LOOK_EVERY_S = 1.0
# How long workers may be missing, or the scheduler may be silent, before that is said.
_NO_WORKERS_S = 3.0
_SILENT_S = 10.0
# What may be waited for at the end.
_FAREWELL_S = 0.3
_WITHOUT = "or run the batch without a scheduler"


def connect(address: str) -> Generator[Progress, None, tuple[Client, str]]:
    """Connect to a scheduler; return the client, and a sentence on versions that differ, or nothing.

    Parameters
    ----------
    address : str
        ``"tcp://10.0.0.1:8786"``.

    Raises
    ------
    BlinkspotError
        If dask.distributed is not installed, or there is no such scheduler.
    """
    is_given_up = threading.Event()
    clock = Stopwatch("connecting", 1.0)
    connecting = waited_for(partial(_connected, address, is_given_up), clock)
    try:
        while True:
            try:
                yield next(connecting)
            except StopIteration as end:
                made: tuple[Client, str] = end.value
                return made
            if clock.elapsed_s > 1.5 * _CONNECT_S:  # dask's own limit does not hold for all that it waits for
                raise TimeoutError
    except ImportError as error:
        raise BlinkspotError(
            "A scheduler needs dask.distributed, which is not installed: "
            "install it by pip install 'napari-blinkspot[dask]'."
        ) from error
    except Exception as error:  # whatever another program may answer
        if isinstance(error, TypeError) and address.startswith("tls:"):  # dask's way to say so
            raise BlinkspotError(
                f"The dask scheduler {address} cannot be reached without certificates: name them in dask's "
                "own configuration, under distributed.comm.tls."
            ) from error
        raise BlinkspotError(
            f"There is no dask scheduler at {address}, or it does not answer: start one, and give the "
            f"address that it prints, {_WITHOUT}."
        ) from error
    finally:
        is_given_up.set()


def _connected(address: str, is_given_up: threading.Event) -> tuple[Client, str]:
    from distributed import Client as DaskClient

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Not the default: what dask computes here, frames of a movie say, stays here.
        client = DaskClient(address, timeout=_CONNECT_S, name="blinkspot-batch", set_as_default=False)
    if is_given_up.is_set():
        farewell(client, [])
    said = (str(each.message) for each in caught if each.category.__name__ == "VersionMismatchWarning")
    return client, next(map(_versions_sentence, said), "")


def _versions_sentence(table: str) -> str:
    """Return what dask prints as a table: package, client, scheduler, workers."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if "|" in line
    ]
    packages = "; ".join(f"{row[0]}: {', '.join(row[1:])}" for row in rows[1:])
    return (
        f"Versions differ between this machine, the scheduler and the workers ({packages}): install the same "
        "everywhere, or tasks may fail and results differ."
    )


def farewell(client: Client, requests: Sequence[Callable[[], object]]) -> None:
    """Ask the scheduler a few last things, and leave it; not waiting for one that does not answer."""
    leave: Callable[[], object] = partial(client.close, timeout=_FAREWELL_S)

    def ask() -> None:
        for request in [*requests, leave]:
            with contextlib.suppress(Exception):
                request()
        # Where it could not leave in time, its finalizer would try again, and print a traceback.
        client.status = "closed"

    asking = threading.Thread(target=ask, name="farewell", daemon=True)
    asking.start()
    asking.join(_FAREWELL_S)


class Watch:
    """Looks at a scheduler now and then.

    Parameters
    ----------
    client : Client
    address : str
        Of the scheduler.
    """

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address
        self._workers: int | None = None
        self._asking: threading.Thread | None = None
        self._asked_s = self._answered_s = self._had_workers_s = time.perf_counter()
        self._said = ""

    @property
    def workers(self) -> int | None:
        """How many workers there were lately; None before that is known."""
        return self._workers

    @property
    def is_lost(self) -> bool:
        """Whether the connection to the scheduler is lost: dask then knows nothing of what it had to do."""
        return bool(self._client.status != "running")

    @property
    def lost(self) -> str:
        """A sentence for where it is."""
        return (
            f"The dask scheduler {self._address} is lost; what is done is kept: start it again and give the "
            f"same command, {_WITHOUT}."
        )

    def look(self) -> str:
        """Look, without waiting; return a sentence where something has begun to hinder, else nothing."""
        now_s = time.perf_counter()
        if self._asking is None or not self._asking.is_alive():
            if self._asking is not None:
                self._answered_s, self._asking = now_s, None
            elif now_s > self._asked_s + _LOOK_EVERY_S or self._workers is None:
                self._asked_s = now_s
                self._asking = threading.Thread(
                    target=self._ask, name="looking at the scheduler", daemon=True
                )
                self._asking.start()
        if self._workers:
            self._had_workers_s = now_s
        hindrance = ""
        if self._asking is not None and now_s > self._asked_s + _SILENT_S:
            hindrance = f"The dask scheduler {self._address} does not answer: the batch waits for it."
        elif self._workers == 0 and now_s > self._had_workers_s + _NO_WORKERS_S:
            hindrance = (
                f"No worker is at the scheduler {self._address}: the batch waits, and goes on as soon as one "
                f"comes; start one by dask worker {self._address} --nthreads 1, {_WITHOUT}."
            )
        is_new, self._said = hindrance != self._said, hindrance
        return hindrance if is_new else ""

    def _ask(self) -> None:
        with contextlib.suppress(Exception):  # lost, which is_lost tells
            self._workers = len(self._client.nthreads())
