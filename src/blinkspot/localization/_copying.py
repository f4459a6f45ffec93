"""Arrays copied into others, within compiled functions.

For the same, written as ``target[:] = values``, numba compiles, for seconds, the words of an error about
shapes that do not fit.
"""

from __future__ import annotations

from numpy.typing import NDArray

from blinkspot.localization._compiling import ScalarT, compiled


@compiled
def put(values: NDArray[ScalarT], target: NDArray[ScalarT]) -> None:
    """Copy numbers into an array of one axis that has as many."""
    for i in range(target.size):
        target[i] = values[i]


@compiled
def put_all(values: NDArray[ScalarT], target: NDArray[ScalarT]) -> None:
    """Copy numbers into an array of two axes that has as many rows and columns."""
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            target[i, j] = values[i, j]
