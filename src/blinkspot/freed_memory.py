"""What the C library does with memory that is freed: keep it for what comes next, or give it back.

Where that library is not glibc, both functions leave things as they are.
"""

from __future__ import annotations

import ctypes
import platform

# Numbers of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# What a frame's way through the network needs, of up to 32 features, is smaller; most results are larger.
_LARGE_BYTES = 12 << 20
_MOST_KEPT_BYTES = 64 << 20


def keep_freed_memory() -> None:
    """Have the memory of small blocks that are freed serve those that come next.

    Left to itself glibc gives it back to the system and takes it anew page by page, which costs a tenth of
    the time of a denoised frame; in workers of dask, which have it give back everything at once, half. Large
    blocks, as denoised movies, are mapped and given back one by one: among the small ones they would leave
    holes that the next ones do not fit into, and a session of hours would grow.
    """
    if (library := _glibc()) is not None:
        library.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_TRIM_THRESHOLD, _MOST_KEPT_BYTES)


def give_back_freed_memory() -> None:
    """Give all memory that is free, also between blocks in use, back to the system (malloc_trim(3)).

    Where much of it was freed by the window's thread, that one waits meanwhile: some 0.2 s for each GB.
    """
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library where it is glibc and can be asked; no work may fail for what spares memory."""
    try:
        return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    except OSError:  # Python's own file cannot be read, or no library be opened
        return None
