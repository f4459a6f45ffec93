"""From a bead stack to an astigmatism calibration."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.astigmatism.beads import BeadWidths, MoleculeCounts, compile_fits, measure_beads
from blinkspot.localization.astigmatism.calibration import AstigmatismCalibration, odd_window_px
from blinkspot.localization.astigmatism.curves import CalibratedBeads, align_and_fit, crossings_nm
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.paced import waited_for
from blinkspot.plain_values import make_plain
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance

FloatArray = NDArray[np.float64]

FEWEST_BEADS = 3
FEWEST_FRAMES = 10


@dataclass(frozen=True)
class CalibrationSettings:
    """How a bead stack is evaluated.

    Attributes
    ----------
    z_step_nm : float
        How far the focal plane moves into the sample from one frame to the next, as the stage counts it, nm;
        below 0 where it moves towards the coverslip.
    range_nm : float
        Heights that are calibrated: from minus this to plus this, as far as the beads can be seen there.
    window_nm : float
        Side of the square that is fitted around a bead, and around molecules later, nm; rounded to an odd
        number of pixels.
    molecule_photons, molecule_background_photons : float, optional
        Light of a typical molecule, and per pixel under it: beads are then fitted as if they were as dim.
        Spots are no Gaussians, and the widths that fit bright beads are not quite those of dim molecules.
    refractive_index_factor : float
        See :class:`~blinkspot.localization.astigmatism.calibration.AstigmatismCalibration`.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    z_step_nm: float
    range_nm: float = 600.0
    window_nm: float = 1500.0
    molecule_photons: float | None = None
    molecule_background_photons: float | None = None
    refractive_index_factor: float = 1.0

    def __post_init__(self) -> None:
        make_plain(self)
        if not (math.isfinite(self.z_step_nm) and 1.0 <= abs(self.z_step_nm) <= 1000.0):
            raise BlinkspotError(
                "The z step must be the distance between two frames of the bead stack, 1 to 1000 nm "
                f"(below 0 where the focal plane moves towards the coverslip), not {self.z_step_nm:g}."
            )
        if not (math.isfinite(self.range_nm) and 100.0 <= self.range_nm <= 5000.0):
            raise BlinkspotError(
                f"The range of heights must be 100 to 5000 nm on either side, not {self.range_nm:g}."
            )
        if not (math.isfinite(self.window_nm) and 500.0 <= self.window_nm <= 5000.0):
            raise BlinkspotError(f"The window of a bead must be 500 to 5000 nm, not {self.window_nm:g}.")
        self._check_molecules()
        if not 0.1 <= self.refractive_index_factor <= 2.0:
            raise BlinkspotError(
                "The refractive-index factor must be a number between 0.1 and 2 (1 for none), "
                f"not {self.refractive_index_factor:g}."
            )

    def _check_molecules(self) -> None:
        photons, background = self.molecule_photons, self.molecule_background_photons
        if (photons is None) != (background is None):
            raise BlinkspotError(
                "The photons of a molecule and those of the background under it belong together: give both."
            )
        if photons is not None and background is not None:
            if not (math.isfinite(photons) and photons >= 50.0):
                raise BlinkspotError(f"A typical molecule must have 50 photons or more, not {photons:g}.")
            if not (math.isfinite(background) and background > 0.0):
                raise BlinkspotError(
                    f"The background under a molecule must be above 0 photons per pixel, not {background:g}."
                )

    def molecules(self, camera: Camera) -> MoleculeCounts | None:
        """Return the light of a typical molecule in a camera's counts, where it is given."""
        if self.molecule_photons is None or self.molecule_background_photons is None:
            return None
        factor = camera.excess_noise_factor
        read_counts = float(np.mean(camera.read_counts))
        return MoleculeCounts(
            self.molecule_photons / factor, self.molecule_background_photons / factor + read_counts
        )


