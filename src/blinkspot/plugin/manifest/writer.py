"""Lets napari save a layer of localizations as a table of ThunderSTORM or Picasso."""

from __future__ import annotations

from typing import Any

import pandas as pd

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.layers.movies import TABLE
from blinkspot.plugin.layers.tables import table_of


def write_localizations(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the table of a points layer as a new file: ThunderSTORM's CSV or Picasso's HDF5.

    The table is the one behind the layer, where only some of its molecules are points, else the features.

    Parameters
    ----------
    path : str
        The file to make; its suffix tells the format.
    data : (n, D) array
        The points; not used, for the table holds the positions in nm.
    attributes : dict
        Attributes of the layer, as napari gives them to writers.

    Returns
    -------
    list of str
        The path written.

    Raises
    ------
    BlinkspotError
        If the layer holds no localizations, or the file exists or cannot be written.
    """
    metadata, features = attributes.get("metadata", {}), pd.DataFrame(attributes.get("features", {}))
    if metadata.get(TABLE) is None and not {"frame", "x_nm", "y_nm"} <= set(features.columns):
        raise BlinkspotError(
            f"The layer {attributes.get('name', '')!r} holds no localizations (features frame, x_nm, y_nm): "
            "save a layer that the Localize or the Molecules dock made."
        )
    table_of(metadata, features).save(path)
    return [path]
