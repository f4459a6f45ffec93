"""Difference and residual, frame by frame, and the profile along a line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.residuals.standardised import by_denoised
from blinkspot.movies.frame_comparison import (
    DenoisedResidualFrames,
    DifferenceFrames,
    FramePairs,
    symmetric_limit,
)
from blinkspot.movies.line_profile import Line, line_profile
from blinkspot.movies.stack import Stack

RANDOM = np.random.default_rng(5)
NOISY = RANDOM.poisson(300.0, (9, 12, 14)).astype(np.uint16)
DENOISED = RANDOM.uniform(250.0, 350.0, (9, 12, 14)).astype(np.float32)
CAMERA = Camera(offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0, read_noise_electrons=30.0)


def test_the_difference_is_denoised_minus_noisy_of_the_frames_asked_for():
    difference = DifferenceFrames(FramePairs(Stack(NOISY), Stack(DENOISED[2:6]), first=2))
    assert difference.shape == (4, 12, 14)
    np.testing.assert_allclose(difference[1], DENOISED[3] - NOISY[3].astype(float), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(difference), DENOISED[2:6] - NOISY[2:6].astype(float), rtol=1e-6)


def test_only_the_frames_that_are_looked_at_are_read():
    class Counting:
        shape, dtype, ndim = NOISY.shape, NOISY.dtype, 3
        read: tuple[list[int], ...] = ([],)

        def __getitem__(self, key):
            self.read[0].append((key.start, key.stop))
            return NOISY[key]

    counting = Counting()
    difference = DifferenceFrames(FramePairs(Stack(counting), Stack(DENOISED)))
    assert counting.read[0] == []
    difference[4]
    assert counting.read[0] == [(4, 5)]


def test_large_integers_are_subtracted_exactly():
    noisy = np.full((2, 8, 8), 2**31 + 1, np.uint32)
    denoised = np.full((2, 8, 8), 2**31, np.float64)
    assert np.all(DifferenceFrames(FramePairs(Stack(noisy), Stack(denoised)))[0] == -1.0)


def test_the_residual_is_that_of_the_residual_check():
    frames = DenoisedResidualFrames(FramePairs(Stack(NOISY), Stack(DENOISED)), CAMERA)
    whole = np.concatenate([part.residual for part in by_denoised(Stack(NOISY), Stack(DENOISED), CAMERA)])
    np.testing.assert_array_equal(frames[3], whole[3])


def test_the_residual_by_hand():
    # Behind the EM register 10 ADU are 0.8 photoelectrons, or 0.4 counts; the read noise, 30 / 150
    # photoelectrons, is of (0.2 / 2)^2 counts.
    frames = DenoisedResidualFrames(FramePairs(Stack(NOISY), Stack(DENOISED)), CAMERA)
    counts, light = (0.04 * (movie[7, 5, 6] - 100.0) + 0.01 for movie in (NOISY.astype(float), DENOISED))
    assert frames[7][5, 6] == pytest.approx((counts - light) / np.sqrt(light), rel=1e-4)


@pytest.mark.parametrize(
    ("denoised", "first", "words"),
    [
        (DENOISED[:, :10], 0, "12 x 14 pixels and the denoised ones 10 x 14"),
        (DENOISED[:5], 5, "from 5 to 9 of the noisy movie, which has 9"),
        (DENOISED[:5], -1, "from -1 to 3"),
    ],
)
def test_what_is_not_the_same_movie_is_refused(denoised, first, words):
    with pytest.raises(BlinkspotError, match=words):
        FramePairs(Stack(NOISY), Stack(denoised), first)


def test_limits_are_of_the_pixels_that_are_numbers():
    frame = np.concatenate([np.linspace(-1.0, 1.0, 2001), [np.nan, np.inf]])
    assert symmetric_limit(frame) == pytest.approx(0.998, abs=1e-3)
    assert symmetric_limit(np.zeros((3, 3))) == 1.0
    assert symmetric_limit(np.full((3, 3), np.nan)) == 1.0


inside = st.tuples(st.floats(0.0, 11.0), st.floats(0.0, 13.0))


@given(inside, inside)
def test_within_a_plane_the_profile_is_the_plane(start, end):
    y, x = np.mgrid[:12, :14]
    line = Line(start, end)
    distances, values = line_profile(2.0 * y - 3.0 * x + 1.0, line)
    places = np.linspace(start, end, len(distances))
    np.testing.assert_allclose(values, 2.0 * places[:, 0] - 3.0 * places[:, 1] + 1.0, atol=1e-9)
    assert distances[0] == 0.0
    assert distances[-1] == pytest.approx(np.hypot(end[0] - start[0], end[1] - start[1]))
    assert np.all(np.diff(distances) <= 0.5 + 1e-12)


def test_the_profile_of_a_frame_is_that_of_scipy():
    line = Line((2.3, 1.1), (9.7, 12.2))
    distances, values = line_profile(NOISY[0], line)
    places = [np.linspace(a, b, len(distances)) for a, b in zip(line.start, line.end, strict=True)]
    np.testing.assert_allclose(values, map_coordinates(NOISY[0].astype(float), places, order=1), rtol=1e-12)


def test_outside_the_frame_there_is_no_light():
    distances, values = line_profile(NOISY[0], Line((5.0, -4.0), (5.0, 17.0)))
    x = distances - 4.0
    np.testing.assert_array_equal(np.isnan(values), (x < -0.5) | (x > 13.5))
    # The outermost pixels reach half a pixel beyond their centres.
    assert values[np.isclose(x, 13.5)] == NOISY[0, 5, 13]


def test_a_line_of_no_length_is_one_place():
    distances, values = line_profile(NOISY[0], Line((3.0, 4.0), (3.0, 4.0)))
    assert list(distances) == [0.0, 0.0]
    assert list(values) == [NOISY[0, 3, 4]] * 2
