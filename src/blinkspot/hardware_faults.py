"""Errors of the libraries below us that speak of the machine: told by their names and words.

By those, so that nobody must import torch to ask.
"""

from __future__ import annotations

_OF_MEMORY = (
    "DefaultCPUAllocator",  # torch has no class of its own for a lack of main memory
    "out of memory",
    "not enough memory",
    "bad_alloc",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
_OF_THE_GPU = ("CUDA error", "CUDNN_STATUS", "CUBLAS_STATUS", "CUDA driver")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that main memory, or the GPU's, does not suffice."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OF_MEMORY)


def is_lost_gpu(error: BaseException) -> bool:
    """Tell whether an error says that the GPU does not answer any more: nothing on it can be had."""
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    return type(error).__name__ == "AcceleratorError" or any(words in str(error) for words in _OF_THE_GPU)
