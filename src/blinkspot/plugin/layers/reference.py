"""Knowing a movie's data again without keeping them. Nothing here knows Qt or a layer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any


def reference_to(data: Any) -> Callable[[], Any]:
    """Return what returns some data, without keeping them, where their kind allows that."""
    try:
        return weakref.ref(data)
    except TypeError:
        return lambda: data
