"""The backend's slow parts, imported in a worker's thread.

torch and numba take seconds to import: the window's thread must never do it.
"""

from __future__ import annotations

import os
from types import ModuleType

from blinkspot.errors import BlinkspotError


def denoising() -> ModuleType:
    """Return :mod:`blinkspot.denoising`, and leave one core to the window.

    torch keeps the number of threads for each thread that calls it, so each job must ask here anew.

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
    torch.set_num_threads(max(1, _usable_cores() - 1))
    import blinkspot.denoising

    return blinkspot.denoising


def localization() -> ModuleType:
    """Return :mod:`blinkspot.localization`."""
    import blinkspot.localization

    return blinkspot.localization


def _usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 2
