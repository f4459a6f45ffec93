"""The camera: from the file's numbers to photoelectrons and back.

Three units, and only here do they meet:

ADU
    what the file holds;
photoelectrons
    ``(ADU - offset) * electrons_per_adu / em_gain``, referred to the chip before multiplication; this is what
    ThunderSTORM calls photons;
counts
    photoelectrons scaled and shifted so that variance equals mean, which is what a Poisson model needs.
    An EM register doubles the variance (excess noise factor 2: Robbins & Hadwen 2003, IEEE Trans.
    Electron Devices 50:1227), so the scale is 1/2 there; Gaussian read noise of variance v is carried as v
    extra counts (the shifted Poisson approximation: Snyder et al. 1995, JOSA A 12:272).
"""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.files import written_whole

FloatArray = NDArray[np.float32]

# Wider than any camera, so that a slip of the keyboard is told at once.
_LIMITS = {
    "pixel_size_nm": (1.0, 1e5),
    "offset_adu": (-1e6, 1e6),
    "electrons_per_adu": (1e-6, 1e6),
    "em_gain": (1.0, 1e5),
    "read_noise_electrons": (0.0, 1e6),
}


@dataclass(frozen=True)
class Camera:
    """How photoelectrons become the numbers in the file.

    Attributes
    ----------
    pixel_size_nm : float
        Size of a pixel in the sample plane, nm.
    offset_adu : float
        Mean value of a pixel without light, ADU.
    electrons_per_adu : float
        Conversion factor, electrons (after EM multiplication) per ADU.
    em_gain : float
        Mean multiplication of the EM register; 1 means that there is none.
    read_noise_electrons : float
        Standard deviation of the read noise, electrons after multiplication, as data sheets give it.

    Raises
    ------
    BlinkspotError
        If a value is not finite or out of its range.
    """

    pixel_size_nm: float = 100.0
    offset_adu: float = 0.0
    electrons_per_adu: float = 1.0
    em_gain: float = 1.0
    read_noise_electrons: float = 0.0

    def __post_init__(self) -> None:
        for name, limits in _LIMITS.items():
            value = getattr(self, name)
            try:
                number = math.nan if isinstance(value, bool) else float(value)
            except (TypeError, ValueError, OverflowError):
                number = math.nan
            if isinstance(value, str) or not math.isfinite(number):
                raise BlinkspotError(f"The camera's {name} must be a finite number, not {str(value)[:40]!r}.")
            if name == "em_gain" and number < 1:
                raise BlinkspotError(
                    f"The camera's em_gain must be 1 (no EM register) or more, not {number:g}."
                )
            if not limits[0] <= number <= limits[1]:
                raise BlinkspotError(
                    f"The camera's {name} must lie between {limits[0]:g} and {limits[1]:g}, not {number:g}."
                )
            object.__setattr__(self, name, number)

    @property
    def excess_noise_factor(self) -> float:
        """Variance of the photoelectrons over their mean (F squared): 2 with an EM register, else 1."""
        return 2.0 if self.em_gain > 1 else 1.0

    @property
    def photoelectrons_per_adu(self) -> float:
        """Photoelectrons (before multiplication) that one ADU stands for."""
        return self.electrons_per_adu / self.em_gain

    @property
    def read_counts(self) -> float:
        """Variance of the read noise in counts; added to the counts so that variance stays equal to mean."""
        read_noise_photoelectrons = self.read_noise_electrons / self.em_gain
        return (read_noise_photoelectrons / self.excess_noise_factor) ** 2

    def photoelectrons(self, adu: ArrayLike) -> FloatArray:
        """Turn ADU into photoelectrons (float32, may be negative)."""
        values = np.asarray(adu, dtype=np.float32)
        return (values - np.float32(self.offset_adu)) * np.float32(self.photoelectrons_per_adu)

    def adu(self, photoelectrons: ArrayLike) -> FloatArray:
        """Turn photoelectrons into ADU (float32)."""
        values = np.asarray(photoelectrons, dtype=np.float32)
        return values / np.float32(self.photoelectrons_per_adu) + np.float32(self.offset_adu)

    def counts_from_photoelectrons(self, photoelectrons: ArrayLike) -> FloatArray:
        """Turn photoelectrons into counts, whose variance equals their mean (float32, may be negative)."""
        values = np.asarray(photoelectrons, dtype=np.float32)
        return values / np.float32(self.excess_noise_factor) + np.float32(self.read_counts)

    def photoelectrons_from_counts(self, counts: ArrayLike) -> FloatArray:
        """Undo :meth:`counts_from_photoelectrons`."""
        values = np.asarray(counts, dtype=np.float32)
        return (values - np.float32(self.read_counts)) * np.float32(self.excess_noise_factor)

    def counts(self, adu: ArrayLike) -> FloatArray:
        """Turn ADU into counts, whose variance equals their mean (float32, may be negative)."""
        return self.counts_from_photoelectrons(self.photoelectrons(adu))

    def as_dict(self) -> dict[str, float]:
        """Return the settings by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "the camera") -> Camera:
        """Make a camera from named values; names left out take their defaults.

        Raises
        ------
        BlinkspotError
            If a name is unknown or a value out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise BlinkspotError(
                    f"{source} has the unknown entry {name!r}: known are {', '.join(known)}."
                )
        return cls(**values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the camera as a new TOML file."""
        lines = ["# Camera settings of napari-blinkspot\n", "[camera]\n"]
        lines += [f"{name} = {value!r}\n" for name, value in self.as_dict().items()]
        with written_whole(path) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Camera:
        """Read a camera from a TOML file with a table ``[camera]`` (or the entries at the top).

        Raises
        ------
        BlinkspotError
            If the file cannot be read or holds something else.
        """
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise BlinkspotError(f"The camera file {path} cannot be read: {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BlinkspotError(f"The camera file {path} is not valid TOML: {error}.") from error
        table = content.get("camera", content)
        if not isinstance(table, dict):
            raise BlinkspotError(f"The camera file {path} has no table [camera].")
        return cls.from_dict(table, source=f"The camera file {path}")
