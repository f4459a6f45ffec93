"""How what is said of a camera contradicts what the movie says, in a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from blinkspot.camera import Camera
from blinkspot.camera_from_movie.estimate import CameraEstimate, estimate_camera, noise_fits
from blinkspot.camera_from_movie.noise_whiteness import NoiseCorrelation, noise_correlation
from blinkspot.movies.stack import Stack

# A slope is contradicted where it is off by so much of itself and by so many standard errors.
SMALLEST_DIFFERENCE = 0.15
SURE = 5.0
# A ratio is taken for that of a register (2), or of one that was off, where it is so near to it.
_NEAR = 0.15
# How far an offset may lie above the background, in standard deviations of a pixel's noise.
_LEVEL_ERROR = 0.1


@dataclass(frozen=True)
class CameraEvidence:
    """What a movie says of its camera, whatever anybody else does.

    Attributes
    ----------
    estimate : CameraEstimate
        From the movie alone.
    correlation : NoiseCorrelation
        Of the noise of neighbouring pixels and frames.
    """

    estimate: CameraEstimate
    correlation: NoiseCorrelation

    def against(self, camera: Camera) -> str | None:
        """Return what contradicts a camera, a sentence; see :func:`contradiction`."""
        return contradiction(self.estimate, camera)


def camera_evidence(movie: Stack) -> CameraEvidence:
    """Measure what a movie says of its camera; some two seconds.

    Raises
    ------
    BlinkspotError
        If the movie does not pass :func:`~blinkspot.movies.checks.check_movie`.
    """
    return CameraEvidence(estimate_camera(movie), noise_correlation(movie))


def contradiction(estimate: CameraEstimate, camera: Camera) -> str | None:
    """Say how a camera contradicts what a movie's background tells.

    The slope of variance over mean is compared where the movie tells it: by more than 15 % and 5 standard
    errors it must differ. An EM register doubles it (Robbins & Hadwen 2003, IEEE Transactions on Electron
    Devices 50:1227), and multiplies it by its gain where the conversion is that of a data sheet. Then the
    level is compared at which the noise would vanish, read noise included. Where the movie does not tell a
    slope, the noise at its one level is compared.

    Parameters
    ----------
    estimate : CameraEstimate
        Of :func:`~blinkspot.camera_from_movie.estimate.estimate_camera`, to which nothing was given
        beforehand.
    camera : Camera
        What somebody says. With maps nothing is compared: their pixels differ.

    Returns
    -------
    str or None
        One sentence, the gravest (once that is mended, the next can be told); None where nothing is wrong.
    """
    if camera.maps is not None:
        return None
    # A dark movie's level is the offset itself, as well as it is known.
    if camera.offset_adu > estimate.level_adu + _LEVEL_ERROR * estimate.noise_adu:
        return (
            f"The offset of {camera.offset_adu:g} ADU lies above the background of {estimate.level_adu:.5g} "
            "ADU, which would hold less than no light: check it."
        )
    told = estimate.adu_per_count
    if told is None or not estimate.adu_per_count_error:
        return _against_the_level(estimate, camera)
    said = camera.excess_noise_factor / camera.photoelectrons_per_adu
    ratio, error = told / said, estimate.adu_per_count_error / said
    if abs(math.log(ratio)) > max(math.log1p(SMALLEST_DIFFERENCE), SURE * error / ratio):
        # With a wrong conversion the read noise is wrong, too, and makes a right offset seem wrong.
        return _against_the_slope(camera, ratio, error)
    read_adu2 = (camera.read_noise_electrons / camera.electrons_per_adu) ** 2
    if not estimate.contradicts(camera.offset_adu - read_adu2 / said):
        return None
    return (
        f"The offset of {camera.offset_adu:g} ADU does not fit: the noise would vanish at "
        f"{estimate.offset_adu:.5g} ± {estimate.offset_error_adu:.2g} ADU."
    )


def _against_the_slope(camera: Camera, ratio: float, error: float) -> str:
    conversion = camera.electrons_per_adu / ratio
    begin = f"The noise per ADU is {ratio:.3g} ± {error:.2g} times what this camera has"
    fits = f"{conversion:.3g} ± {conversion * error / ratio:.2g} e⁻/ADU would fit"
    if camera.em_gain > 1.0:
        without_register = 1.0 / (2.0 * camera.em_gain)
        if _is_near(ratio, without_register):
            return f"{begin}: as if there were no EM gain; set it to 1 if the register was off."
        return f"{begin}: with an EM gain of {camera.em_gain:g}, {fits}."
    if _is_near(ratio, 2.0):
        return f"{begin}: an EM register doubles it; if one was on, type its gain, else {fits}."
    if ratio > 2.0:
        return (
            f"{begin}: if an EM register was on, type its gain (it would be {ratio / 2.0:.3g}), else {fits}."
        )
    return f"{begin}: {fits}."


def _is_near(ratio: float, other: float) -> bool:
    return abs(math.log(ratio / other)) < _NEAR


def _against_the_level(estimate: CameraEstimate, camera: Camera) -> str | None:
    """Compare the noise at the background's level, where the movie does not tell a slope."""
    counts_per_adu = camera.photoelectrons_per_adu / camera.excess_noise_factor
    predicted = float(camera.counts(estimate.level_adu))
    if predicted <= 0.0:
        return None
    ratio = (estimate.noise_adu * counts_per_adu) ** 2 / predicted
    if noise_fits(ratio):
        return None
    advice = "check offset, conversion and EM gain"
    if camera.em_gain == 1.0 and _is_near(ratio, 2.0):
        advice = "an EM register doubles it, so type its gain if one was on"
    return f"The background's noise has {ratio:.2g} times the variance that this camera predicts: {advice}."
