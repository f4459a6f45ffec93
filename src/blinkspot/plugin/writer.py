"""Lets napari save a layer of localizations as a table of ThunderSTORM or Picasso."""

from __future__ import annotations

from typing import Any

import pandas as pd

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.movies import PROVENANCE


def write_localizations(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the features of a points layer as a new file: ThunderSTORM's CSV or Picasso's HDF5.

    Parameters
    ----------
    path : str
        The file to make; its suffix tells the format.
    data : (n, D) array
        The points; not used, for the features hold the positions in nm.
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
    from blinkspot.localization import LocalizationTable

    features = pd.DataFrame(attributes.get("features", {}))
    if not {"frame", "x_nm", "y_nm"} <= set(features.columns):
        raise BlinkspotError(
            f"The layer {attributes.get('name', '')!r} holds no localizations (features frame, x_nm, y_nm): "
            "save a layer that the Localize dock made."
        )
    provenance = attributes.get("metadata", {}).get(PROVENANCE, {})
    LocalizationTable.from_features(features, provenance).save(path)
    return [path]
