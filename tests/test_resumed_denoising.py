"""A denoised file that was begun before is to the bit the one made in one go; the words say what happened."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blinkspot import denoising
from blinkspot.camera import Camera
from blinkspot.denoising import DenoisedFile, Denoiser, denoise_to_file, frame_stream
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.denoising.tiles import tiles
from blinkspot.denoising.training.new_network import untrained_network
from blinkspot.errors import BlinkspotError
from blinkspot.files.unfinished_files import unfinished_files
from blinkspot.movies import resumable_writing, zarr_writing
from blinkspot.movies.stack import Stack, as_stack, open_stack
from blinkspot.progress import Progress, finish

pytest_plugins = ["commands"]

Command = Callable[..., Any]

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=2.0)
N_FRAMES, SIDE_PX = 6, 24


def model(context_frames: int = 0, seed: int = 0, camera: Camera = CAMERA) -> Denoiser:
    """A network as it is before it has learned anything."""
    settings = denoising.TrainingSettings(
        channels=4, context_frames=context_frames, blind_spot_radius_px=0, components=2, seed=seed
    )
    network = PriorNetwork(untrained_network(settings), InputScaling(8.0, 3.0, 16.0), components=2)
    return Denoiser(network, "dilated", camera, {"seed": seed, "created": f"day {seed}"})


def movie(side_px: int = SIDE_PX, seed: int = 0) -> Stack:
    counts = np.random.default_rng(seed).poisson(8.0, (N_FRAMES, side_px, side_px))
    return as_stack((100 + counts / 2).astype(np.uint16))


def denoise(file: DenoisedFile, frames: int | None = None) -> list[Progress]:
    """Denoise to the end, or until so many frames are written."""
    said = []
    with contextlib.suppress(KeyboardInterrupt), file:
        for value in file.denoise():
            said.append(value)
            if frames is not None and file._writer.frames_written >= frames:
                raise KeyboardInterrupt
    return said


def pixels_of(path: Path) -> np.ndarray:
    return open_stack(path).frames(0, open_stack(path).n_frames)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Have so many pixels be computed in one go, so many bytes make a chunk, and all be secured at once."""
    monkeypatch.setattr(resumable_writing, "_SECURED_EVERY_S", 0.0)
    monkeypatch.setattr(resumable_writing, "_SHARE_OF_TIME", 1e9)

    def set_up(pixels: int, chunk_bytes: int) -> None:
        monkeypatch.setitem(frame_stream._PIXELS_AT_ONCE, "cpu", pixels)
        monkeypatch.setattr(zarr_writing, "_CHUNK_BYTES", chunk_bytes)

    return set_up


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("context_frames", [0, 2])
@pytest.mark.parametrize(
    ("side_px", "frames_at_once", "frames_per_chunk"),
    [(SIDE_PX, 1, 1), (SIDE_PX, 3, 2), (SIDE_PX, 3, 5), (64, 0.5, 1)],
    ids=["frame by frame", "together", "in large chunks", "tiled"],
)
def test_at_every_seam_it_is_the_same(
    tmp_path: Path,
    at_once: Callable[[int, int], None],
    suffix: str,
    context_frames: int,
    side_px: int,
    frames_at_once: float,
    frames_per_chunk: int,
) -> None:
    pixels_at_once = int(frames_at_once * side_px**2)
    at_once(pixels_at_once, 4 * side_px**2 * frames_per_chunk)
    denoiser, noisy = model(context_frames), movie(side_px)
    cut = tiles((side_px, side_px), denoiser._model.network, pixels_at_once)
    assert (len(cut) > 1) == (frames_at_once < 1)
    whole = tmp_path / f"whole{suffix}"
    finish(denoise_to_file(denoiser, noisy, whole, "posterior-mean", "photons"))
    expected = pixels_of(whole)
    one_by_one = np.concatenate([chunk.frames for chunk in denoiser.denoise(noisy)])
    np.testing.assert_array_equal(expected, one_by_one)
    seams = set()
    for seam in range(1, N_FRAMES):
        path = tmp_path / f"{seam}{suffix}"
        first = DenoisedFile(denoiser, noisy, path, units="photons")
        denoise(first, seam)
        kept = first._writer.frames_secured
        seams.add(kept)
        second = DenoisedFile(denoiser, noisy, path, units="photons")
        said = denoise(second)
        assert second.note == (f"Going on after {kept} of {N_FRAMES} frames." if kept else "")
        np.testing.assert_array_equal(pixels_of(path), expected)
        assert [value.done for value in said] == sorted(value.done for value in said)
        assert said[-1].fraction == 1.0
        assert said[0].done > kept - max(1, frames_at_once)
    if frames_at_once <= 1:
        assert seams == set(range(1, N_FRAMES))
    assert not any(entry.name.startswith(".") for entry in tmp_path.iterdir())


