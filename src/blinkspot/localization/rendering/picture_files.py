"""Super-resolved pictures as files: PNG to look at, TIFF to measure in."""

from __future__ import annotations

import io
import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import written_whole
from blinkspot.localization.rendering.annotations import (
    SMALLEST_FOR_COLOUR_BAR_PX,
    Rgb,
    add_scale_bar,
    with_colour_bar,
)
from blinkspot.localization.rendering.coloured_picture import ColouredPicture
from blinkspot.localization.rendering.contrast import Contrast
from blinkspot.plain_values import plain
from blinkspot.provenance import package_version

COLORMAP = "inferno"
"""Colours of a picture of density."""

_PIXELS_AT_ONCE = 2**20


def save_picture(
    picture: NDArray[np.float32] | ColouredPicture,
    path: str | os.PathLike[str],
    pixel_size_nm: float,
    provenance: dict[str, Any] | None = None,
    *,
    contrast: Contrast | None = None,
    scale_bar_nm: float | None = None,
) -> None:
    """Write a picture as a new file: PNG to look at, TIFF to measure in.

    Parameters
    ----------
    picture : ndarray of float32, shape (height, width), or ColouredPicture
    path : path
        ``.png``: colours, with the contrast given; beside a coloured picture stands the bar of its colours,
        unless the picture is less than 160 pixels high. ``.tif`` or ``.tiff``: the values themselves as
        float32, or RGB of a coloured picture, with the pixel size where ImageJ and others look for it. Both
        carry the provenance.
    pixel_size_nm : float
    provenance : dict, optional
        JSON-ready.
    contrast : Contrast, optional
        For colours.
    scale_bar_nm : float, optional
        Length of a scale bar, for PNG.

    Raises
    ------
    BlinkspotError
        If the suffix is another, the pixel is not above 0 nm, the picture has other axes than two, the scale
        bar does not fit, or the file exists or cannot be written.
    """
    suffix = Path(path).suffix.lower()
    contrast = Contrast() if contrast is None else contrast
    pixel_size_nm, provenance = plain(pixel_size_nm), plain(provenance)
    if not (isinstance(pixel_size_nm, (int, float)) and 0.0 < pixel_size_nm < math.inf):
        raise BlinkspotError(f"The picture's pixel must be larger than 0 nm, not {pixel_size_nm!r}.")
    if not isinstance(picture, ColouredPicture):
        picture = np.asarray(picture)
        if picture.ndim != 2 or not picture.size:
            raise BlinkspotError(
                f"A picture has two axes (y, x) and at least one pixel, but this one has the shape "
                f"{picture.shape}."
            )
    # The numbers of a .tif have no contrast.
    colours = suffix == ".png" or isinstance(picture, ColouredPicture)
    about = json.dumps({**(provenance or {}), **_how_shown(picture, pixel_size_nm, contrast, colours)})
    if suffix == ".png":
        rgb = picture.rgb(contrast) if isinstance(picture, ColouredPicture) else _rgb(picture, contrast)
        if scale_bar_nm is not None:
            add_scale_bar(rgb, pixel_size_nm, scale_bar_nm)
        if isinstance(picture, ColouredPicture) and len(rgb) >= SMALLEST_FOR_COLOUR_BAR_PX:
            rgb = with_colour_bar(rgb, picture)
        with written_whole(path) as temporary:
            _write_png(rgb, temporary, about, pixel_size_nm)
    elif suffix in (".tif", ".tiff"):
        if scale_bar_nm is not None:
            raise BlinkspotError("A scale bar is drawn into .png files only: a .tif is there to measure in.")
        values = (
            picture.rgb(contrast) if isinstance(picture, ColouredPicture) else np.asarray(picture, np.float32)
        )
        with written_whole(path, values.nbytes) as temporary:
            _write_tiff(values, temporary, about, pixel_size_nm)
    else:
        raise BlinkspotError(
            f"A picture is written as .png or .tif, not as {suffix or 'a file without suffix'}."
        )


