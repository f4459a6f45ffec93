"""Find molecules in movies: candidates, fits with uncertainties, tables, super-resolved pictures.

A :class:`Localizer` takes frames to a :class:`LocalizationTable`; :func:`render` draws the table. Fits are on
the camera's counts, whose variance equals their mean; tables are in photoelectrons and nm.
"""

from blinkspot.localization.localized_file import LocalizedFile
from blinkspot.localization.localizer import Localizer
from blinkspot.localization.rendering import (
    ColouredPicture,
    Contrast,
    RenderSettings,
    draw,
    draw_coloured,
    picture_layer,
    render,
    render_coloured,
    save_picture,
)
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.localization.table import LocalizationTable
from blinkspot.localization.table_files import TableFormat, read_table, table_paths, write_table

__all__ = [
    "ColouredPicture",
    "Contrast",
    "LocalizationTable",
    "LocalizedFile",
    "Localizer",
    "LocalizerSettings",
    "RenderSettings",
    "TableFormat",
    "draw",
    "draw_coloured",
    "picture_layer",
    "read_table",
    "render",
    "render_coloured",
    "save_picture",
    "table_paths",
    "write_table",
]
