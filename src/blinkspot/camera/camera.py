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

An sCMOS camera has an offset, a gain and a read noise for every pixel (:class:`CameraMaps`); all of the above
then holds pixel by pixel.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blinkspot.camera.maps import CameraMaps, read_maps
from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.files.whole_files import read_small_text, written_together
from blinkspot.plain_values import encodable

FloatArray = NDArray[np.float32]

# Wider than any camera, so that a slip of the keyboard is told at once.
PIXEL_SIZES_NM = (1.0, 1e5)
_LIMITS = {
    "pixel_size_nm": PIXEL_SIZES_NM,
    "offset_adu": (-1e6, 1e6),
    "electrons_per_adu": (1e-6, 1e6),
    "em_gain": (1.0, 1e5),
    "read_noise_electrons": (0.0, 1e6),
}

NUMBERS = tuple(_LIMITS)
"""Names of the settings that are numbers."""
MAPPED = ("offset_adu", "electrons_per_adu", "read_noise_electrons")
"""Those of them that maps take the place of."""
_MOST_FILE_BYTES = 1 << 20
_LONGEST_NAME = 500
# Two cameras are taken for one where a number differs by no more than this part.
_SAME = 0.01


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
    maps : CameraMaps or None
        Offset, gain and read noise of every pixel of the frames. Where they are given, ``offset_adu``,
        ``electrons_per_adu`` and ``read_noise_electrons`` are not used and become what the maps amount to:
        the mean offset, one over the mean gain, the root of the mean variance in electrons.

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
    maps: CameraMaps | None = None

    def __post_init__(self) -> None:
        if self.maps is not None:
            if not isinstance(self.maps, CameraMaps):
                raise BlinkspotError(f"The camera's maps must be maps, not {in_brief(self.maps, 40)!r}.")
            for name, number in _amounts(self.maps).items():
                object.__setattr__(self, name, number)
        for name, limits in _LIMITS.items():
            value = getattr(self, name)
            try:
                number = math.nan if isinstance(value, bool) else float(value)
            except (TypeError, ValueError, OverflowError):
                number = math.nan
            if isinstance(value, str) or not math.isfinite(number):
                raise BlinkspotError(
                    f"The camera's {name} must be a finite number, not {in_brief(value, 40)!r}."
                )
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

    @cached_property
    def read_counts(self) -> float | FloatArray:
        """Variance of the read noise in counts; added to the counts so that variance stays equal to mean.

        A number, or an array (Y, X) of float32 where there are maps.
        """
        if self.maps is None:
            read_noise_photoelectrons = self.read_noise_electrons / self.em_gain
            return (read_noise_photoelectrons / self.excess_noise_factor) ** 2
        read_counts = self.maps.variance_adu2 * (self._per_adu / np.float32(self.excess_noise_factor)) ** 2
        read_counts.setflags(write=False)
        return read_counts

    @cached_property
    def _per_adu(self) -> np.float32 | FloatArray:
        """Photoelectrons that one ADU stands for, of the chip or of each pixel."""
        if self.maps is None:
            return np.float32(self.photoelectrons_per_adu)
        return np.float32(1.0 / self.em_gain) / self.maps.adu_per_electron

    @property
    def _offset(self) -> np.float32 | FloatArray:
        return np.float32(self.offset_adu) if self.maps is None else self.maps.offset_adu

    def _pixels(self, values: ArrayLike) -> FloatArray:
        """Return values as float32, if they can be pixels of this camera.

        Raises
        ------
        BlinkspotError
            If there are maps and these are not frames of their size.
        """
        pixels = np.asarray(values, dtype=np.float32)
        if self.maps is not None and pixels.shape[-2:] != self.maps.shape:
            given = " x ".join(map(str, pixels.shape[-2:])) + " pixels" if pixels.ndim > 1 else "no frames"
            raise BlinkspotError(
                f"The camera's maps are of {self.maps.shape[0]} x {self.maps.shape[1]} pixels, but the "
                f"frames are of {given}: give the window of the chip that was recorded."
            )
        return pixels

    def photoelectrons(self, adu: ArrayLike) -> FloatArray:
        """Turn ADU into photoelectrons (float32, may be negative); with maps, frames (..., Y, X) of them.

        Raises
        ------
        BlinkspotError
            As this and the following do: if there are maps, and the frames are of another size.
        """
        return (self._pixels(adu) - self._offset) * self._per_adu

    def adu(self, photoelectrons: ArrayLike) -> FloatArray:
        """Turn photoelectrons into ADU (float32)."""
        return self._pixels(photoelectrons) / self._per_adu + self._offset

    def counts_from_photoelectrons(self, photoelectrons: ArrayLike) -> FloatArray:
        """Turn photoelectrons into counts, whose variance equals their mean (float32, may be negative)."""
        values = self._pixels(photoelectrons)
        return values / np.float32(self.excess_noise_factor) + np.float32(self.read_counts)

    def photoelectrons_from_counts(self, counts: ArrayLike) -> FloatArray:
        """Undo :meth:`counts_from_photoelectrons`."""
        values = self._pixels(counts)
        return (values - np.float32(self.read_counts)) * np.float32(self.excess_noise_factor)

    def counts(self, adu: ArrayLike) -> FloatArray:
        """Turn ADU into counts, whose variance equals their mean (float32, may be negative)."""
        return self.counts_from_photoelectrons(self.photoelectrons(adu))

    def with_rounding(self) -> Camera:
        """Return the camera with the noise of rounding to whole ADU as a part of its read noise.

        Steps of more than a photoelectron add the variance of a uniform law, a twelfth of a step squared
        (Sheppard 1898, Proc. London Math. Soc. 29:353). Smaller ones tell single photoelectrons apart and add
        next to nothing, and the variance that maps hold was measured behind them: such cameras stay as they
        are.
        """
        if self.maps is not None or self.photoelectrons_per_adu <= 1.0:
            return self
        noise = math.hypot(self.read_noise_electrons, self.electrons_per_adu / math.sqrt(12.0))
        return dataclasses.replace(self, read_noise_electrons=min(noise, _LIMITS["read_noise_electrons"][1]))

    def window(self, top: int, left: int, height: int, width: int) -> Camera:
        """Return the camera of a part of the frames: the same where there are no maps.

        Raises
        ------
        BlinkspotError
            If the window reaches beyond the maps.
        """
        if self.maps is None:
            return self
        return dataclasses.replace(self, maps=self.maps.window(top, left, height, width))

    def differences(self, other: Camera) -> list[str]:
        """Tell in what another camera differs so that what was made for this one does not hold for it.

        Returns
        -------
        list of str
            Clauses such as ``"its em_gain is 150, not 100"`` (150 is this camera's); numbers within 1 %
            are the same.
        """
        if (self.maps is None) != (other.maps is None):
            return ["it has maps" if self.maps is not None else "it has no maps of its pixels"]
        is_moved = self.maps is not None and other.maps is not None and self.maps.differ_by_level(other.maps)
        of_maps = (
            () if self.maps is None else [name for name in MAPPED if name != "offset_adu" or not is_moved]
        )
        found = []
        for name in (name for name in NUMBERS if name not in of_maps):
            own, value = getattr(self, name), getattr(other, name)
            if abs(own - value) > _SAME * abs(own) + 1e-6:
                found.append(f"its {name} is {own:g}, not {value:g}")
        if self.maps is not None and other.maps is not None and not is_moved and self.maps != other.maps:
            found.append(f"its maps are {_which(self.maps)}, not {_which(other.maps)}")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name, JSON-ready; of maps, only which they are: file, digest, shape."""
        values: dict[str, Any] = {name: getattr(self, name) for name in NUMBERS}
        if self.maps is not None:
            values["maps"] = {
                "file": self.maps.source,
                "digest": self.maps.digest,
                "shape": list(self.maps.shape),
            }
        return values

    def identity(self) -> dict[str, Any]:
        """Return what tells the camera from others, JSON-ready: of maps their values, not their file."""
        if self.maps is None:
            return self.as_dict()
        values = {name: getattr(self, name) for name in NUMBERS if name not in MAPPED}
        return {**values, "maps": {"digest": self.maps.digest, "shape": list(self.maps.shape)}}

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "the camera") -> Camera:
        """Make a camera from named values; names left out take their defaults.

        Raises
        ------
        BlinkspotError
            If a name is unknown, a value out of range, or ``"maps"`` only says which they are.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise BlinkspotError(
                    f"{source} has the unknown entry {in_brief(name, 60)!r}: known are {', '.join(known)}."
                )
        if isinstance(values.get("maps"), dict):
            raise BlinkspotError(f"{source} names its maps but does not hold them: give their file.")
        return cls(**values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the camera as a new TOML file; maps go beside ``NAME.toml`` as ``NAME_maps.npy``.

        Raises
        ------
        BlinkspotError
            If a file exists already or cannot be written.
        """
        lines = ["# Camera settings of napari-blinkspot\n", "[camera]\n"]
        lines += [f"{name} = {getattr(self, name)!r}\n" for name in NUMBERS]
        paths = [Path(path)]
        if self.maps is not None:
            paths.append(maps_path(paths[0]))
            lines += [
                f"maps = {json.dumps(paths[1].name, ensure_ascii=False)}\n",
                f'maps_digest = "{self.maps.digest}"\n',
            ]
        with written_together(paths) as temporaries:
            temporaries[0].write_text("".join(lines), encoding="utf-8")
            if self.maps is not None:
                temporaries[1].write_bytes(self.maps.as_file())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Camera:
        """Read a camera from a TOML file with a table ``[camera]`` (or the entries at the top).

        Its entry ``maps`` is the path of their file, seen from the folder of this one.

        Raises
        ------
        BlinkspotError
            If the file or its maps cannot be read or hold something else, or the maps have changed since.
        """
        return cls.from_dict(read_settings(path), source=f"The camera file {path}")


def maps_path(path: Path) -> Path:
    """Return where the maps of a camera go that is saved as ``path``, which names them, in UTF-8."""
    return path.with_name(f"{encodable(path.stem)}_maps.npy")


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a camera file states, by the names of the settings; see :meth:`Camera.load`."""
    try:
        content = tomllib.loads(read_small_text(Path(path), _MOST_FILE_BYTES))
    except OSError as error:
        raise BlinkspotError(f"The camera file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BlinkspotError(f"The camera file {path} is not valid TOML: {in_brief(error)}.") from error
    table = content.get("camera", content)
    if not isinstance(table, dict):
        raise BlinkspotError(f"The camera file {path} has no table [camera].")
    if "maps" in table:
        table["maps"] = _maps_beside(Path(path), table["maps"], table.pop("maps_digest", None))
    return table


def _maps_beside(path: Path, name: object, digest: object) -> CameraMaps:
    """Read the maps that a camera file names."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not name.isprintable():
        raise BlinkspotError(
            f"The camera file {path} must name its maps as a text, not {in_brief(name, 60)}."
        )
    maps = read_maps(path.parent / name)
    if digest not in (None, maps.digest):
        raise BlinkspotError(
            f"The maps {path.parent / name} are not those that {path.name} was saved with: "
            "put those back, or remove maps_digest from it."
        )
    return maps


def _which(maps: CameraMaps) -> str:
    """Tell maps apart in a sentence."""
    return f"{maps.source or 'unnamed'} [{maps.digest[:8]}]"


def _amounts(maps: CameraMaps) -> dict[str, float]:
    """Return the numbers of a camera without maps that is like one with them on the whole."""
    mean_gain = float(maps.adu_per_electron.mean(dtype=np.float64))
    variance = maps.variance_adu2 / np.square(maps.adu_per_electron, dtype=np.float64)
    return {
        "offset_adu": maps.mean_offset_adu,
        "electrons_per_adu": 1.0 / mean_gain,
        "read_noise_electrons": math.sqrt(float(variance.mean())),
    }
