"""Look at a sample of a movie's pixels, before long work starts, for what would spoil it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack

SMALLEST_SIDE_PX = 16
# Above this share of pixels at one ceiling, photon numbers of molecules are cut off.
LARGEST_SATURATED_SHARE = 0.01
# A sample this large tells shares of one per cent, and reads in well under a second.
_SAMPLE_FRAMES = 32
_SAMPLE_PIXELS = 1 << 24
# Maps and movie resemble one another where their correlation is this many standard errors above 0.
_RESEMBLANCE = 8.0
_NEIGHBOURHOOD_PX = 5
# A denoiser may put a dark movie a little below zero, of which most pixels have no noise at all.
_LEAST_BELOW_ELECTRONS = 1.0


def check_movie(stack: Stack) -> None:
    """Check that a movie can be denoised and localized, by frames spread over it.

    Values below zero are allowed where most are not: an offset may have been subtracted.

    Parameters
    ----------
    stack : Stack
        The movie.

    Raises
    ------
    BlinkspotError
        If the frames are too small, or a sampled frame holds values that are not finite or is all one
        value, or the sample is mostly negative or saturated.
    """
    if min(stack.height, stack.width) < SMALLEST_SIDE_PX:
        raise BlinkspotError(
            f"{stack.name} has frames of {stack.height} x {stack.width} pixels: at least "
            f"{SMALLEST_SIDE_PX} x {SMALLEST_SIDE_PX} are needed."
        )
    indices = _sample_indices(stack)
    frames = stack.selected(indices)
    for index, frame in zip(indices.tolist(), frames, strict=True):
        _check_frame(stack, index, frame)
    if np.median(frames) < 0:
        raise BlinkspotError(
            f"{stack.name} is mostly negative, which no camera gives: use the movie as it was recorded, "
            "without subtracting a background."
        )
    _check_not_saturated(stack, frames)


def check_camera(stack: Stack, camera: Camera) -> None:
    """Check that a camera's settings fit a movie: that it does not make light negative, or endless.

    Maps must be of the frames' size, and must not resemble the movie only with rows and columns exchanged.
    Read noise alone puts half of the pixels of a dark movie below zero. When the median lies below by
    more than the standard deviation of the noise, the offset is wrong.

    Parameters
    ----------
    stack : Stack
        The movie.
    camera : Camera
        Its supposed camera.

    Raises
    ------
    BlinkspotError
        If it does.
    """
    frames = stack.selected(_sample_indices(stack))
    if camera.maps is not None:
        check_maps(stack, camera.maps)
    with np.errstate(over="ignore", invalid="ignore"):
        photoelectrons = camera.photoelectrons(frames)
    if np.isfinite(frames).all() and not np.isfinite(photoelectrons).all():
        raise BlinkspotError(
            f"With an offset of {camera.offset_adu:g} ADU and {camera.electrons_per_adu:g} electrons per ADU "
            f"the photons of {stack.name_within} are beyond all number: correct the camera."
        )
    if float(np.median(photoelectrons)) < -_noise_of(photoelectrons):
        negative = 100.0 * float(np.mean(photoelectrons < 0))
        level = float(np.median(photoelectrons)) / camera.photoelectrons_per_adu + camera.offset_adu
        raise BlinkspotError(
            f"With an offset of {camera.offset_adu:g} ADU, {negative:.0f} % of the pixels of "
            f"{stack.name_within} would hold less than no light: its median is {level:g} ADU, and the offset "
            "must lie below that."
        )


def check_denoised(denoised: Stack, noisy: Stack, camera: Camera) -> None:
    """Check that a denoised movie is in the unit of the noisy one, ADU: else fits on it find nothing.

    Parameters
    ----------
    denoised, noisy : Stack
        The movie, denoised by whatever program, and as recorded; of other shapes nothing is checked.
    camera : Camera
        Its camera.

    Raises
    ------
    BlinkspotError
        If most of the denoised movie would hold less than no light, and less than the noisy one does by more
        than half of its noise.
    """
    if denoised.shape != noisy.shape:
        return  # which is said where they are read together
    indices = _sample_indices(denoised)
    smooth = denoised.selected(indices)
    recorded = camera.photoelectrons(noisy.selected(indices))
    # An offset a little too high, which :func:`check_camera` allows, puts both movies below zero.
    lowest = min(float(np.median(recorded)), 0.0) - max(0.5 * _noise_of(recorded), _LEAST_BELOW_ELECTRONS)
    if float(np.median(camera.photoelectrons(smooth))) < lowest:
        name = "" if denoised.path is None else f" {denoised.path}"
        median = float(np.median(smooth))
        raise BlinkspotError(
            f"Most of the denoised movie{name} would hold less than no light: its median is "
            f"{median:g}, below the offset of {camera.offset_adu:g} ADU. Give it in the ADU "
            "of the noisy movie, neither in photons nor without the offset or the background."
        )


def _noise_of(photoelectrons: NDArray[Any]) -> float:
    """Return the standard deviation of the noise of frames, (T, Y, X)."""
    # Differences of neighbours hold the noise but hardly the scene; their median is blind to molecules.
    return 1.4826 * float(np.median(np.abs(np.diff(photoelectrons, axis=2)))) / float(np.sqrt(2.0))


def check_maps(stack: Stack, maps: CameraMaps) -> None:
    """Check that maps are those of the pixels of a movie, by a sample of its frames.

    Raises
    ------
    BlinkspotError
        If they are of another size, or resemble the frames only with rows and columns exchanged.
    """
    size = (stack.height, stack.width)
    transposed = maps.transposed()
    if maps.shape != size and transposed.shape != size:
        raise BlinkspotError(
            f"The camera's maps are of {maps.shape[0]} x {maps.shape[1]} pixels and the frames of "
            f"{stack.name_within} of {size[0]} x {size[1]}: give the row and column of the chip at which "
            "the movie begins (--maps-window on the command line)."
        )
    if maps.shape == size:
        if maps.shape != transposed.shape:
            return
        frames = stack.selected(_sample_indices(stack))
        as_given, exchanged = (_resemblance(frames, each) for each in (maps, transposed))
        if exchanged < _RESEMBLANCE or exchanged < 2.0 * as_given:
            return
    raise BlinkspotError(
        f"The camera's maps fit {stack.name_within} only with rows and columns exchanged: transpose them "
        "(--transpose-maps on the command line, Transposed in the dock, maps.transposed() in Python)."
    )


def _resemblance(frames: NDArray[Any], maps: CameraMaps) -> float:
    """Correlate the fixed patterns of frames (n, Y, X) with the maps; in standard errors.

    What stands out from its neighbours in the mean of the frames is compared with the offset, and in their
    variance with the variance.
    """
    frames = frames.astype(np.float32, copy=False)
    pairs = (
        (frames.mean(axis=0), maps.offset_adu),
        (np.log1p(frames.var(axis=0)), np.log1p(maps.variance_adu2)),
    )
    products = [np.mean(_pattern(seen) * _pattern(mapped)) for seen, mapped in pairs]
    return float(np.mean(products) * np.sqrt(2.0 * maps.offset_adu.size))


def _pattern(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what stands out from its neighbours (Y, X), mean 0 and variance 1, cut off at 3 sigma."""
    pattern: NDArray[np.float32] = image - uniform_filter(image, _NEIGHBOURHOOD_PX)
    spread = 1.4826 * float(np.median(np.abs(pattern)))
    pattern = np.clip(pattern, -3.0 * spread, 3.0 * spread)
    pattern -= pattern.mean()
    deviation = float(pattern.std())
    return pattern / np.float32(deviation) if deviation > 0 else pattern


