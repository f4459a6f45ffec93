"""What is simulated."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.evaluation.simulation.field import Field
from blinkspot.evaluation.simulation.masks import Mask
from blinkspot.evaluation.simulation.structure import Structure
from blinkspot.plain_values import check_kinds, make_plain
from blinkspot.safety.limits import MOST_BYTES_AT_ONCE, MOST_FRAMES

LARGEST_NUMBER_OF_MOLECULES = 1e5
LARGEST_NUMBER_OF_FLUOROPHORES = 2e6
LARGEST_NUMBER_OF_PHOTONS = 1e9
# Numbers beyond are slips, and would overflow.
_AT_MOST = {
    "background_photons": LARGEST_NUMBER_OF_PHOTONS,
    "clock_induced_charge_electrons": LARGEST_NUMBER_OF_PHOTONS,
    "mean_on_frames": 1e12,
    "mean_off_frames": 1e12,
    "motion_nm_per_sqrt_frame": 1e9,
}

_NOT_NEGATIVE = (
    "density_per_um2",
    "background_photons",
    "background_fading_frames",
    "clock_induced_charge_electrons",
    "mean_on_frames",
    "mean_off_frames",
    "motion_nm_per_sqrt_frame",
    "min_truth_photons",
)
# Of float32, as the movie without noise is written.
_MOST_PIXELS = MOST_BYTES_AT_ONCE // 4
_PAIRS = ("fwhm_nm", "photons", "drift_nm_per_frame")


@dataclass(frozen=True)
class SimulationSettings:
    """What is simulated. The defaults are ThunderSTORM's, on a smaller field.

    Attributes
    ----------
    frames : int
        Number of frames.
    size_px : int or (int, int)
        Height and width of a frame, pixels; one number for a square.
    camera : Camera
        Pixel size, offset, conversion, EM gain and read noise, or maps of as many pixels as a frame has.
    density_per_um2 : float
        Molecules shining at one moment, per square micrometre: so molecules per frame where the frames are
        independent. With a mask for molecules, the density where the mask is 1; with another structure, the
        mean over the field. Where molecules bleach, the density at the start.
    fwhm_nm : (float, float)
        Range of the full width at half maximum of a spot, nm; uniform.
    photons : (float, float)
        Range of the photons that a molecule gives in a full frame; uniform.
    background_photons : float
        Photons per pixel and frame besides the molecules.
    mean_on_frames : float
        Mean of the exponential time for which a molecule shines, frames. 0: every frame has molecules of its
        own, each shining for exactly that frame.
    mean_off_frames : float
        Mean of the exponential dark time after which the same molecule shines again, in the same place with
        the same width, frames. 0: each molecule shines once, and ever new ones take its place.
    mean_blinks : float
        Mean of the geometric number of times that a molecule shines before it bleaches, 1 or more. 0: none
        bleaches.
    structure : Structure or None
        What the molecules lie on: a mask, or tubes, rings, ...; None for the whole field.
    background_mask : Mask or None
        Part of the background that each place has.
    illumination : Mask or None
        Part of the light that falls on each place: the molecules there are as much dimmer.
    illuminates_background : bool
        Whether the background is dimmer in the same way.
    background_fading_frames : float
        Time in which the background falls to 1/e, frames. 0: it does not fade.
    drift_nm_per_frame : (float, float)
        How far the molecules move together from each frame to the next, x and y, nm. Masks of background and
        illumination stay. What has left the field is gone.
    motion_nm_per_sqrt_frame : float
        Standard deviation along an axis of each molecule's own way in a frame, nm: it diffuses with
        ``D = motion^2 / (2 frame times)``. Its light is spread along its way.
    clock_induced_charge_electrons : float
        Mean number of spurious electrons per pixel and frame, before any EM register.
    min_truth_photons : float
        A molecule that gives fewer photons than this in a frame does not count as present there.
    seed : int
        Seed of all random numbers but those of structures and masks, 0 or more.

    Raises
    ------
    BlinkspotError
        If a value is out of its range, or settings contradict one another.
    """

    frames: int = 300
    size_px: int | tuple[int, int] = 128
    camera: Camera = dataclasses.field(
        default=Camera(pixel_size_nm=80.0, offset_adu=414.0, electrons_per_adu=3.6)
    )
    density_per_um2: float = 0.1
    fwhm_nm: tuple[float, float] = (200.0, 350.0)
    photons: tuple[float, float] = (700.0, 900.0)
    background_photons: float = 30.0
    mean_on_frames: float = 0.0
    mean_off_frames: float = 0.0
    mean_blinks: float = 0.0
    structure: Structure | None = None
    background_mask: Mask | None = None
    illumination: Mask | None = None
    illuminates_background: bool = True
    background_fading_frames: float = 0.0
    drift_nm_per_frame: tuple[float, float] = (0.0, 0.0)
    motion_nm_per_sqrt_frame: float = 0.0
    clock_induced_charge_electrons: float = 0.0
    min_truth_photons: float = 15.0
    seed: int = 1

    def __post_init__(self) -> None:
        make_plain(self)
        self._check_kinds()
        self._check_frames()
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BlinkspotError(f"The simulation's {name} must be 0 or more, not {value}.")
        for name, largest in _AT_MOST.items():
            if getattr(self, name) > largest:
                raise BlinkspotError(
                    f"The simulation's {name} must be at most {largest:g}, not {getattr(self, name):g}."
                )
        self._check_blinking()
        for name in ("fwhm_nm", "photons"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= LARGEST_NUMBER_OF_PHOTONS:
                raise BlinkspotError(
                    f"The simulation's {name} must be a range between 0 and {LARGEST_NUMBER_OF_PHOTONS:g}, "
                    f"not {low} to {high}."
                )
        if not all(math.isfinite(step) for step in self.drift_nm_per_frame):
            raise BlinkspotError(
                f"The simulation's drift_nm_per_frame must be two finite numbers, not "
                f"{self.drift_nm_per_frame}."
            )
        if self.seed < 0:
            raise BlinkspotError(f"The simulation's seed must be 0 or more, not {self.seed}.")

    def _check_kinds(self) -> None:
        check_kinds(self, "The simulation's", ("frames", "seed"), (*_NOT_NEGATIVE, "mean_blinks"))
        sides = self.size_px if isinstance(self.size_px, (list, tuple)) else (self.size_px,)
        if not 1 <= len(sides) <= 2 or any(type(side) is not int for side in sides):
            raise BlinkspotError(
                "The simulation's size_px must be a whole number, or two of them (height and width), not "
                f"{self.size_px!r}."
            )
        if isinstance(self.size_px, (list, tuple)):
            object.__setattr__(self, "size_px", (sides[0], sides[-1]))
        for name in _PAIRS:
            pair = getattr(self, name)
            if (
                not isinstance(pair, (list, tuple))
                or len(pair) != 2
                or any(type(number) not in (int, float) for number in pair)
            ):
                raise BlinkspotError(f"The simulation's {name} must be two numbers, not {pair!r}.")
            object.__setattr__(self, name, tuple(pair))
        if not isinstance(self.camera, Camera):
            raise BlinkspotError(
                f"The simulation's camera must be a Camera, not {in_brief(self.camera, 40)!r}."
            )
        if not isinstance(self.illuminates_background, bool):
            raise BlinkspotError(
                "The simulation's illuminates_background must be True or False, not "
                f"{self.illuminates_background!r}."
            )
        for name, kind in (("structure", Structure), ("background_mask", Mask), ("illumination", Mask)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise BlinkspotError(
                    f"The simulation's {name} must be a {kind.__name__}, as those of "
                    f"blinkspot.evaluation.simulation, or None, not {value!r}."
                )

    def _check_frames(self) -> None:
        if self.frames < 1:
            raise BlinkspotError(f"A simulated movie needs at least 1 frame, not {self.frames}.")
        if min(self.shape_px) < 8:
            raise BlinkspotError(
                f"A simulated frame must be at least 8 pixels high and wide, not {self.size_px}."
            )
        if self.frames > MOST_FRAMES or math.prod(self.shape_px) > _MOST_PIXELS:
            raise BlinkspotError(
                f"A simulated movie may have {MOST_FRAMES:,} frames of {_MOST_PIXELS:,} pixels, as any that "
                f"is read, not {self.frames:,} of {math.prod(self.shape_px):,}."
            )
        maps = self.camera.maps
        if maps is not None and maps.shape != self.shape_px:
            raise BlinkspotError(
                f"The camera's maps are of {maps.shape[0]} x {maps.shape[1]} pixels, but the simulated "
                f"frames of {self.shape_px[0]} x {self.shape_px[1]}: choose that size_px, or a "
                "window of the maps."
            )

    def _check_blinking(self) -> None:
        if self.mean_off_frames > 0 and self.mean_on_frames == 0:
            raise BlinkspotError(
                "Molecules that shine again, after mean_off_frames, need a mean_on_frames above 0, too."
            )
        if self.mean_blinks > 0 and self.mean_off_frames == 0:
            raise BlinkspotError(
                "Molecules that bleach after mean_blinks need a mean_off_frames above 0 between their blinks."
            )
        if not (math.isfinite(self.mean_blinks) and (self.mean_blinks == 0 or self.mean_blinks >= 1)):
            raise BlinkspotError(
                f"The simulation's mean_blinks must be 1 or more, or 0 for no bleaching, not "
                f"{self.mean_blinks}."
            )
        at_once = self.molecules_at_once
        molecules = max(at_once, at_once / (self.mean_on_frames or 1.0))
        if molecules > LARGEST_NUMBER_OF_MOLECULES:
            raise BlinkspotError(
                f"The simulation would have {molecules:.2g} molecules in a frame, of at most "
                f"{LARGEST_NUMBER_OF_MOLECULES:g}: choose a lower density_per_um2 or a longer mean_on_frames."
            )
        if self.mean_off_frames > 0 and self.fluorophores > LARGEST_NUMBER_OF_FLUOROPHORES:
            raise BlinkspotError(
                f"The simulation would have {self.fluorophores:.2g} molecules that shine again and again, of "
                f"at most {LARGEST_NUMBER_OF_FLUOROPHORES:g}: choose a lower density_per_um2 or a shorter "
                "mean_off_frames."
            )

    @property
    def shape_px(self) -> tuple[int, int]:
        """Height and width of a frame, pixels."""
        return self.size_px if isinstance(self.size_px, tuple) else (self.size_px, self.size_px)

    @property
    def field(self) -> Field:
        """What a frame shows."""
        return Field(self.shape_px, self.camera.pixel_size_nm)

    @property
    def extent_nm(self) -> tuple[float, float]:
        """Height and width of the field, nm."""
        return self.field.extent_nm

    @property
    def molecules_at_once(self) -> float:
        """Mean number of molecules that shine at one moment."""
        height_nm, width_nm = self.extent_nm
        everywhere = self.density_per_um2 * height_nm * width_nm * 1e-6
        return everywhere if self.structure is None else everywhere * self.structure.mean_in(self.field)

    @property
    def fluorophores(self) -> float:
        """Mean number of molecules, shining or dark, where they shine again and again."""
        return self.molecules_at_once * (1.0 + self.mean_off_frames / self.mean_on_frames)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name, JSON-ready; of pictures, only which they are."""
        values: dict[str, Any] = {}
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            values[each.name] = value.as_dict() if isinstance(value, (Camera, Structure)) else value
        return values
