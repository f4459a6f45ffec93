"""What the viewer shows of a table: where its molecules are, and their super-resolved picture.

Nothing here knows Qt or a layer.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.plugin import backend
from blinkspot.progress import Progress

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization import LocalizationTable


@dataclass(frozen=True)
class PictureChoice:
    """How the super-resolved picture is drawn.

    Attributes
    ----------
    pixel_size_nm : float
        Of the picture.
    method : str
        As in :class:`blinkspot.localization.RenderSettings`.
    colour_by : str or None
        Column of the table that gives the hue.
    """

    pixel_size_nm: float = 20.0
    method: str = "ash"
    colour_by: str | None = None


@dataclass(frozen=True)
class Picture:
    """A super-resolved picture of the whole field, and how its layer looks.

    Attributes
    ----------
    data : (H, W) float32 or (H, W, 3) uint8
    look : mapping
        Arguments of its layer, for colours and contrast.
    pixels : float
        Size of the picture's pixels, in pixels of the movie.
    colours : str
        What the hues mean, in words; empty where they mean nothing but density.
    choice : PictureChoice
        How it was drawn.
    """

    data: NDArray[Any]
    look: Mapping[str, Any]
    pixels: float
    colours: str
    choice: PictureChoice


def drawn(
    table: LocalizationTable,
    extent_nm: tuple[float, float] | None,
    pixel_size_nm: float,
    choice: PictureChoice,
) -> Generator[Progress, None, Picture]:
    """Draw the super-resolved picture of a table.

    Parameters
    ----------
    extent_nm : (height, width) or None
        Of the movie; None: as the table tells it, else so much that every molecule is in it.
    pixel_size_nm : float
        Of the movie.
    """
    localization = backend.localization()
    settings = localization.RenderSettings(choice.method, choice.pixel_size_nm)
    colours = ""
    if choice.colour_by is None:
        picture = yield from localization.draw(table, settings, extent_nm)
    else:
        picture = yield from localization.draw_coloured(table, choice.colour_by, settings, extent_nm)
        low, high = picture.limits
        colours = f"{picture.label} from {low:.4g} (blue) to {high:.4g} (red)"
    data, look = localization.picture_layer(picture, choice.pixel_size_nm, pixel_size_nm)
    return Picture(data, look, choice.pixel_size_nm / pixel_size_nm, colours, choice)


def places_px(
    table: LocalizationTable, pixel_size_nm: float, rows: NDArray[np.int64] | slice = slice(None)
) -> NDArray[np.float32]:
    """Return the places (frame, y, x) of rows of a table in pixels, (0, 0) the centre of the first pixel."""
    frame = table.column("frame")[rows]
    places = np.empty((len(frame), 3), np.float32)
    places[:, 0] = frame
    places[:, 1] = table.column("y_nm")[rows] / pixel_size_nm - 0.5
    places[:, 2] = table.column("x_nm")[rows] / pixel_size_nm - 0.5
    return places
