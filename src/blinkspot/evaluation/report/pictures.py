"""Pictures of a report that are laid over one another: bare ones, all of one contrast."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from blinkspot.evaluation.comparing.comparison import Comparison
from blinkspot.evaluation.report.figures import capital, frame_limits, round_length_um, white_of
from blinkspot.evaluation.route_names import ROUTE_TITLES

# Wider ones would make the page heavy, and no screen shows them whole.
_MOST_PIXELS_WIDE = 1400
# On the page small pictures are enlarged to this width, but tall ones to no more than this height.
_USUAL_WIDTH, _LARGEST_HEIGHT = 700, 1400


@dataclass(frozen=True)
class ShownPicture:
    """One picture, ready for the page.

    Attributes
    ----------
    name, title : str
        For the page and for its reader.
    source : str
        The picture as a data URI.
    """

    name: str
    title: str
    source: str


@dataclass(frozen=True)
class Wipe:
    """Pictures of the same place, the first of which is compared with each of the others.

    Attributes
    ----------
    pictures : tuple of ShownPicture
    width_px, height_px : int
        Their size.
    bar_percent : float
        Length of the scale bar, in percent of the width.
    bar_text : str
        The same in the sample.
    mark_percent : (left, top, width, height) or None
        A part that is shown elsewhere, in percent.
    """

    pictures: tuple[ShownPicture, ...]
    width_px: int
    height_px: int
    bar_percent: float
    bar_text: str
    mark_percent: tuple[float, float, float, float] | None = None

    @property
    def shown_width_px(self) -> int:
        """How wide it is shown at the most, in pixels of the page."""
        width = max(self.width_px, _USUAL_WIDTH)
        return min(width, math.ceil(_LARGEST_HEIGHT * self.width_px / self.height_px))


def reconstruction_wipe(comparison: Comparison) -> Wipe:
    """Make the super-resolved pictures of all routes, and of the truth, brightness as the square root."""
    named: list[tuple[str, str, NDArray[np.float32], int]] = [
        (route.name, capital(ROUTE_TITLES[route.name]), _smaller(route.picture), len(route.table))
        for route in comparison.routes
    ]
    if comparison.truth is not None and comparison.truth_picture is not None:
        named.append(("truth", "Truth", _smaller(comparison.truth_picture), len(comparison.truth)))
    # Of what is shown: the means of a large picture, mostly empty, are far below its own values.
    white = white_of([picture for _, _, picture, _ in named])
    pictures = tuple(
        ShownPicture(
            name,
            f"{title}: {_counted(count, 'molecule' if name == 'truth' else 'localization')}",
            _coloured(np.sqrt(np.clip(picture / white, 0.0, 1.0)), "inferno"),
        )
        for name, title, picture, count in named
    )
    height, width = named[0][2].shape
    return Wipe(pictures, width, height, *_bar(comparison))


def frame_wipe(comparison: Comparison) -> Wipe:
    """Make the example's frame, noisy and denoised, with the marked part."""
    example = comparison.example
    black, white = frame_limits(example)
    pictures = tuple(
        ShownPicture(
            name, title, _coloured(np.clip((_smaller(picture) - black) / (white - black), 0.0, 1.0), "gray")
        )
        for name, title, picture in (
            ("noisy", "Noisy", example.noisy),
            ("denoised", "Denoised", example.denoised),
        )
    )
    rows, columns = example.rows, example.columns
    full_height, full_width = example.noisy.shape
    mark = (
        100.0 * columns.start / full_width,
        100.0 * rows.start / full_height,
        100.0 * (columns.stop - columns.start) / full_width,
        100.0 * (rows.stop - rows.start) / full_height,
    )
    height, width = _smaller(example.noisy).shape
    return Wipe(pictures, width, height, *_bar(comparison), mark)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _bar(comparison: Comparison) -> tuple[float, str]:
    width_um = comparison.width * comparison.camera.pixel_size_nm / 1000.0
    length_um = round_length_um(width_um)
    return 100.0 * length_um / width_um, f"{length_um:g} µm"


def _smaller(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means of squares of pixels where a picture is too wide for a page."""
    side = math.ceil(picture.shape[1] / _MOST_PIXELS_WIDE)
    if side == 1:
        return picture
    height, width = (length // side * side for length in picture.shape)
    smaller: NDArray[np.float32] = (
        picture[:height, :width].reshape(height // side, side, width // side, side).mean(axis=(1, 3))
    )
    return smaller


def _coloured(brightness: NDArray[np.floating], colours: str) -> str:
    """Return values from 0 to 1 as a PNG with 256 colours, as a data URI."""
    picture = Image.fromarray(np.round(255.0 * brightness).astype(np.uint8))
    table = np.round(255.0 * colormaps[colours](np.arange(256))[:, :3]).astype(np.uint8)
    picture.putpalette(table.tobytes())
    held = io.BytesIO()
    picture.save(held, format="png", optimize=True)
    return data_uri(held.getvalue())


def data_uri(png: bytes) -> str:
    """Return the bytes of a PNG as what an ``img`` shows without a file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
