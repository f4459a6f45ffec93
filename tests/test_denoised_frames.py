"""Frames denoised when they are read: the same as in a file, kept within bounds, read by many threads."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_plugin_helpers import CAMERA, model, movie

from blinkspot.denoising import ESTIMATES, DenoisedChunk, DenoisedFrames, denoise_to_file, frame_stream
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.progress import Progress, finish

FRAME_BYTES = 32 * 32 * 4
N_FRAMES = 40


@pytest.fixture
def three_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have three frames of 32 x 32 computed in one go, as of larger ones."""
    monkeypatch.setitem(frame_stream._PIXELS_AT_ONCE, "cpu", 3 * 32 * 32)


class StandIn:
    """Multiplies by 2, at two frames a time, and remembers which frames it was asked for."""

    camera = CAMERA

    def __init__(self) -> None:
        self.asked: list[range] = []
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()

    def frames_at_once(self, movie: Stack) -> int:
        return 2

    def denoise(self, movie: Stack, start: int, stop: int, estimate: str) -> Iterator[DenoisedChunk]:
        self.asked.append(range(start, stop))
        self.begun.set()
        for first in range(start, stop, 2):
            yield DenoisedChunk(first, np.empty((0, 32, 32), np.float32), Progress("denoising", 0, 1, 0.0))
            assert self.may_go_on.wait(10)
            frames = CAMERA.photoelectrons(movie.frames(first, min(first + 2, stop)))
            yield DenoisedChunk(first, 2 * frames, Progress("denoising", 0, 1, 0.0))


def doubled(*frames: int) -> np.ndarray:
    return CAMERA.adu(2 * CAMERA.photoelectrons(movie()[list(frames)]))


def stand_in_frames(frames_kept: int) -> tuple[StandIn, DenoisedFrames]:
    stand_in = StandIn()
    frames = DenoisedFrames(stand_in, Stack(movie()), cache_bytes=frames_kept * FRAME_BYTES)  # type: ignore[arg-type]
    return stand_in, frames


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_frames_are_those_of_the_file_to_the_bit(three_at_once, tmp_path, estimate):
    noisy = Stack(movie())
    finish(denoise_to_file(model(), noisy, tmp_path / "whole.tif", estimate))
    whole = open_stack(tmp_path / "whole.tif").frames(0, N_FRAMES)
    frames = DenoisedFrames(model(), noisy, estimate, cache_bytes=6 * FRAME_BYTES)
    assert (frames.shape, frames.dtype, frames.size) == (whole.shape, whole.dtype, whole.size)
    for index in (17, 0, 39, 16, 18, 1):
        np.testing.assert_array_equal(frames[index], whole[index])
    np.testing.assert_array_equal(frames[11:29], whole[11:29])
    np.testing.assert_array_equal(frames[::13, 4:9, -3], whole[::13, 4:9, -3])
    np.testing.assert_array_equal(np.asarray(frames), whole)
    assert frames[5:5].shape == (0, 32, 32)


def test_what_was_read_is_kept_and_what_was_used_least_recently_forgotten():
    stand_in, frames = stand_in_frames(frames_kept=6)
    assert frames.frames_kept == 6
    for index in (0, 2, 4):
        np.testing.assert_array_equal(frames[index], doubled(index)[0])
    frames[1], frames[4], frames.cached(0)
    assert stand_in.asked == [range(0, 2), range(2, 4), range(4, 6)]
    frames[6]  # now that of 2 and 3 is the oldest
    assert [frames.cached(index) is not None for index in range(8)] == [True, True, False, False] + 4 * [True]
    frames[0:4]
    assert stand_in.asked[3:] == [range(6, 8), range(2, 4)]
    assert frames.cached(4) is None
    assert frames._cached_bytes == 6 * FRAME_BYTES == sum(block.nbytes for block in frames._cache.values())


def test_the_latest_block_is_kept_however_small_the_memory():
    stand_in, frames = stand_in_frames(frames_kept=0)
    np.testing.assert_array_equal(frames[0:5], doubled(0, 1, 2, 3, 4))
    assert stand_in.asked == [range(0, 6)]
    np.testing.assert_array_equal(frames.cached(5), doubled(5)[0])
    assert frames.cached(3) is None
    assert frames.frames_kept == 2


def test_what_is_kept_cannot_be_changed_from_outside():
    _, frames = stand_in_frames(frames_kept=6)
    frames[0:2][...] = 0.0
    np.testing.assert_array_equal(frames[1], doubled(1)[0])
    with pytest.raises(ValueError, match="read-only"):
        frames.cached(1)[...] = 0.0


def test_a_frame_can_be_computed_bit_by_bit_and_dropped():
    _, frames = stand_in_frames(frames_kept=6)
    assert frames.block_of(39) == frames.block_of(38) == range(38, 40)
    job = frames.compute(39)
    assert isinstance(next(job), Progress)
    assert frames.cached(39) is None
    job.close()
    assert frames.cached(39) is None
    finish(frames.compute(39))
    np.testing.assert_array_equal(frames.cached(38), doubled(38)[0])


def test_who_reads_a_frame_that_is_computed_for_display_waits_for_it():
    stand_in, frames = stand_in_frames(frames_kept=6)
    stand_in.may_go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        computing = pool.submit(finish, frames.compute(8))
        assert stand_in.begun.wait(10)
        reading = pool.submit(frames.read, 7, 9)
        stand_in.may_go_on.set()
        computing.result(10)
        np.testing.assert_array_equal(reading.result(10), doubled(7, 8))
    assert sorted(stand_in.asked, key=lambda asked: asked.start) == [range(6, 8), range(8, 10)]


def test_who_waits_for_a_frame_that_is_dropped_computes_it():
    stand_in, frames = stand_in_frames(frames_kept=6)
    job = frames.compute(8)
    next(job)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(frames.read, 8, 9)
        assert not reading.done()
        job.close()
        np.testing.assert_array_equal(reading.result(10), doubled(8))
    assert stand_in.asked == [range(8, 10)] * 2


def test_many_threads_read_at_once(three_at_once):
    noisy = Stack(movie())
    whole = CAMERA.adu(np.concatenate([chunk.frames for chunk in model().denoise(noisy)]))
    frames = DenoisedFrames(model(), noisy, cache_bytes=9 * FRAME_BYTES)

    def read(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(8):
            start, stop = sorted(random.integers(0, N_FRAMES + 1, 2))
            if seed % 2:
                index = int(random.integers(N_FRAMES))
                finish(frames.compute(index))
            np.testing.assert_array_equal(frames[start:stop], whole[start:stop])

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(read, seed) for seed in range(4)]:
            done.result(60)
    assert not frames._in_hand
    assert frames._cached_bytes <= 9 * FRAME_BYTES


def test_a_frame_that_cannot_be_denoised_is_named_and_the_others_are(three_at_once):
    noisy = movie().astype(np.float32)
    noisy[20, 3, 4] = np.nan
    frames = DenoisedFrames(model(), Stack(noisy))
    for read in (lambda: frames[20], lambda: finish(frames.compute(20))):
        with pytest.raises(BlinkspotError, match=r"^Frame 21 "):
            read()
    assert np.isfinite(frames[0]).all()
    assert not frames._in_hand
    with pytest.raises(BlinkspotError, match="no estimate 'best'"):
        DenoisedFrames(model(), Stack(noisy), "best")[0]  # type: ignore[arg-type]
