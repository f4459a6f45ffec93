"""How the two widths of a molecule depend on its height: the calibration of an astigmatic microscope."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.files.whole_files import read_small_text, written_whole

FloatArray = NDArray[np.float64]

# Wider than any microscope, so that a slip of the keyboard is told at once.
_LIMITS = {
    "sigma_nm": (10.0, 2000.0),
    "centre_nm": (-1e4, 1e4),
    "depth_nm": (10.0, 1e4),
    "cubic": (-100.0, 100.0),
    "quartic": (-100.0, 100.0),
    "quintic": (-100.0, 100.0),
    "sextic": (-100.0, 100.0),
}
_SAME_PIXEL = 0.01
_FACTOR_LIMITS = (0.1, 2.0)
_WINDOW_LIMITS_NM = (200.0, 1e4)
_MEASURED = ("z_nm", "sigma_x_nm", "sigma_y_nm")
# Fewer pixels do not hold five parameters.
_SMALLEST_WINDOW_PX = 5


@dataclass(frozen=True)
class DefocusCurve:
    """Width of a molecule along one axis over its height (Huang et al. 2008, Science 319:810).

    ``sigma(z) = sigma_nm sqrt(1 + t^2 + cubic t^3 + quartic t^4 + quintic t^5 + sextic t^6)``,
    ``t = (z - centre_nm) / depth_nm``. ThunderSTORM names these numbers ``w0``, ``c``, ``d``, ``a``, ``b``;
    the last two are 3D-DAOSTORM's (Babcock et al. 2012, Optical Nanoscopy 1:6).

    Attributes
    ----------
    sigma_nm : float
        Standard deviation in the focus of this axis, nm.
    centre_nm : float
        Height of that focus, nm.
    depth_nm : float
        Depth of focus, nm.
    cubic, quartic, quintic, sextic : float
        Deviations from a Gaussian beam.
    """

    sigma_nm: float
    centre_nm: float
    depth_nm: float
    cubic: float = 0.0
    quartic: float = 0.0
    quintic: float = 0.0
    sextic: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            number = _number(getattr(self, name))
            if not low <= number <= high:
                raise BlinkspotError(
                    f"A defocus curve's {name} must be a number between {low:g} and {high:g}, "
                    f"not {in_brief(getattr(self, name), 40)}."
                )
            object.__setattr__(self, name, number)

    def at(self, z_nm: FloatArray | float) -> FloatArray:
        """Return the width at heights, nm; NaN where the curve is not defined."""
        t = (np.asarray(z_nm, dtype=np.float64) - self.centre_nm) / self.depth_nm
        higher = t * (self.cubic + t * (self.quartic + t * (self.quintic + t * self.sextic)))
        square = 1.0 + t**2 * (1.0 + higher)
        width: FloatArray = self.sigma_nm * np.sqrt(np.where(square > 0.0, square, np.nan))
        return width

    def slope(self, z_nm: FloatArray | float) -> FloatArray:
        """Return the derivative of the width by the height."""
        t = (np.asarray(z_nm, dtype=np.float64) - self.centre_nm) / self.depth_nm
        higher = t * (3 * self.cubic + t * (4 * self.quartic + t * (5 * self.quintic + t * 6 * self.sextic)))
        by_t = t * (2.0 + higher)
        slope: FloatArray = 0.5 * self.sigma_nm**2 * by_t / (self.depth_nm * self.at(z_nm))
        return slope

    def moved(self, shift_nm: float) -> DefocusCurve:
        """Return the curve with its focus ``shift_nm`` higher."""
        return dataclasses.replace(self, centre_nm=self.centre_nm + shift_nm)


@dataclass(frozen=True)
class AstigmatismCalibration:
    """Tells a molecule's height from its two widths.

    Attributes
    ----------
    x, y : DefocusCurve
        Widths along the columns' and the rows' axis. Height 0 is where they cross; it grows away from the
        coverslip, towards the sample's inside.
    z_range_nm : (float, float)
        Lowest and highest height that the beads have shown, nm.
    window_nm : float
        Side of the square that was fitted around a bead, nm. Spots are no Gaussians, so the width that fits
        depends on it, and molecules are to be fitted in the same.
    refractive_index_factor : float
        True distance in the sample over the distance that the stage moved, where the indices of the
        immersion and the sample differ: heights and their uncertainties are multiplied by it. 1 for none.
    measured : dict of list of float
        Medians of the beads' widths: ``z_nm``, ``sigma_x_nm``, ``sigma_y_nm``; empty where not known.
    findings : dict
        What the calibration found: beads, residuals; JSON-ready.
    provenance : dict
        What made it, JSON-ready.

    Raises
    ------
    BlinkspotError
        If a value is out of its range, or the curves are not defined over the whole range of heights.
    """

    x: DefocusCurve
    y: DefocusCurve
    z_range_nm: tuple[float, float]
    window_nm: float = 1500.0
    refractive_index_factor: float = 1.0
    measured: dict[str, list[float]] = field(default_factory=dict, compare=False)
    findings: dict[str, Any] = field(default_factory=dict, compare=False)
    provenance: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        try:
            low, high = map(_number, self.z_range_nm)
        except (TypeError, ValueError):
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise BlinkspotError(
                "The range of heights of an astigmatism calibration must be two numbers in nm, "
                f"the lower one first, not {in_brief(self.z_range_nm, 60)}."
            )
        object.__setattr__(self, "z_range_nm", (low, high))
        window = _number(self.window_nm)
        if not _WINDOW_LIMITS_NM[0] <= window <= _WINDOW_LIMITS_NM[1]:
            raise BlinkspotError(
                f"The window of an astigmatism calibration must be {_WINDOW_LIMITS_NM[0]:g} to "
                f"{_WINDOW_LIMITS_NM[1]:g} nm, not {in_brief(self.window_nm, 40)}."
            )
        object.__setattr__(self, "window_nm", window)
        factor = _number(self.refractive_index_factor)
        if not _FACTOR_LIMITS[0] <= factor <= _FACTOR_LIMITS[1]:
            raise BlinkspotError(
                f"The refractive-index factor must be a number between {_FACTOR_LIMITS[0]:g} and "
                f"{_FACTOR_LIMITS[1]:g} (1 for none), not {in_brief(self.refractive_index_factor, 40)}."
            )
        object.__setattr__(self, "refractive_index_factor", factor)
        heights = self.heights_nm()
        if not np.isfinite(self.x.at(heights) + self.y.at(heights)).all():
            raise BlinkspotError(
                f"The defocus curves are not defined from {low:g} to {high:g} nm: "
                "narrow the range of heights."
            )

    def check_pixel_size(self, pixel_size_nm: float) -> None:
        """Check that a movie has the pixels of the beads' stack: its nm are not these otherwise.

        Raises
        ------
        BlinkspotError
            If the calibration knows another pixel size.
        """
        try:
            known = float(self.provenance["camera"]["pixel_size_nm"])
        except (KeyError, OverflowError, TypeError, ValueError):
            return
        if abs(pixel_size_nm - known) > _SAME_PIXEL * known:
            raise BlinkspotError(
                f"The astigmatism was calibrated with pixels of {known:g} nm, and the movie's are of "
                f"{pixel_size_nm:g} nm: check the camera, or calibrate with this one."
            )

    def heights_nm(self, n: int = 201) -> FloatArray:
        """Return ``n`` heights that span the range, as the stage counts them, nm."""
        return np.linspace(*self.z_range_nm, n)

    def window_px(self, pixel_size_nm: float) -> int:
        """Return the side of the square to fit, pixels: the odd number next to ``window_nm``."""
        return odd_window_px(self.window_nm, pixel_size_nm)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the calibration as a new TOML file.

        Raises
        ------
        BlinkspotError
            If the file exists already or cannot be written.
        """
        lines = [
            "# Astigmatism calibration of napari-blinkspot: sigma(z) = sigma_nm sqrt(1 + t^2 + cubic t^3 +\n",
            "# quartic t^4 + quintic t^5 + sextic t^6), t = (z - centre_nm) / depth_nm\n",
            "[astigmatism]\n",
            f"z_range_nm = [{self.z_range_nm[0]!r}, {self.z_range_nm[1]!r}]\n",
            f"window_nm = {self.window_nm!r}\n",
            f"refractive_index_factor = {self.refractive_index_factor!r}\n",
            f"findings = {_text(self.findings)}\n",
            f"provenance = {_text(self.provenance)}\n",
        ]
        for axis in ("x", "y"):
            lines.append(f"\n[astigmatism.{axis}]\n")
            lines += [f"{name} = {getattr(getattr(self, axis), name)!r}\n" for name in _LIMITS]
        if self.measured:
            lines.append("\n[astigmatism.measured]\n")
            lines += [
                f"{name} = {[round(each, 3) for each in self.measured[name]]!r}\n" for name in _MEASURED
            ]
        with written_whole(path) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AstigmatismCalibration:
        """Read a calibration from a TOML file that :meth:`save` wrote.

        Raises
        ------
        BlinkspotError
            If the file cannot be read or holds something else.
        """
        try:
            content = tomllib.loads(read_small_text(Path(path)))
        except OSError as error:
            raise BlinkspotError(
                f"The astigmatism calibration {path} cannot be read: {error.strerror}."
            ) from error
        except (ValueError, RecursionError) as error:
            raise BlinkspotError(
                f"The astigmatism calibration {path} is not valid TOML: {in_brief(error)}."
            ) from error
        try:
            values = dict(content["astigmatism"])
            for axis in ("x", "y"):
                values[axis] = DefocusCurve(**values[axis])
            if "measured" in values:
                values["measured"] = {name: list(map(float, values["measured"][name])) for name in _MEASURED}
            for name in ("findings", "provenance"):
                values[name] = json.loads(values.get(name, "{}"))
            return cls(**values)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BlinkspotError(
                f"{path} is not an astigmatism calibration of napari-blinkspot: "
                "make one with blinkspot calibrate-astigmatism."
            ) from error
        except BlinkspotError as error:
            raise BlinkspotError(f"The astigmatism calibration {path} cannot be used: {error}") from error


def odd_window_px(window_nm: float, pixel_size_nm: float) -> int:
    """Return the odd number of pixels that is next to a length, 5 at the least."""
    return max(2 * round((window_nm / pixel_size_nm - 1.0) / 2.0) + 1, _SMALLEST_WINDOW_PX)


def _number(value: object) -> float:
    """Return a value as a float, NaN where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return math.nan
    return float(value)


def _text(values: dict[str, Any]) -> str:
    """Return values as JSON in a TOML string, which escapes as JSON does."""
    return json.dumps(json.dumps(values), ensure_ascii=False)
