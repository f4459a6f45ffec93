"""One way to compile the number-crunching functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def compiled(function: FunctionT) -> FunctionT:
    """Compile a function with numba on its first call, and keep the machine code on disk.

    The global interpreter lock is released, so that a window stays responsive while fits run in another
    thread. Division by zero gives inf or NaN, as in numpy. Nothing runs in parallel: numba's thread pools
    must not be entered from several threads.

    numba notices a change only in the file that holds the function it stored, not in files that hold the
    functions called from there. Hence a compiled function calls compiled functions of its own file only.
    """
    compile_it = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return cast(FunctionT, compile_it(cache=True)(function))
    except RuntimeError:  # there is no folder that machine code may be written to
        return cast(FunctionT, compile_it()(function))
