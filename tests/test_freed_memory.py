"""What becomes of memory that is freed."""

import os
import platform
import subprocess
import sys

import pytest

from blinkspot import freed_memory

# Pieces of 100 kB, every other one freed: what is free lies between what is in use.
_PIECES = """
from pathlib import Path
import numpy as np
from blinkspot.freed_memory import give_back_freed_memory, keep_freed_memory

def resident():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])

keep_freed_memory()
pieces = [np.full(100_000, 1, np.uint8) for _ in range(1000)]
full = resident()
del pieces[::2]
freed = resident()
give_back_freed_memory()
print(full - freed, full - resident(), int(all((piece == 1).all() for piece in pieces)))
"""


# A result of 20 MB between small blocks, freed: no job's end is waited for.
_RESULT = """
from pathlib import Path
import numpy as np
from blinkspot.freed_memory import keep_freed_memory

def resident():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])

np.empty(31 << 20, np.uint8)  # freed: from here on glibc keeps blocks of up to that size
keep_freed_memory()
small, result, more = (np.full(size, 1, np.uint8) for size in (1_000_000, 20_000_000, 1_000_000))
full = resident()
del result
print(full - resident())
"""

on_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps freed memory")


def printed_by(script):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=plain, capture_output=True, text=True, check=True
    )
    return [int(number) for number in done.stdout.split()]


@on_glibc
def test_memory_between_what_is_in_use_is_given_back():
    before, after, whole = printed_by(_PIECES)
    assert before < 5e6
    assert after > 40e6
    assert whole


@on_glibc
def test_a_large_result_is_given_back_at_once():
    assert printed_by(_RESULT)[0] > 19e6


@pytest.mark.parametrize("asked", ["platform.libc_ver", "ctypes.CDLL"])
def test_where_the_library_cannot_be_asked_nothing_fails(monkeypatch, asked):
    def cannot(*_arguments):
        raise FileNotFoundError("gone")

    monkeypatch.setattr(freed_memory.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(asked, cannot)
    freed_memory.keep_freed_memory()
    freed_memory.give_back_freed_memory()