def test_a_part_of_a_movie_goes_on_within_that_part(
    tmp_path: Path, at_once: Callable[[int, int], None]
) -> None:
    at_once(2 * SIDE_PX**2, 1)
    denoiser, noisy, path = model(1), movie(), tmp_path / "part.tif"
    denoise(DenoisedFile(denoiser, noisy, path, start=1, stop=6), 3)
    file = DenoisedFile(denoiser, noisy, path, start=1, stop=6)
    denoise(file)
    assert file.note == "Going on after 4 of 5 frames."
    expected = np.concatenate([chunk.frames for chunk in denoiser.denoise(noisy, 1, 6)])
    np.testing.assert_array_equal(pixels_of(path), CAMERA.adu(expected))
    assert open_stack(path).metadata["provenance"]["settings"] == {
        "estimate": "posterior-mean", "units": "adu", "start": 1, "stop": 6,
    }  # fmt: skip
    with pytest.raises(BlinkspotError, match="has frames 0 to 5"):
        DenoisedFile(denoiser, noisy, path, start=5, stop=7)


def test_the_time_left_is_that_of_the_frames_that_are_left() -> None:
    """30 of 100 were there, 10 more took 5 s: 60 are left."""
    value = Progress("denoising", 40.0, 100.0, 5.0, done_before=30.0)
    assert value.fraction == 0.4
    assert value.remaining_s == pytest.approx(30.0)
    assert Progress("denoising", 30.0, 100.0, 5.0, done_before=30.0).remaining_s is None
    assert Progress("denoising", 100.0, 100.0, 0.0, done_before=100.0).remaining_s == 0.0
    assert Progress("denoising", 10.0, 100.0, 5.0).remaining_s == pytest.approx(45.0)


def test_progress_goes_on_where_it_was(tmp_path: Path, at_once: Callable[[int, int], None]) -> None:
    at_once(SIDE_PX**2, 1)
    path = tmp_path / "out.tif"
    denoise(DenoisedFile(model(), movie(), path), 4)
    said = denoise(DenoisedFile(model(), movie(), path))
    assert {(value.done_before, value.total) for value in said} == {(4, 6)}
    done = [value.done for value in said if value.done > 4]
    assert done[0] == 5
    assert done[-1] == 6


