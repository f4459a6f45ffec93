"""How the columns of a table are headed, and how many digits their numbers have. Nothing here knows Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinkspot.localization.histogram import WHOLE_COLUMNS
from blinkspot.localization.table import UNCALIBRATED

if TYPE_CHECKING:
    from blinkspot.localization import LocalizationTable

_UNITS = {"_nm": "nm", "_photons": "photons"}
_HEADINGS = {"detection_strength": "detection (× std(F1))"}
# A tenth of a nm is less than any uncertainty; photons have a standard deviation of at least their root.
_FORMATS = {"photons": ".0f", "p_value": ".3g"}
_NM_FORMAT, _OTHER_FORMAT = ".1f", ".2f"


def heading(name: str, table: LocalizationTable) -> str:
    """Return what stands over a column: its name and its unit."""
    if name in _HEADINGS:
        return _HEADINGS[name]
    doubt = ", not calibrated" if name in UNCALIBRATED and not table.uncertainty_is_valid else ""
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return f"{name.removesuffix(suffix).replace('_', ' ')}{doubt} ({unit})"
    return name.replace("_", " ")


def number_format(name: str) -> str:
    """Return the format of the numbers of a column."""
    if name in WHOLE_COLUMNS:
        return ".0f"
    return _FORMATS.get(name, _NM_FORMAT if name.endswith("_nm") else _OTHER_FORMAT)
