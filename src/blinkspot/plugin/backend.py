"""The backend's slow parts, imported in a worker's thread.

torch and numba take seconds to import: the window's thread must never do it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from blinkspot.errors import BlinkspotError
from blinkspot.plugin import preferences
from blinkspot.progress import Progress

ResultT = TypeVar("ResultT")

_PATIENCE_S = 0.05


def meanwhile(function: Callable[[], ResultT], step: str) -> Generator[Progress, None, ResultT]:
    """Compute what cannot be interrupted; yield at once, and again while it takes time.

    Whoever closes the generator does not wait: a thread of its own computes the result, which is dropped.

    Parameters
    ----------
    function : callable
        What to compute.
    step : str
        What to call it meanwhile.
    """
    pool = ThreadPoolExecutor(1, "blinkspot")
    try:
        computed = pool.submit(function)
        while not computed.done():
            yield Progress(step, 0, 1, 0.0)
            wait([computed], _PATIENCE_S)
        return computed.result()
    finally:
        pool.shutdown(wait=False)


def loading(to_train: bool = False) -> Generator[Progress, None, ModuleType]:
    """Load :mod:`blinkspot.denoising` and return it for this thread, as :func:`denoising` does.

    Parameters
    ----------
    to_train : bool
        Whether to load what torch leaves until a training begins as well.
    """
    yield from meanwhile(_load_for_training if to_train else denoising, "loading PyTorch")
    return denoising()


def _load_for_training() -> None:
    denoising()
    from blinkspot.denoising.training.learner import load_optimiser

    load_optimiser()


def denoising(cores_left: int = 1) -> ModuleType:
    """Return :mod:`blinkspot.denoising`, and leave cores to the window, or as many as the user wishes.

    torch keeps the number of threads for each thread that calls it, so each job must ask here anew.

    Parameters
    ----------
    cores_left : int
        How many to leave; none where the window waits for what is computed.

    Raises
    ------
    BlinkspotError
        If torch cannot be loaded.
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        # On Windows, torch's libraries can fail to load once Qt has loaded its own.
        raise BlinkspotError(
            f"PyTorch could not be loaded ({error}): reinstall it by 'pip install --force-reinstall torch', "
            "on Windows with the Microsoft Visual C++ Redistributable too, and then start napari anew."
        ) from error
    torch.get_num_threads()  # torch sets the number when a thread first asks for it, and would do so later
    torch.set_num_threads(preferences.threads() or max(1, _usable_cores() - cores_left))
    import blinkspot.denoising

    return blinkspot.denoising


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the values in a checkpoint of a training, without its weights.

    Raises
    ------
    BlinkspotError
        If it is none, or one of another version.
    """
    denoising()
    from blinkspot.denoising.training.checkpoint import read_checkpoint

    return read_checkpoint(path)[0]


def localization() -> ModuleType:
    """Return :mod:`blinkspot.localization`."""
    import blinkspot.localization

    return blinkspot.localization


def evaluation() -> ModuleType:
    """Return :mod:`blinkspot.evaluation`."""
    import blinkspot.evaluation

    return blinkspot.evaluation


def _usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 2