OTHERS: dict[str, Callable[[Path], DenoisedFile]] = {
    "model": lambda path: DenoisedFile(model(seed=1), movie(), path),
    "movie": lambda path: DenoisedFile(model(), movie(seed=1), path),
    "estimate": lambda path: DenoisedFile(model(), movie(), path, "map"),
    "unit": lambda path: DenoisedFile(model(), movie(), path, units="photons"),
    "range of frames": lambda path: DenoisedFile(model(), movie(), path, stop=5),
    "camera": lambda path: DenoisedFile(
        model(camera=Camera(pixel_size_nm=100.0, offset_adu=99.0, electrons_per_adu=2.0)), movie(), path
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_what_was_made_in_another_way_is_not_gone_on_with(
    tmp_path: Path, at_once: Callable[[int, int], None], other: str
) -> None:
    at_once(SIDE_PX**2, 1)
    path, fresh = tmp_path / "out.tif", tmp_path / "fresh.tif"
    denoise(DenoisedFile(model(), movie(), path), 4)
    (kept,) = unfinished_files(path)
    file = OTHERS[other](path)
    denoise(file)
    assert file.note == (
        f"Begun anew: the 4 of 6 frames in {kept.folder} were made with another {other}, and stay there."
    )
    denoise(OTHERS[other](fresh))
    np.testing.assert_array_equal(pixels_of(path), pixels_of(fresh))
    assert set(tmp_path.iterdir()) == {path, fresh, kept.folder}
    path.unlink()
    file = DenoisedFile(model(), movie(), path)
    denoise(file)
    assert file.note == "Going on after 4 of 6 frames."


def test_a_model_from_a_file_goes_on_with_what_it_began_before_it_was_saved(
    tmp_path: Path, at_once: Callable[[int, int], None]
) -> None:
    at_once(SIDE_PX**2, 1)
    denoiser = model()
    denoise(DenoisedFile(denoiser, movie(), tmp_path / "out.tif"), 4)
    denoiser.save(tmp_path / "model")
    file = DenoisedFile(Denoiser.load(tmp_path / "model"), movie(), tmp_path / "out.tif")
    denoise(file)
    assert file.note == "Going on after 4 of 6 frames."


# -- the command


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_a_closed_stream_is_gone_on_with(
    tmp_path: Path, at_once: Callable[[int, int], None], suffix: str
) -> None:
    at_once(SIDE_PX**2, 1)
    path = tmp_path / f"out{suffix}"
    running = denoise_to_file(model(), movie(), path)
    while next(running).done < 2:
        pass
    running.close()
    assert not path.exists()
    said: list[Progress] = []
    finish(denoise_to_file(model(), movie(), path), said.append)
    assert said[0].done_before == 2
    expected = np.concatenate([chunk.frames for chunk in model().denoise(movie())])
    np.testing.assert_array_equal(pixels_of(path), CAMERA.adu(expected))
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def line(work: Path, tmp_path: Path) -> tuple[object, ...]:
    return ("denoise", work / "movie.tif", "-m", work / "a model", "-o", tmp_path / "out.tif")


@pytest.fixture
def interrupted(
    command: Command,
    line: tuple[object, ...],
    on_progress: Callable[..., None],
    at_once: Callable[[int, int], None],
) -> Callable[[], Any]:
    """Run the command, and interrupt it after ten frames or a few more."""

    def run(*options: object) -> Any:
        at_once(32 * 32, 1)
        # Once: an interruption leaves signals ignored.
        on_progress(lambda value: value.done >= 10 and signal.raise_signal(signal.SIGINT))
        return command(*line, *options)

    return run


def frames_kept(path: Path) -> int:
    (unfinished,) = unfinished_files(path)
    record = unfinished.read_record()
    assert record is not None
    return record.frames


def test_an_interrupted_command_says_how_to_go_on_and_does(
    command: Command, line: tuple[object, ...], work: Path, tmp_path: Path, interrupted: Callable[..., Any]
) -> None:
    ended = interrupted()
    (unfinished,) = unfinished_files(tmp_path / "out.tif")
    frames = frames_kept(tmp_path / "out.tif")
    assert 10 <= frames < 40
    assert ended.status == 130
    assert ended.words[-1] == (
        f"Stopped after {frames} of 40 frames, which are kept in {unfinished.folder}: "
        "denoise into the same file again to go on."
    )
    assert list(tmp_path.iterdir()) == [unfinished.folder]
    ended = command(*line)
    assert ended.status == 0
    assert f"Going on after {frames} of 40 frames." in ended.words
    # Which was computed in other blocks: on some processors that changes last bits.
    np.testing.assert_allclose(
        tifffile.imread(tmp_path / "out.tif"), tifffile.imread(work / "denoised.tif"), rtol=1e-6
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "out.tif"]


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_before_there_is_a_frame_it_leaves_nothing(
    command: Command,
    work: Path,
    tmp_path: Path,
    on_progress: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    number: signal.Signals,
) -> None:
    def nothing_yet(*_: Any, **__: Any) -> Iterator[denoising.DenoisedChunk]:
        yield denoising.DenoisedChunk(0, np.empty((0, 32, 32), np.float32), Progress("denoising", 0, 40, 0.0))
        pytest.fail("goes on")

    monkeypatch.setattr(Denoiser, "denoise", nothing_yet)
    on_progress(lambda _: signal.raise_signal(number))
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", tmp_path / f"out{suffix}")
    assert ended.status == 130
    assert ended.words[-1] == "blinkspot: Stopped; nothing half-done was left behind."
    assert list(tmp_path.iterdir()) == []


def test_the_command_begins_anew_where_it_is_told_to(
    command: Command, line: tuple[object, ...], tmp_path: Path, interrupted: Callable[..., Any]
) -> None:
    interrupted()
    ended = command(*line, "--restart")
    assert ended.status == 0
    assert not any("Going on" in words for words in ended.words)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.tif"]


def test_another_estimate_does_not_go_on(
    command: Command, line: tuple[object, ...], tmp_path: Path, interrupted: Callable[..., Any]
) -> None:
    interrupted()
    frames = frames_kept(tmp_path / "out.tif")
    ended = command(*line, "--estimate", "map")
    assert ended.status == 0
    assert any(
        words.startswith(f"Begun anew: the {frames} of 40 frames in")
        and words.endswith("made with another estimate, and stay there.")
        for words in ended.words
    )


def test_a_movie_that_is_damaged_midway_keeps_what_is_done(
    command: Command,
    line: tuple[object, ...],
    tmp_path: Path,
    on_progress: Callable[..., None],
    at_once: Callable[[int, int], None],
) -> None:
    at_once(32 * 32, 1)

    def fail(value: Progress) -> None:
        if value.done >= 10:
            raise BlinkspotError("movie.tif is cut short.")

    on_progress(fail)
    ended = command(*line)
    assert (ended.status, ended.words[-1]) == (2, "blinkspot: movie.tif is cut short.")
    assert ended.words[-2].startswith("Stopped after 1")
    assert 10 <= frames_kept(tmp_path / "out.tif") < 40


SLOWLY = """
import sys, time
from blinkspot.movies import resumable_writing
from blinkspot.denoising import frame_stream
from blinkspot.cli import main
resumable_writing._SECURED_EVERY_S = 0.0
frame_stream._PIXELS_AT_ONCE["cpu"] = 32 * 32
computed = frame_stream.FrameStream._computed
def slowly(self, *arguments):
    time.sleep(0.02)
    return computed(self, *arguments)
frame_stream.FrameStream._computed = slowly
main(sys.argv[1:])
"""


def test_a_process_that_is_killed_is_gone_on_with(
    command: Command,
    line: tuple[object, ...],
    work: Path,
    tmp_path: Path,
    at_once: Callable[[int, int], None],
) -> None:
    arguments = [sys.executable, "-c", SLOWLY, *map(str, line)]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as killed:
        for _ in itertools.count():
            there = unfinished_files(tmp_path / "out.tif")
            record = there[0].read_record() if there else None
            if record is not None and record.frames >= 3:
                break
            assert killed.poll() is None, killed.stderr and killed.stderr.read().decode()
            time.sleep(0.01)
        killed.kill()
    assert not (tmp_path / "out.tif").exists()
    frames = frames_kept(tmp_path / "out.tif")
    at_once(32 * 32, 1)
    ended = command(*line)
    assert f"Going on after {frames} of 40 frames." in ended.words
    # Which was computed in other blocks: on some processors that changes last bits.
    np.testing.assert_allclose(
        tifffile.imread(tmp_path / "out.tif"), tifffile.imread(work / "denoised.tif"), rtol=1e-6
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "out.tif"]
