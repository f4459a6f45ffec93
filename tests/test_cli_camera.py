"""Whose word on the camera counts on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tifffile

from blinkspot.evaluation import PRESETS

pytest_plugins = ["commands"]

Command = Callable[..., Any]

CAMERA = PRESETS["low-light"].camera


@pytest.fixture
def plain(work: Path, tmp_path: Path) -> Path:
    """The movie without metadata."""
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, tifffile.imread(work / "movie.tif"), metadata=None, photometric="minisblack")
    return path


def camera_used(command: Command, movie: Path, out: Path, *options: object) -> tuple[dict[str, float], str]:
    ended = command("localize", movie, "-o", out, *options, "--json")
    return ended.answer["camera"], "\n".join(ended.words)


def test_camera_from_the_movie_is_said(work: Path, command: Command, tmp_path: Path) -> None:
    used, words = camera_used(command, work / "movie.tif", tmp_path / "out.csv")
    assert used == CAMERA.as_dict()
    assert words.startswith("From the movie's file: ")
    assert "electrons_per_adu 12" in words


def test_options_go_before_the_camera_file_and_that_before_the_movie(
    work: Path, command: Command, tmp_path: Path
) -> None:
    toml = tmp_path / "camera.toml"
    toml.write_text("[camera]\noffset_adu = 90\nelectrons_per_adu = 11\n")
    used, words = camera_used(
        command, work / "movie.tif", tmp_path / "out.csv", "--camera", toml, "--electrons-per-adu", 10
    )
    # The file says nothing of the pixel size and the gain, but the movie does.
    assert used == CAMERA.as_dict() | {"offset_adu": 90.0, "electrons_per_adu": 10.0}
    assert words == "From the movie's file: pixel_size_nm 100, em_gain 150, read_noise_electrons 0."


def test_camera_by_a_file_alone_or_options_alone(
    plain: Path, work: Path, command: Command, tmp_path: Path
) -> None:
    toml = work / "movie_camera.toml"
    used, words = camera_used(command, plain, tmp_path / "file.csv", "--camera", toml)
    assert (used, words) == (CAMERA.as_dict(), "")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in CAMERA.as_dict().items()]
    used, words = camera_used(command, plain, tmp_path / "options.csv", *options)
    assert (used, words) == (CAMERA.as_dict(), "")
    assert (tmp_path / "file.csv").read_text() == (tmp_path / "options.csv").read_text()


def test_estimated_camera_is_said(plain: Path, command: Command, tmp_path: Path) -> None:
    used, words = camera_used(command, plain, tmp_path / "out.csv", "--offset-adu", 100, "--em-gain", 150)
    assert used["electrons_per_adu"] == pytest.approx(12, rel=0.1)
    assert "Estimated from the movie's noise, not known: electrons_per_adu" in words
    assert "The pixel size is not known and 100 nm is taken" in words


@pytest.mark.parametrize("content", [None, "", "pixel_size_nm = 120\n"])
def test_unknown_camera_is_refused(
    plain: Path, command: Command, tmp_path: Path, content: str | None
) -> None:
    """A camera file that does not state offset and conversion does not make them known."""
    options: tuple[object, ...] = ()
    if content is not None:
        (tmp_path / "camera.toml").write_text(content)
        options = ("--camera", tmp_path / "camera.toml")
    ended = command("localize", plain, "-o", tmp_path / "out.csv", *options)
    assert ended.status == 2
    assert "give --offset-adu and --electrons-per-adu, or --camera" in ended.words[0]
