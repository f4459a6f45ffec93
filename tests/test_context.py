"""Neighbourhoods in time, and which frames are learnt from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.camera import Camera
from blinkspot.denoising.context import counts_with_context, neighbours
from blinkspot.denoising.frames import choose_frames, frame_signal
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import as_stack
from blinkspot.progress import finish


@given(context=st.integers(0, 2), data=st.data())
def test_a_frame_is_never_its_own_neighbour(context, data):
    n_frames = data.draw(st.integers(max(2, 2 * context + 1), 12))
    indices = neighbours(np.arange(n_frames), n_frames, context)
    assert indices.shape == (n_frames, 2 * context + 1)
    assert indices.min() >= 0
    assert indices.max() < n_frames
    for frame in range(n_frames):
        assert indices[frame, context] == frame
        assert np.count_nonzero(indices[frame] == frame) == 1
        if context <= frame < n_frames - context:
            np.testing.assert_array_equal(indices[frame], np.arange(frame - context, frame + context + 1))


def test_a_movie_shorter_than_its_context_is_refused():
    with pytest.raises(BlinkspotError, match=r"4 frame.*too few for 2 context"):
        neighbours(np.arange(4), 4, 2)


def test_a_stream_reads_the_same_neighbours_as_the_whole():
    movie = as_stack(np.arange(7 * 4 * 4, dtype=np.float32).reshape(7, 4, 4))
    camera = Camera(offset_adu=10.0, electrons_per_adu=2.0)
    whole = camera.counts(movie.frames(0, 7))[neighbours(np.arange(7), 7, 2)]
    for start, stop in [(0, 1), (1, 3), (3, 7), (6, 7), (0, 7)]:
        part = counts_with_context(movie, camera, start, stop, 2)
        np.testing.assert_array_equal(part, whole[start:stop])


def test_signal_is_blind_to_the_background_and_sees_molecules():
    frames = np.zeros((3, 10, 10)) + np.array([0.0, 500.0, 500.0])[:, None, None]
    frames[2, 4:6, 4:6] += 100.0
    np.testing.assert_allclose(frame_signal(frames), [0.0, 0.0, 4.0], atol=1e-9)


def bright_and_dark_movie(n_frames: int) -> np.ndarray:
    movie = np.random.default_rng(0).poisson(5.0, (n_frames, 16, 16)).astype(np.uint16)
    movie[::2, 6:9, 6:9] += 60
    return movie


def test_dim_frames_are_left_out_and_the_rest_is_split_nine_to_one():
    movie = as_stack(bright_and_dark_movie(200))
    chosen = finish(choose_frames(movie, TrainingSettings(), 1))
    together = np.concatenate([chosen.training, chosen.validation])
    assert sorted(together) == list(range(0, 200, 2))
    assert len(chosen.validation) == 10
    assert set(chosen.rows) == set(range(200))  # the context is kept though it is dim
    for frame in (0, 42, 199):
        np.testing.assert_array_equal(chosen.pixels[chosen.rows[frame]], movie.frame(frame))


def test_a_long_movie_is_sampled_in_runs_over_all_its_length():
    movie = as_stack(bright_and_dark_movie(400))
    settings = TrainingSettings(context_frames=0, max_frames=100, min_relative_signal=0.0)
    chosen = finish(choose_frames(movie, settings, settings.context_frames))
    frames = np.sort(np.concatenate([chosen.training, chosen.validation]))
    assert len(frames) == 100
    assert frames[0] == 0
    assert frames[-1] == 399
    assert np.count_nonzero(np.diff(frames) == 1) == 95  # five runs of 20


@pytest.mark.parametrize("frame", [3, 10])
def test_a_frame_that_is_not_finite_is_named(frame):
    """Also one that is only a neighbour of frames to learn from."""
    movie = np.random.default_rng(0).poisson(20.0, (30, 32, 32)).astype(np.float32)
    movie[frame, 1, 2] = np.inf
    settings = TrainingSettings(context_frames=1, max_frames=10, min_relative_signal=0.0)
    with pytest.raises(BlinkspotError, match=rf"Frame {frame + 1} \(counting from 1\)"):
        finish(choose_frames(as_stack(movie), settings, settings.context_frames))


def test_too_few_frames_are_refused():
    with pytest.raises(BlinkspotError, match="only 3 frame"):
        finish(choose_frames(as_stack(bright_and_dark_movie(3)), TrainingSettings(), 1))
