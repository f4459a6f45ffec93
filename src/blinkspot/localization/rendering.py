"""The super-resolved picture of a table, and its files."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.files import written_whole
from blinkspot.localization.table import LocalizationTable
from blinkspot.provenance import package_version

Picture = NDArray[np.float32]

LARGEST_PICTURE_PIXELS = 4e8
# Of the pixels that hold anything, the brightest this many percent are shown saturated in a PNG.
SATURATED_PERCENT = 0.5


def render(
    table: LocalizationTable, pixel_size_nm: float = 20.0, extent_nm: tuple[float, float] | None = None
) -> Picture:
    """Draw localizations as an averaged shifted histogram.

    Histograms with bins twice the picture's pixel, shifted by one pixel along each axis, are averaged (Scott
    1985, Annals of Statistics 13:1024). ThunderSTORM's default renderer does the same.

    Parameters
    ----------
    table : LocalizationTable
    pixel_size_nm : float
        Size of the picture's pixel.
    extent_nm : (height, width), optional
        What the picture covers, from the corner of the movie's first pixel: the movie's size times its pixel.
        Unless given, what the table says of its movie, else the smallest that holds every localization.

    Returns
    -------
    ndarray of float32, shape (height, width)
        Localizations per pixel.

    Raises
    ------
    BlinkspotError
        If a size is not above 0, or the picture would be too large.
    """
    if not (math.isfinite(pixel_size_nm) and pixel_size_nm > 0):
        raise BlinkspotError(f"The picture's pixel must be larger than 0 nm, not {pixel_size_nm}.")
    y, x = table.column("y_nm"), table.column("x_nm")
    extent_nm = extent_nm or table.movie_extent_nm
    if extent_nm is None:
        extent_nm = (max(float(y.max()), 0.0), max(float(x.max()), 0.0)) if len(table) else (0.0, 0.0)
        height, width = (math.floor(length / pixel_size_nm) + 1 for length in extent_nm)
    else:
        if not all(math.isfinite(length) and length > 0 for length in extent_nm):
            raise BlinkspotError(f"The picture's height and width must be above 0 nm, not {extent_nm}.")
        # A rounding error must not add a row.
        height, width = (math.ceil(length / pixel_size_nm - 1e-6) for length in extent_nm)
    if height * width > LARGEST_PICTURE_PIXELS:
        raise BlinkspotError(
            f"A picture of {width} x {height} pixels of {pixel_size_nm:g} nm is too large: "
            "choose a larger pixel."
        )
    # One pixel more on each side: what lies just outside reaches in.
    rows = np.floor(y / pixel_size_nm) + 1
    columns = np.floor(x / pixel_size_nm) + 1
    inside = (rows >= 0) & (rows < height + 2) & (columns >= 0) & (columns < width + 2)
    flat = (rows[inside] * (width + 2) + columns[inside]).astype(np.int64)
    fine = np.bincount(flat, minlength=(height + 2) * (width + 2)).astype(np.float32)
    fine = fine.reshape(height + 2, width + 2)
    # The mean of histograms of double bins at both shifts is the fine histogram smoothed by 1/4, 1/2, 1/4.
    fine = 0.25 * fine[:-2] + 0.5 * fine[1:-1] + 0.25 * fine[2:]
    picture: Picture = 0.25 * fine[:, :-2] + 0.5 * fine[:, 1:-1] + 0.25 * fine[:, 2:]
    return picture


def save_picture(
    picture: Picture,
    path: str | os.PathLike[str],
    pixel_size_nm: float,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write a picture as a new file: PNG to look at, TIFF to measure in.

    Parameters
    ----------
    picture : ndarray of float32, shape (height, width)
    path : path
        ``.png``: colours, contrast stretched between 0 and a high percentile. ``.tif`` or ``.tiff``: the
        values themselves as float32, with the pixel size as ImageJ reads it. Both carry the provenance.
    pixel_size_nm : float
    provenance : dict, optional
        JSON-ready.

    Raises
    ------
    BlinkspotError
        If the suffix is another, or the file exists or cannot be written.
    """
    suffix = Path(path).suffix.lower()
    about = json.dumps({**(provenance or {}), "picture_pixel_size_nm": pixel_size_nm})
    if suffix == ".png":
        with written_whole(path) as temporary:
            _write_png(picture, temporary, about, pixel_size_nm)
    elif suffix in (".tif", ".tiff"):
        pixels_per_um = 1000.0 / pixel_size_nm
        with written_whole(path, picture.size * 4) as temporary:
            tifffile.imwrite(
                temporary,
                np.asarray(picture, dtype=np.float32),
                imagej=True,
                resolution=(pixels_per_um, pixels_per_um),
                metadata={"unit": "micron", "Info": about},
            )
    else:
        raise BlinkspotError(
            f"A picture is written as .png or .tif, not as {suffix or 'a file without suffix'}."
        )


def _write_png(picture: Picture, path: Path, about: str, pixel_size_nm: float) -> None:
    # Slow to import, and needed for PNG only.
    from matplotlib.image import imsave

    filled = picture[picture > 0]
    white = float(np.percentile(filled, 100.0 - SATURATED_PERCENT)) if filled.size else 1.0
    imsave(
        path,
        picture,
        vmin=0.0,
        vmax=white,
        cmap="inferno",
        format="png",
        dpi=25.4e6 / pixel_size_nm,
        metadata={"Software": f"napari-blinkspot {package_version()}", "Description": about},
    )
