"""Read a mask from a picture's file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.simulation.masks import MaskImage
from blinkspot.safety.tiff import check_picture, read_pictures

_TIFF_SUFFIXES = (".tif", ".tiff")
_DECODERS = {
    "PNG": imagecodecs.png_decode,
    "JPEG": imagecodecs.jpeg8_decode,
    "BMP": imagecodecs.bmp_decode,
}
_SUFFIXES = (*_TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp")


def read_mask(path: str | os.PathLike[str]) -> MaskImage:
    """Read a mask: one grey picture, a TIFF, PNG, JPEG or BMP; of a coloured one the mean of its colours.

    Parameters
    ----------
    path : path
        The picture.

    Raises
    ------
    BlinkspotError
        If the file cannot be read or holds no such picture.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise BlinkspotError(f"The mask {path} must be a picture whose name ends in {', '.join(_SUFFIXES)}.")
    try:
        held = path.read_bytes()
    except OSError as error:
        raise BlinkspotError(f"The mask {path} cannot be read: {error.strerror}.") from error
    try:
        is_tiff = path.suffix.lower() in _TIFF_SUFFIXES
        values = read_pictures(path) if is_tiff else _decoded(held)
    except BlinkspotError:
        raise
    except Exception as error:  # each codec has errors of its own
        raise BlinkspotError(
            f"The mask {path} cannot be read: it is damaged, or no {path.suffix} file."
        ) from error
    if values.ndim == 3 and values.shape[-1] in (2, 3, 4):
        colours = 1 if values.shape[-1] == 2 else 3  # the last may be opacity
        values = values[..., :colours].mean(axis=-1)
    if values.dtype.kind not in "fiub":
        raise BlinkspotError(f"The mask {path} must hold real numbers, not {values.dtype}.")
    return MaskImage(np.asarray(values, dtype=np.float64), path.name)


def _decoded(held: bytes) -> NDArray[Any]:
    """Decode a picture, once its size is known; raise whatever the decoders do."""
    kind = check_picture(held, 2, tuple(_DECODERS))
    values: NDArray[Any] = _DECODERS[kind](held)
    return values