def calibrate(
    beads: Stack | Any, camera: Camera, settings: CalibrationSettings
) -> Generator[Progress, None, AstigmatismCalibration]:
    """Calibrate an astigmatic microscope by beads on a coverslip, focused through step by step.

    Each bead's widths are fitted in every frame; height 0 of a bead is where its own widths cross, so that a
    tilted coverslip does no harm; the two curves are then fitted to all beads at once.

    Parameters
    ----------
    beads : Stack or array, shape (T, height, width)
        The stack as recorded, ADU: one frame a step.
    camera : Camera
    settings : CalibrationSettings

    Yields
    ------
    Progress

    Returns
    -------
    AstigmatismCalibration
        With ``findings``: ``beads`` (used), ``beads_seen``, ``residual_x`` and ``residual_y`` (relative
        deviation of the widths from the curves, standard deviation), ``z_error_nm`` (of a bead in a frame,
        standard deviation), ``foci_distance_nm``, ``long_axis_above_focus``.

    Raises
    ------
    BlinkspotError
        If the stack is too short, shows too few beads, or no astigmatism; or a frame holds NaN.
    """
    movie = as_stack(beads)
    if movie.n_frames < FEWEST_FRAMES:
        raise BlinkspotError(
            f"The bead stack has only {movie.n_frames} frames: record at least {FEWEST_FRAMES}, "
            "one for each step through the focus."
        )
    return _calibrate(movie, camera, settings)


def _calibrate(
    movie: Stack, camera: Camera, settings: CalibrationSettings
) -> Generator[Progress, None, AstigmatismCalibration]:
    yield from waited_for(compile_fits, Stopwatch("compiling the fits (once per installation)", 1.0))
    seen = yield from measure_beads(
        movie,
        camera,
        odd_window_px(settings.window_nm, camera.pixel_size_nm),
        settings.molecules(camera),
    )
    # A focal plane that moves into the sample leaves a bead below it.
    stage_nm = -settings.z_step_nm * np.arange(movie.n_frames, dtype=np.float64)
    bright = _with_crossing(seen, stage_nm)
    found = yield from waited_for(
        lambda: align_and_fit(bright, stage_nm, settings.range_nm), Stopwatch("fitting the curves", 1.0)
    )
    if found.n_beads < FEWEST_BEADS:
        raise BlinkspotError(_too_few(found.n_beads))
    return AstigmatismCalibration(
        found.x,
        found.y,
        found.z_range_nm,
        settings.window_nm,
        settings.refractive_index_factor,
        measured=found.measured,
        findings=_findings(found, seen),
        provenance=provenance(
            "calibrate-astigmatism",
            camera=camera,
            settings=settings,
            movie={"name": None if movie.path is None else movie.path.name, "shape": list(movie.shape)},
        ),
    )


def _with_crossing(seen: BeadWidths, stage_nm: FloatArray) -> BeadWidths:
    """Return the beads whose widths are known in enough frames and cross."""
    enough = np.isfinite(seen.sigma_x_nm).sum(axis=1) >= FEWEST_FRAMES
    if enough.sum() < FEWEST_BEADS:
        raise BlinkspotError(_too_few(int(enough.sum())))
    bright = seen.chosen(enough)
    cross = np.isfinite(crossings_nm(bright, stage_nm))
    if cross.sum() < max(FEWEST_BEADS, 0.5 * len(bright)):
        raise BlinkspotError(
            f"Only {cross.sum()} of {len(bright)} beads are elongated along one axis of the camera above "
            "their focus and along the other one below it: check that the cylindrical lens is in place and "
            "turned along the camera's axes, and that the stack goes through the focus."
        )
    return bright.chosen(cross)


def _too_few(n_beads: int) -> str:
    return (
        f"Only {n_beads} isolated beads can be followed through the focus, and {FEWEST_BEADS} are needed: "
        "record a stack with more beads, brighter ones or ones farther apart, or fit a smaller window."
    )


def _findings(found: CalibratedBeads, seen: BeadWidths) -> dict[str, Any]:
    above = 0.5 * found.z_range_nm[1]
    return {
        "beads": found.n_beads,
        "beads_seen": len(seen),
        "residual_x": found.residual_x,
        "residual_y": found.residual_y,
        "z_error_nm": found.z_error_nm,
        "foci_distance_nm": abs(found.x.centre_nm - found.y.centre_nm),
        "long_axis_above_focus": "x" if found.x.at(above) > found.y.at(above) else "y",
    }
