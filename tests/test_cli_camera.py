"""Whose word on the camera counts on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.evaluation import PRESETS
from blinkspot.movies.stack import write_stack
from blinkspot.provenance import provenance

pytest_plugins = ["commands"]

Command = Callable[..., Any]

CAMERA = PRESETS["low-light"].camera


@pytest.fixture
def plain(work: Path, tmp_path: Path) -> Path:
    """The movie without metadata."""
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, tifffile.imread(work / "movie.tif"), metadata=None, photometric="minisblack")
    return path


def camera_used(command: Command, movie: Path, out: Path, *options: object) -> tuple[dict[str, Any], str]:
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


# -- maps


@pytest.fixture(scope="module")
def chip() -> CameraMaps:
    """The maps of a chip of 64 x 72 pixels with a baseline at 100 ADU."""
    rng = np.random.default_rng(1)
    variance = 4.0 * np.exp(rng.normal(0.0, 1.0, (64, 72)))
    return CameraMaps(rng.normal(100.0, 2.0, (64, 72)), variance, rng.normal(2.0, 0.05, (64, 72)))


@pytest.fixture
def scmos(chip: CameraMaps, tmp_path: Path) -> Path:
    """A movie of 48 x 48 pixels from row 5, column 9 of the chip, and the chip's maps, both ways."""
    maps = chip.window(5, 9, 48, 48)
    rng = np.random.default_rng(2)
    adu = rng.poisson(8.0, (40, 48, 48)) * maps.adu_per_electron + maps.offset_adu
    adu += rng.normal(0.0, 1.0, adu.shape) * np.sqrt(maps.variance_adu2)
    path = tmp_path / "scmos.tif"
    tifffile.imwrite(path, np.rint(adu).astype(np.uint16), photometric="minisblack", metadata=None)
    chip.save(tmp_path / "chip.npy")
    chip.transposed().save(tmp_path / "turned.npy")
    maps.transposed().save(tmp_path / "window_turned.npy")
    chip.moved_to(90.0).save(tmp_path / "older.npy")
    return path


def test_maps_of_a_part_of_the_chip(scmos: Path, chip: CameraMaps, command: Command, tmp_path: Path) -> None:
    window = ("--maps-window", 5, 9)
    used, words = camera_used(command, scmos, tmp_path / "a.csv", "--maps", tmp_path / "chip.npy", *window)
    assert used["maps"] == {"file": "chip.npy", "digest": chip.window(5, 9, 48, 48).digest, "shape": [48, 48]}
    assert (
        words
        == "The pixel size is not known and 100 nm is taken: give --pixel-size-nm where positions matter."
    )
    again, _ = camera_used(
        command, scmos, tmp_path / "b.csv", "--maps", tmp_path / "turned.npy", "--transpose-maps", *window
    )
    assert again["maps"]["digest"] == used["maps"]["digest"]
    record = json.loads((tmp_path / "a.provenance.json").read_text(encoding="utf-8"))
    assert record["camera"] == used


def test_a_movie_made_with_maps_says_so(
    scmos: Path, chip: CameraMaps, command: Command, tmp_path: Path
) -> None:
    maps = chip.window(5, 9, 48, 48)
    camera = Camera(pixel_size_nm=108.0, maps=maps)
    made = provenance("denoise", camera=camera, settings={"units": "adu"})
    write_stack(tmp_path / "denoised.tif", tifffile.imread(scmos).astype(np.float32), provenance=made)
    guide = ("--denoised", tmp_path / "denoised.tif")
    used, words = camera_used(command, scmos, tmp_path / "a.csv", *guide)
    assert "made with maps of an sCMOS camera: give them with --maps" in words
    assert "maps" not in used
    maps.save(tmp_path / "window.npy")
    used, words = camera_used(command, scmos, tmp_path / "b.csv", *guide, "--maps", tmp_path / "window.npy")
    assert "made with maps" not in words
    assert used["maps"]["digest"] == maps.digest
    assert used["pixel_size_nm"] == 108.0


def test_maps_by_a_camera_file(scmos: Path, chip: CameraMaps, command: Command, tmp_path: Path) -> None:
    Camera(pixel_size_nm=108.0, maps=chip.window(5, 9, 48, 48)).save(tmp_path / "camera.toml")
    used, words = camera_used(command, scmos, tmp_path / "a.csv", "--camera", tmp_path / "camera.toml")
    assert used["maps"]["digest"] == chip.window(5, 9, 48, 48).digest
    assert (used["pixel_size_nm"], words) == (108.0, "")


def test_offset_moves_the_maps_and_the_movie_tells_where_to(
    scmos: Path, command: Command, tmp_path: Path
) -> None:
    options = ("--maps", tmp_path / "older.npy", "--maps-window", 5, 9)
    used, words = camera_used(command, scmos, tmp_path / "a.csv", *options)
    assert used["offset_adu"] == pytest.approx(90.0, abs=0.3)
    (advice,) = re.findall(r"movie's noise tells .* give --offset-adu ([\d.]+)\.", words)
    told = command("camera", scmos, *options, "--json").answer
    assert told["offset_adu"] == pytest.approx(float(advice), abs=0.06) == pytest.approx(100.0, abs=1.2)
    assert told["electrons_per_adu"] == pytest.approx(0.5, rel=0.01)
    assert command("camera", scmos, *options, "--offset-adu", 90).refuses("leave out --offset-adu")
    used, words = camera_used(command, scmos, tmp_path / "b.csv", *options, "--offset-adu", advice)
    assert used["offset_adu"] == pytest.approx(float(advice), abs=1e-4)
    assert "noise" not in words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--maps", "chip.npy"], "64 x 72 pixels and the frames of"),
        (
            ["--maps", "chip.npy", "--maps-window", 5, 30],
            "48 x 48 pixels from row 5, column 30 (from 0) is not",
        ),
        (["--maps", "chip.npy", "--maps-window", -1, 0], "is not within the camera's maps"),
        (["--maps", "window_turned.npy"], "transpose them (--transpose-maps"),
        (["--maps", "absent.npy"], "cannot be read: No such file"),
        (["--maps-window", 5, 9], "give their file with --maps"),
        (["--transpose-maps"], "give their file with --maps"),
        (["--maps", "chip.npy", "--electrons-per-adu", 2], "leave out --electrons-per-adu"),
        (["--maps", "chip.npy", "--read-noise-electrons", 2], "leave out --read-noise-electrons"),
        (["--maps", "chip.npy", "--maps-window", 5], "maps-window"),
    ],
)
def test_maps_that_cannot_be_used(
    scmos: Path, command: Command, tmp_path: Path, options: list[object], words: str
) -> None:
    given = [tmp_path / word if str(word).endswith(".npy") else word for word in options]
    ended = command("localize", scmos, "-o", tmp_path / "out.csv", *given)
    assert ended.refuses(words), ended.err
    assert not (tmp_path / "out.csv").exists()
