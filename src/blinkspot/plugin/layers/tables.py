"""The table that a points layer stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from blinkspot.plugin.layers.movies import PROVENANCE, TABLE

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization import LocalizationTable


def table_of(metadata: Mapping[str, Any], features: pd.DataFrame) -> LocalizationTable:
    """Return the table behind a points layer, or else of its features."""
    from blinkspot.localization import LocalizationTable

    table = metadata.get(TABLE)
    if isinstance(table, LocalizationTable):
        return table
    return LocalizationTable.from_features(features, metadata.get(PROVENANCE) or {})
