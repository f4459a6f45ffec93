"""What a napari image layer needs to show a picture. Nothing here imports napari."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization.rendering.coloured_picture import ColouredPicture
from blinkspot.localization.rendering.contrast import Contrast
from blinkspot.localization.rendering.picture_files import COLORMAP


def picture_layer(
    picture: NDArray[np.float32] | ColouredPicture,
    pixel_size_nm: float,
    movie_pixel_size_nm: float | None = None,
    contrast: Contrast | None = None,
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return data and arguments for a napari image layer that lies where the molecules are.

    napari puts the centre of a layer's first pixel, not its corner, at ``translate``.

    Parameters
    ----------
    picture : ndarray of float32, shape (height, width), or ColouredPicture
    pixel_size_nm : float
        Of the picture.
    movie_pixel_size_nm : float, optional
        Pixel of the movie over which the picture is to lie, whose layer has this scale, nm, and no
        translation. Unless given, the world's coordinates are the table's ``y_nm`` and ``x_nm``.
    contrast : Contrast, optional

    Returns
    -------
    data : ndarray
        The picture, or its RGB.
    arguments : dict
        Arguments of ``napari.layers.Image`` besides the data.
    """
    contrast = Contrast() if contrast is None else contrast
    offset_nm = 0.5 * pixel_size_nm - 0.5 * (movie_pixel_size_nm or 0.0)
    place = {
        "scale": (pixel_size_nm, pixel_size_nm),
        "translate": (offset_nm, offset_nm),
        "units": ("nm", "nm"),
    }
    if isinstance(picture, ColouredPicture):
        return picture.rgb(contrast), {"rgb": True, **place}
    look = {"colormap": COLORMAP, "contrast_limits": contrast.limits(picture), "gamma": contrast.gamma}
    return picture, {**look, **place}
