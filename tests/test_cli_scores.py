"""The commands that compare with the truth: their figures are the library's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from blinkspot.cli import main
from blinkspot.evaluation import (
    molecule_bias,
    movie_signal_to_background,
    picture_scores,
    score,
    uncertainty_calibration,
)
from blinkspot.localization import read_table
from blinkspot.progress import finish

pytest_plugins = ["commands"]

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A table with enough molecules to judge its uncertainties, and its truth."""
    folder = tmp_path_factory.mktemp("bright")
    for words in (
        "simulate movie.tif --preset low120 --frames 60 --size 64",
        "localize movie.tif -o table.csv",
    ):
        with contextlib.chdir(folder), pytest.raises(SystemExit, match="0"):
            main(words.split())
    return folder / "table.csv", folder / "movie_truth.csv"


def test_score_with_every_option(bright: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    (table, truth), picture = bright, tmp_path / "calibration.png"
    options = ("--tolerance-nm", 250, "--matching", "optimal", "--border-nm", 300)
    more = ("--calibration", picture, "--calibration-tolerance-nm", 150)
    answer = command("score", table, truth, *options, *more, "--json").answer
    found, there = read_table(table), read_table(truth)
    told = answer.pop("calibration")
    scores = score(found, there, 250.0, matching="optimal", border_nm=300.0)
    bias = molecule_bias(found, there, 250.0, matching="optimal", border_nm=300.0).as_dict()
    del bias["pairs"]
    assert answer == {**scores.as_dict(), **bias}
    assert 0 < scores.true_positives < score(found, there, 250.0).true_positives
    expected = uncertainty_calibration(found, there, 150.0, matching="optimal", border_nm=300.0)
    assert told == {"picture": str(picture), **json.loads(json.dumps(expected.as_dict()))}
    with Image.open(picture) as image:
        made_by = json.loads(image.text["Description"])
    assert made_by["settings"]["tolerance_nm"] == 150.0
    assert made_by["result"]["pairs"] == expected.pairs


def test_score_in_words_tells_the_calibration(
    bright: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    ended = command("score", *bright, "--calibration", tmp_path / "c.svg")
    assert ended.status == 0
    assert "reported over true" in ended.out
    assert "errors within 2 uncertainties: share" in ended.out
    assert "bins" not in ended.out


def test_the_size_of_the_field_can_be_given(work: Path, command: Command, tmp_path: Path) -> None:
    rows = "\n".join(["frame,x [nm],y [nm]", "1,50,500", "1,900,500", "1,1900,500"])
    (tmp_path / "t.csv").write_text(rows + "\n")
    options = ("--border-nm", 60, "--field-nm", 1000, 2000)
    answer = command("score", tmp_path / "t.csv", tmp_path / "t.csv", *options, "--json").answer
    assert answer["true_positives"] == 2


def test_picture_score_is_that_of_the_library(work: Path, command: Command) -> None:
    denoised, clean = (tifffile.imread(work / name) for name in ("denoised.tif", "movie_clean.tif"))
    answer = command("picture-score", work / "denoised.tif", work / "movie_clean.tif", "--json").answer
    expected = finish(picture_scores(denoised, clean, offset=100.0)).as_dict()
    for name, movie in (("denoised", denoised), ("clean", clean)):
        expected[f"signal_to_background_{name}"] = finish(movie_signal_to_background(movie, 100.0)).mean
    assert answer == pytest.approx(expected)
    assert list(answer) == list(expected)
    noisy = command("picture-score", work / "movie.tif", work / "movie_clean.tif", "--json").answer
    assert noisy["psnr_db"] < answer["psnr_db"] - 3.0


def test_picture_score_without_the_offset_tells_what_needs_none(
    work: Path, command: Command, tmp_path: Path
) -> None:
    tifffile.imwrite(
        tmp_path / "plain.tif", tifffile.imread(work / "movie_clean.tif"), photometric="minisblack"
    )
    movies = (work / "denoised.tif", tmp_path / "plain.tif")
    ended = command("picture-score", *movies, "--json")
    assert "give it with --offset-adu" in ended.words[-1]
    whole = command("picture-score", *movies, "--offset-adu", 100, "--json").answer
    lacking = {name for name, value in ended.answer.items() if value is None}
    assert lacking == {"ssim", "light", "signal_to_background_denoised", "signal_to_background_clean"}
    assert {name: whole[name] for name in whole if name not in lacking} == pytest.approx(
        {name: value for name, value in ended.answer.items() if value is not None}
    )
    assert None not in whole.values()


def test_movies_in_different_units_are_refused(work: Path, command: Command, tmp_path: Path) -> None:
    photons = tmp_path / "photons.tif"
    made = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", photons, "--units", "photons")
    assert made.status == 0
    refused = command("picture-score", photons, work / "movie_clean.tif", "--json")
    assert refused.refuses("photons.tif is in photons and")
    refused = command("picture-score", photons, photons, "--offset-adu", 100, "--json")
    assert refused.refuses("leave --offset-adu out")
    answer = command("picture-score", photons, photons, "--json").answer
    assert (answer["light"], answer["ssim"]) == (1.0, pytest.approx(1.0))
    assert np.isfinite(answer["signal_to_background_clean"])


def test_the_wrong_order_is_told(bright: tuple[Path, Path], work: Path, command: Command) -> None:
    table, truth = bright
    assert command("score", truth, table).refuses("give the table first, then the truth")
    assert command("score", truth, truth).status == 0
    swapped = command("picture-score", work / "movie_clean.tif", work / "denoised.tif")
    assert swapped.refuses("give the denoised movie first, then the clean one")


def test_compare_refuses_movies_that_are_exchanged_and_warns_of_a_wrong_camera(
    bright: tuple[Path, Path], command: Command, tmp_path: Path
) -> None:
    movie, smooth = bright[0].with_name("movie.tif"), tmp_path / "smooth.tif"
    tifffile.imwrite(smooth, gaussian_filter(tifffile.imread(movie).astype(np.float32), (0, 2, 2)))
    swapped = command("compare", smooth, movie, "-o", tmp_path / "swapped", "--json")
    assert swapped.refuses("The movies seem to be exchanged")
    assert swapped.refuses("Give the movie as recorded first, then the denoised one.")
    other = command("compare", movie, smooth, "-o", tmp_path / "other", "--electrons-per-adu", "5", "--json")
    assert other.status == 0
    assert any("movie.tif not the movie as recorded" in each for each in other.words)
    photons = tmp_path / "in_photons.tif"
    tifffile.imwrite(photons, tifffile.imread(smooth) - 100.0)
    assert command("compare", movie, photons, "-o", tmp_path / "none").refuses("neither in photons nor")
    on_it = ("--denoised", photons, "--fit-on", "denoised")
    assert command("localize", movie, "-o", tmp_path / "none.csv", *on_it).refuses("neither in photons nor")
    right = command("compare", movie, smooth, "-o", tmp_path / "right", "--json")
    assert right.status == 0
    assert not any("Warning" in each for each in right.words)
