"""What ThunderSTORM calls our columns: the one list by which its files, and what a user types, are read."""

from __future__ import annotations

import re
from typing import NamedTuple

from blinkspot.localization.table import UNCALIBRATED


class ThunderstormColumn(NamedTuple):
    """Our name of a column, and ThunderSTORM's with its unit."""

    name: str
    title: str
    unit: str = ""

    @property
    def heading(self) -> str:
        """As ThunderSTORM writes it: ``"x [nm]"``."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


# In the order in which they are written.
THUNDERSTORM_COLUMNS = (
    ThunderstormColumn("frame", "frame"),
    ThunderstormColumn("x_nm", "x", "nm"),
    ThunderstormColumn("y_nm", "y", "nm"),
    ThunderstormColumn("sigma_nm", "sigma", "nm"),
    ThunderstormColumn("photons", "intensity", "photon"),
    ThunderstormColumn("background_photons", "offset", "photon"),
    ThunderstormColumn("background_std_photons", "bkgstd", "photon"),
    ThunderstormColumn("uncertainty_nm", "uncertainty", "nm"),
    ThunderstormColumn("detection_strength", "detection", "std(Wave.F1)"),
    ThunderstormColumn("z_nm", "z", "nm"),
    ThunderstormColumn("uncertainty_z_nm", "uncertainty_z", "nm"),
    ThunderstormColumn("sigma_x_nm", "sigma1", "nm"),
    ThunderstormColumn("sigma_y_nm", "sigma2", "nm"),
    ThunderstormColumn("uncertainty_x_nm", "uncertainty_x", "nm"),
    ThunderstormColumn("uncertainty_y_nm", "uncertainty_y", "nm"),
    ThunderstormColumn("log_likelihood_ratio", "log_likelihood_ratio"),
    ThunderstormColumn("deviance", "deviance"),
    ThunderstormColumn("p_value", "p_value"),
    ThunderstormColumn("detections", "detections"),
    ThunderstormColumn("molecule", "molecule"),
)
UNCALIBRATED_COLUMNS = {
    column.name: ThunderstormColumn(column.name, f"{column.title}_uncalibrated", column.unit)
    for column in THUNDERSTORM_COLUMNS
    if column.name in UNCALIBRATED
}
BY_TITLE = {column.title: column for column in (*THUNDERSTORM_COLUMNS, *UNCALIBRATED_COLUMNS.values())}
BY_TITLE["uncertainty_xy"] = BY_TITLE["uncertainty"]
_HEADING = re.compile(r"(?P<title>[^\[]*?)\s*(?:\[(?P<unit>[^\]]*)\])?\s*")


def title_and_unit(heading: str) -> tuple[str, str]:
    """Return a heading's name and unit, in lower case; the unit may be empty: ``"x [nm]"``, ``"x"``."""
    match = _HEADING.fullmatch(heading)
    if match is None:
        return "", ""
    return match["title"].strip().lower(), (match["unit"] or "").strip().lower()


def our_name(text: str) -> str:
    """Return our name of a column that is called so, or by ThunderSTORM's name with or without its unit.

    What is neither, or has another unit than ours, is returned as it is.
    """
    title, unit = title_and_unit(text)
    column = BY_TITLE.get(title)
    return column.name if column is not None and unit in ("", column.unit.lower()) else text