def save_pixels(
    values: NDArray[Any],
    path: str | os.PathLike[str],
    pixel_size_nm: float | None,
    provenance: dict[str, Any] | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Write a picture that is already there as a new TIFF.

    Parameters
    ----------
    values : (H, W) or (H, W, 3)
        Written as float32, or as colours of uint8.
    path : path
    pixel_size_nm : float or None
        None where it is not known.
    provenance : dict, optional
        JSON-ready.
    limits : (float, float), optional
        Between which values colours that are not of uint8 are seen; else floats from 0 to 1, whole numbers
        from 0 to the largest of their type.

    Raises
    ------
    BlinkspotError
        If the file exists or cannot be written.
    """
    pixels = _in_eight_bits(values, limits) if values.ndim == 3 else np.asarray(values, np.float32)
    about = json.dumps({**(provenance or {}), "picture_pixel_size_nm": pixel_size_nm})
    with written_whole(path, pixels.nbytes) as temporary:
        _write_tiff(pixels, temporary, about, pixel_size_nm)


def _in_eight_bits(colours: NDArray[Any], limits: tuple[float, float] | None) -> NDArray[np.uint8]:
    if colours.dtype == np.uint8:
        return colours
    darkest, brightest = limits or (0.0, np.iinfo(colours.dtype).max if colours.dtype.kind in "iu" else 1.0)
    seen = np.clip(np.nan_to_num(np.asarray(colours, np.float64), nan=darkest), darkest, brightest)
    return np.rint(255.0 * (seen - darkest) / (brightest - darkest)).astype(np.uint8)


def _how_shown(
    picture: NDArray[np.float32] | ColouredPicture, pixel_size_nm: float, contrast: Contrast, colours: bool
) -> dict[str, Any]:
    about: dict[str, Any] = {"picture_pixel_size_nm": pixel_size_nm}
    if colours:
        about["picture_contrast"] = asdict(contrast)
    if isinstance(picture, ColouredPicture):
        about["picture_colours"] = {"column": picture.column, "limits": picture.limits}
    return about


def _rgb(picture: NDArray[np.float32], contrast: Contrast) -> Rgb:
    from matplotlib import colormaps

    colours = np.rint(255.0 * colormaps[COLORMAP](np.arange(256))[:, :3]).astype(np.uint8)
    _, white = contrast.limits(picture)
    rgb = np.empty((*picture.shape, 3), np.uint8)
    rows = max(1, _PIXELS_AT_ONCE // max(1, picture.shape[1]))
    for top in range(0, len(picture), rows):
        band = slice(top, top + rows)
        rgb[band] = colours[np.rint(255.0 * contrast.brightness(picture[band], white)).astype(np.uint8)]
    return rgb


def _write_png(rgb: Rgb, path: Path, about: str, pixel_size_nm: float) -> None:
    # Slow to import, and needed for PNG only.
    from matplotlib.image import imsave

    imsave(
        path,
        rgb,
        format="png",
        dpi=25.4e6 / pixel_size_nm,
        metadata={"Software": f"napari-blinkspot {package_version()}", "Description": about},
    )


def _write_tiff(values: NDArray[Any], path: Path, about: str, pixel_size_nm: float | None) -> None:
    layout: dict[str, Any] = {"metadata": {"Info": about}}
    if pixel_size_nm is not None:
        # Programs that read TIFF's tags alone know no unit but cm and inch; ImageJ shows small pixels in um.
        layout["resolution"] = (1e7 / pixel_size_nm,) * 2
        layout["resolutionunit"] = "CENTIMETER"
        layout["metadata"]["unit"] = "cm"
    # Made in memory: NumPy, which tifffile has write the pixels, does not notice where a disk is full at the
    # last bytes of a file.
    content = io.BytesIO()
    tifffile.imwrite(content, values, imagej=True, **layout)
    path.write_bytes(content.getbuffer())