def check_finite(stack: Stack, indices: Sequence[int] | NDArray[np.int64], frames: NDArray[Any]) -> None:
    """Check that frames of a movie hold finite numbers only.

    Parameters
    ----------
    stack : Stack
        The movie.
    indices : sequence of int
        Frames that were read from it.
    frames : ndarray, (len(indices), Y, X)
        What was read.

    Raises
    ------
    BlinkspotError
        If one does not; it is named.
    """
    if frames.dtype.kind != "f" or np.isfinite(frames).all():
        return
    spoiled = np.count_nonzero(~np.isfinite(frames), axis=(1, 2))
    first = int(np.flatnonzero(spoiled)[0])
    raise BlinkspotError(
        f"{_frame_name(stack, indices[first])} has {spoiled[first]} pixels that are not finite numbers "
        "(NaN or infinite): replace them first."
    )


def _frame_name(stack: Stack, index: int | np.integer[Any]) -> str:
    return f"Frame {index + 1} (counting from 1) of {stack.name_within}"


def _sample_indices(stack: Stack) -> NDArray[np.int64]:
    """Return frames spread over the movie, the first and the last among them."""
    affordable = max(2, _SAMPLE_PIXELS // (stack.height * stack.width))
    number = min(stack.n_frames, affordable, _SAMPLE_FRAMES)
    return np.linspace(0, stack.n_frames - 1, number).round().astype(np.int64)


def _check_frame(stack: Stack, index: int, frame: NDArray[Any]) -> None:
    """Check that a frame holds numbers, and a picture."""
    check_finite(stack, [index], frame[np.newaxis])
    if frame.min() == frame.max():
        raise BlinkspotError(
            f"{_frame_name(stack, index)} is empty: all its pixels are {frame.flat[0]:g}; "
            "remove such frames, or save the movie anew."
        )


def _check_not_saturated(stack: Stack, frames: NDArray[Any]) -> None:
    """Check that pixels do not pile up at a ceiling: the pixel type's, or a camera's own (4095, say)."""
    ceiling = frames.max()
    at_ceiling = np.count_nonzero(frames == ceiling)
    if at_ceiling <= LARGEST_SATURATED_SHARE * frames.size:
        return
    # Without a ceiling there are fewer pixels at the highest value than just below it.
    just_below = np.count_nonzero(frames == frames[frames < ceiling].max())
    is_type_limit = frames.dtype.kind in "ui" and ceiling == np.iinfo(frames.dtype).max
    if is_type_limit or at_ceiling > just_below:
        raise BlinkspotError(
            f"{stack.name} is saturated: {100.0 * at_ceiling / frames.size:.1f} % of its pixels are at the "
            f"ceiling of {ceiling:g}, so their light is unknown; record it with less light or gain."
        )
