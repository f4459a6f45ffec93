"""Spoiled movies and impossible cameras are refused by name; good ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_camera, check_denoised, check_finite, check_movie
from blinkspot.movies.stack import Stack, as_stack, open_stack

RNG = np.random.default_rng(5)
GOOD = RNG.poisson(20, (40, 32, 32)).astype(np.float32) + 100


def refused(movie: np.ndarray, words: str) -> None:
    with pytest.raises(BlinkspotError, match=words):
        check_movie(as_stack(movie))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_good_movie(dtype: str) -> None:
    check_movie(as_stack(GOOD.astype(dtype)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("frame", [0, 39])
def test_values_that_are_no_numbers_name_the_frame(value: float, frame: int) -> None:
    movie = GOOD.copy()
    movie[frame, 3, 4] = value
    refused(movie, rf"Frame {frame + 1} \(counting from 1\) of the movie has 1 pixels that are not")


@pytest.mark.parametrize("value", [0, 7])
def test_empty_frames(value: int) -> None:
    movie = GOOD.astype(np.uint16)
    movie[-1] = value
    refused(movie, f"Frame 40 .* is empty: all its pixels are {value};")
    refused(np.full((5, 32, 32), value, np.uint16), "Frame 1 ")


def test_some_negative_values_are_an_offset_but_most_are_not() -> None:
    dark = RNG.normal(0.5, 3.0, (20, 32, 32)).astype(np.float32)
    check_movie(as_stack(dark))
    refused(dark - 5, "mostly negative")
    refused((dark - 5).astype(np.int16), "mostly negative")


@pytest.mark.parametrize(
    ("dtype", "ceiling"), [("uint8", 255), ("uint16", 4095), ("uint16", 65535), ("float32", 1023.0)]
)
def test_saturated(dtype: str, ceiling: float) -> None:
    bright = RNG.normal(ceiling * 0.6, ceiling * 0.06, (20, 32, 32))
    check_movie(as_stack(np.clip(bright, 0, ceiling).astype(dtype)))
    bright[:, :6, :6] += ceiling  # 3.5 % of the pixels
    refused(np.clip(bright, 0, ceiling).astype(dtype), rf"saturated: 3\.5 % .* ceiling of {ceiling:g}")
    bright[:, :6, :6] -= ceiling
    bright[:, :2, :2] += ceiling  # 0.4 %: a bead
    check_movie(as_stack(np.clip(bright, 0, ceiling).astype(dtype)))


def test_few_grey_values_are_not_saturation() -> None:
    """Single photons counted: many pixels at the highest value, and more below it."""
    check_movie(as_stack((RNG.random((20, 32, 32)) < 0.1).astype(np.uint8)))


@pytest.mark.parametrize("shape", [(5, 15, 40), (5, 40, 15)])
def test_small_frames(shape: tuple[int, int, int]) -> None:
    refused(RNG.random(shape), "at least 16 x 16 are needed")


def test_long_movie_is_sampled() -> None:
    """Only a few frames are read, the first and the last among them, in order."""

    class Counting:
        shape = (100_000, 512, 512)
        dtype = np.dtype(np.uint16)

        def __init__(self) -> None:
            self.read: list[int] = []

        def __getitem__(self, key: slice) -> np.ndarray:
            self.read.append(key.start)
            return RNG.poisson(50, (key.stop - key.start, 512, 512)).astype(np.uint16)

    data = Counting()
    check_movie(Stack(data))
    assert len(data.read) <= 64
    assert (data.read[0], data.read[-1]) == (0, 99_999)
    assert np.ptp(np.diff(data.read)) <= 2


@pytest.mark.parametrize(
    ("offset", "fits"),
    [(0.0, True), (100.0, True), (120.0, True), (122.0, True), (130.0, False), (5e4, False)],
)
def test_camera_that_makes_light_negative(offset: float, fits: bool) -> None:
    """The background is at 120 ADU with a noise of 4.5."""
    camera = Camera(offset_adu=offset, electrons_per_adu=2.0)
    if fits:
        check_camera(as_stack(GOOD), camera)
    else:
        with pytest.raises(
            BlinkspotError, match=r"its median is 120 ADU, and the offset must lie below that"
        ):
            check_camera(as_stack(GOOD), camera)


def test_a_denoised_movie_in_photons_is_refused() -> None:
    camera, noisy = Camera(offset_adu=100.0), as_stack(GOOD)
    smooth = np.broadcast_to(GOOD.mean(axis=0), GOOD.shape)
    check_denoised(as_stack(smooth), noisy, camera)
    check_denoised(as_stack(smooth - 21.0), noisy, camera)  # dark, a little below the offset
    too_high = Camera(offset_adu=123.0)  # by less than the noise
    check_camera(noisy, too_high)
    check_denoised(as_stack(smooth), noisy, too_high)
    check_denoised(as_stack(smooth[1:] - 100.0), noisy, camera)  # of another length, which others say
    words = r"^Most of the denoised movie would .* neither in photons nor without"
    with pytest.raises(BlinkspotError, match=words):
        check_denoised(as_stack(smooth - 100.0), noisy, camera)


@pytest.mark.filterwarnings("error")
def test_photons_beyond_all_number() -> None:
    huge = as_stack(GOOD.astype(np.float32) * 1e34)
    with pytest.raises(BlinkspotError, match="beyond all number: correct the camera"):
        check_camera(huge, Camera(electrons_per_adu=1e6))


def test_frames_of_a_range_are_named_by_their_place_in_the_movie() -> None:
    frames = GOOD[10:13].copy()
    frames[1, 2, :2] = np.nan
    with pytest.raises(BlinkspotError, match=r"Frame 12 \(counting from 1\) of the movie has 2 pixels"):
        check_finite(as_stack(GOOD), range(10, 13), frames)


def test_dark_movie_with_read_noise_fits_its_camera() -> None:
    dark = np.rint(RNG.normal(100, 8, (20, 32, 32))).astype(np.uint16)
    check_camera(as_stack(dark), Camera(offset_adu=100.3, read_noise_electrons=8.0))


def test_shared_movies(shared_data) -> None:
    em = Camera(offset_adu=100, electrons_per_adu=12, em_gain=150)
    for name, camera in [
        ("simulated/default.tif", Camera(offset_adu=414, electrons_per_adu=3.6)),
        ("simulated/low120.tif", em),
        ("simulated/yfp3_bg100.tif", em),
        ("simulated/blinking_low60.tif", em),
        ("real/eos_actin_palm_300x96x96.tif", Camera(offset_adu=1125, electrons_per_adu=1 / 19.5)),
        ("real/scmos_storm_11x256x256.tif", Camera(offset_adu=100)),
    ]:
        stack = open_stack(shared_data / name)
        check_movie(stack)
        check_camera(stack, camera)
