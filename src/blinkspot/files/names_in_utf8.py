"""Names of files for libraries that open none that is not UTF-8."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def name_in_utf8(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a file's name, or a link to it: safetensors opens no name that is not UTF-8, as old disks have."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / "file"
            link.symlink_to(os.path.abspath(path))
            yield link
    else:
        yield Path(path)
