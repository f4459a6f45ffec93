"""What is drawn onto a picture for the reader: a scale bar, a colour bar."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.rendering.coloured_picture import ColouredPicture
from blinkspot.localization.rendering.colouring import hues

Rgb = NDArray[np.uint8]

SMALLEST_FOR_COLOUR_BAR_PX = 160
"""Beside a lower picture a colour bar could not be read."""

_TEXT_PART, _SMALLEST_TEXT_PX = 0.032, 11
_LONGEST_BAR_PART = 0.9


def add_scale_bar(rgb: Rgb, pixel_size_nm: float, length_nm: float) -> None:
    """Draw a white bar of so many nm, with its length above it, into a picture's lower right corner.

    Raises
    ------
    BlinkspotError
        If the bar is shorter than a pixel, or too long for the picture.
    """
    height, width, _ = rgb.shape
    # What is no number fits nowhere, and cannot be rounded.
    length = round(length_nm / pixel_size_nm) if math.isfinite(length_nm / pixel_size_nm) else 0
    if not 1 <= length <= _LONGEST_BAR_PART * width:
        raise BlinkspotError(
            f"A scale bar of {length_text(length_nm)} does not fit into a picture that is "
            f"{length_text(width * pixel_size_nm)} wide, in pixels of {pixel_size_nm:g} nm: "
            "choose another length."
        )
    size = _text_px(rgb)
    thickness, margin, halo = max(2, size // 4), size // 2, max(1, size // 12)
    bottom, right = max(height - margin, thickness), width - max(margin, 1)
    bar = np.zeros((thickness + 2 * halo, length + 2 * halo, 4), np.float32)
    bar[..., 3] = 1.0
    bar[halo:-halo, halo:-halo] = 1.0
    top, left = bottom - thickness, max(right - length, 0)
    _lay_over(rgb, bar, top - halo, left - halo)
    text = _text(length_text(length_nm), size, halo)
    centred = left + (length - text.shape[1]) // 2
    _lay_over(rgb, text, top - size // 4 - text.shape[0], min(centred, width - margin - text.shape[1]))


def with_colour_bar(rgb: Rgb, picture: ColouredPicture) -> Rgb:
    """Return a picture with the bar of its colours to its right, on black."""
    height = rgb.shape[0]
    size = _text_px(rgb)
    gap, thickness = size // 2, size
    low, high = (_text(text, size) for text in _range_texts(*picture.limits))
    title = np.rot90(_text(picture.label, size))
    right_of_bar = gap + thickness + gap
    strip = np.zeros((height, right_of_bar + max(low.shape[1], high.shape[1]) + gap, 3), np.uint8)
    inner = height - 2 * gap
    up = np.linspace(len(hues()) - 1, 0, inner).round().astype(int)
    strip[gap : gap + inner, gap : gap + thickness] = np.rint(255.0 * hues()[up])[:, None]
    _lay_over(strip, high, gap, right_of_bar)
    _lay_over(strip, low, height - gap - low.shape[0], right_of_bar)
    _lay_over(strip, title, (height - title.shape[0]) // 2, right_of_bar)
    return np.concatenate([rgb, strip], axis=1)


def length_text(length_nm: float) -> str:
    """Return a length in the unit that suits: ``"500 nm"``, ``"2 µm"``."""
    return f"{length_nm / 1000.0:g} µm" if length_nm >= 1000.0 else f"{length_nm:g} nm"


def _range_texts(low: float, high: float) -> tuple[str, str]:
    """Write the ends of a range to about a hundredth of it."""
    decimals = max(0, 2 - int(np.floor(np.log10(high - low))))
    return tuple(f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}") for value in (low, high))  # type: ignore[return-value]


def _text_px(rgb: Rgb) -> int:
    smaller_side: int = min(rgb.shape[:2])
    return max(_SMALLEST_TEXT_PX, round(_TEXT_PART * smaller_side))


def _text(text: str, size_px: int, halo_px: int = 0) -> NDArray[np.float32]:
    """Return white text with a black halo, as RGBA from 0 to 1, without room around it."""
    # Slow to import, and needed for annotated files only.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    # At 72 dots per inch a point is a pixel.
    figure = Figure(figsize=((len(text) + 2) * size_px / 72, 3 * size_px / 72), dpi=72)
    canvas = FigureCanvasAgg(figure)
    figure.patch.set_alpha(0.0)
    written = figure.text(0.5, 0.5, text, color="white", fontsize=size_px, ha="center", va="center")
    if halo_px:
        written.set_path_effects([withStroke(linewidth=2 * halo_px, foreground="black")])
    canvas.draw()  # type: ignore[no-untyped-call]
    drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    rgba = drawn.astype(np.float32) / np.float32(255.0)
    rows, columns = (np.flatnonzero(rgba[..., 3].any(axis=axis)) for axis in (1, 0))
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _lay_over(rgb: Rgb, rgba: NDArray[np.float32], top: int, left: int) -> None:
    """Blend a small picture into a larger one; what reaches over the border is cut."""
    height, width, _ = rgb.shape
    first, from_left = max(0, -top), max(0, -left)
    rgba = rgba[first : max(0, height - top), from_left : max(0, width - left)]
    under = rgb[top + first :, left + from_left :][: rgba.shape[0], : rgba.shape[1]]
    alpha = rgba[..., 3:]
    under[...] = np.rint(alpha * 255.0 * rgba[..., :3] + (1.0 - alpha) * under)
