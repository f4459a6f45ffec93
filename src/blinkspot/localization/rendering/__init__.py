"""Super-resolved pictures: drawn from tables, shown with the contrast and colours of the field, and written.

:func:`draw` makes a picture of a table's density and :func:`draw_coloured` one that is coloured by a column;
:func:`render` and :func:`render_coloured` do so at once. :class:`Contrast` says what is shown as bright,
:func:`save_picture` writes files, :func:`picture_layer` describes a layer for napari.
"""

from blinkspot.localization.rendering.coloured_picture import ColouredPicture
from blinkspot.localization.rendering.contrast import Contrast
from blinkspot.localization.rendering.drawing import draw, draw_coloured, render, render_coloured
from blinkspot.localization.rendering.picture_files import save_picture
from blinkspot.localization.rendering.picture_layer import picture_layer
from blinkspot.localization.rendering.settings import RenderMethod, RenderSettings

__all__ = [
    "ColouredPicture",
    "Contrast",
    "RenderMethod",
    "RenderSettings",
    "draw",
    "draw_coloured",
    "picture_layer",
    "render",
    "render_coloured",
    "save_picture",
]
