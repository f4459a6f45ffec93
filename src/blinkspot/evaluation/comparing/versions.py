"""The programs behind a result."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("torch", "numpy", "scipy", "numba", "pandas", "tifffile", "matplotlib")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on, and the system."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"system": f"{platform.system()} {platform.machine()}"}
