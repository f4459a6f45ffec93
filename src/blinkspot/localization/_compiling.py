"""One way to compile the number-crunching functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

ScalarT = TypeVar("ScalarT", bound=np.generic)
ConstantT = TypeVar("ConstantT", bool, int)
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


# Files whose compiled functions those of other files may call, too.
SHARED = tuple(
    Path(__file__).parent / name
    for name in (
        "_copying.py",
        "fitting/kernel_maths.py",
        "fitting/gaussian_model.py",
        "fitting/gaussian_solver.py",
        "crowding/model.py",
        "crowding/misfit.py",
        "crowding/pixels.py",
        "astigmatism/height_model.py",
        "thunderstorm/error_function.py",
        "thunderstorm/trust_region.py",
    )
)


def compiled(function: FunctionT) -> FunctionT:
    """Compile a function with numba on its first call, and keep the machine code on disk.

    The global interpreter lock is released, so that a window stays responsive while fits run in another
    thread. Division by zero gives inf or NaN, as in numpy. Nothing runs in parallel: numba's thread pools
    must not be entered from several threads.

    numba notices a change only in the file that holds the function it stored, not in files that hold the
    functions called from there. Hence a compiled function calls compiled functions of its own file and of
    those in ``SHARED`` only, and a change of one of these makes whatever was stored stale.
    """
    compile_it = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        dispatcher = compile_it(cache=True)(function)
        _watch_shared(dispatcher)
    except (RuntimeError, AttributeError):
        # There is no folder that machine code may be written to, or numba keeps it in another way.
        dispatcher = compile_it()(function)
    return cast(FunctionT, dispatcher)


def read_only(values: NDArray[ScalarT]) -> NDArray[ScalarT]:
    """Return a view that cannot be written to, of what a compiled function only reads.

    numba compiles a function once for arrays that can be written to and once, for seconds, for those that
    cannot, as a camera's maps and, by some versions of pandas, a table's columns are.
    """
    view = values.view()
    view.setflags(write=False)
    return view


def one_of_many(constant: ConstantT) -> ConstantT:
    """Return a constant that compiled functions may be called with as with any other of its kind.

    numba compiles a function anew, for seconds, for each True, False or whole number that stands in a call.
    """
    return cast(ConstantT, np.array(constant)[()])


def _watch_shared(dispatcher: Any) -> None:
    """Have the stored code depend on the shared files as it does on the function's own."""
    index = dispatcher._cache._cache_file
    about = [file.stat() for file in SHARED]
    index._source_stamp = (index._source_stamp, *((each.st_mtime, each.st_size) for each in about))
