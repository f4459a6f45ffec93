"""The commands resolution and residuals: their answers, pictures, and one sentence for bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blinkspot.camera import Camera
from blinkspot.evaluation.report import theme as theming
from blinkspot.evaluation.report.residual_figures import residual_maps, residual_spectrum
from blinkspot.evaluation.report.resolution_figures import resolution_figure
from blinkspot.evaluation.residuals import check_residuals
from blinkspot.evaluation.resolution import ResolutionSettings, measure_resolution
from blinkspot.localization import LocalizationTable
from blinkspot.progress import finish

pytest_plugins = ["commands"]

Command = Callable[..., Any]


def molecules(blinks: int = 2000) -> LocalizationTable:
    random = np.random.default_rng(1)
    sites = random.uniform(0, 3000.0, (blinks // 10, 2))[random.integers(0, blinks // 10, blinks)]
    places = np.repeat(sites, 2, axis=0) + random.normal(0.0, 10.0, (2 * blinks, 2))
    frame = np.repeat(random.integers(0, 400, blinks), 2) + np.tile([0, 1], blinks)
    return LocalizationTable.from_columns({"frame": frame, "x_nm": places[:, 0], "y_nm": places[:, 1]})


@pytest.fixture
def written(tmp_path: Path) -> Path:
    molecules().save(tmp_path / "molecules.csv")
    return tmp_path


def test_resolution_answers_and_draws(written: Path, command: Command) -> None:
    picture = written / "resolution.png"
    found = command("resolution", written / "molecules.csv", "--picture", picture, "--json").answer
    assert found["nena"]["precision_nm"] == pytest.approx(10.0, rel=0.05)
    expected = finish(measure_resolution(molecules())).ring_correlation.resolution_nm
    assert found["ring_correlation"]["resolution_nm"] == pytest.approx(expected, rel=0.01)
    made_by = json.loads(Image.open(picture).text["Description"])
    assert made_by["step"] == "resolution"
    short = command("resolution", written / "molecules.csv")
    assert "frc resolution nm: " in short.out
    assert "nena precision nm: " in short.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["few.csv"], "at least 100"),
        (["still.csv", "--pixel-size-nm", 10], "too few for two blocks"),
        (["molecules.csv", "--split", "odd-even", "--splits", 3], "--splits has no effect"),
        (["molecules.csv", "--split", "localizations", "--frames-per-block", 3], "has no effect"),
        (["molecules.csv", "--splits", 0], "number of splits"),
        (["molecules.csv", "--picture", "resolution.jpg"], "drawn as .png or .svg"),
        (["absent.csv"], "absent.csv"),
        (["frameless.csv"], "frame"),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, list) else "",
)
def test_resolution_says_what_is_wrong(
    written: Path, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[object], words: str
) -> None:
    monkeypatch.chdir(written)
    whole = molecules()
    whole.chosen(np.arange(len(whole)) < 20).save("few.csv")
    whole.chosen(np.arange(len(whole)) < 1000).data.assign(frame=0).pipe(LocalizationTable).save("still.csv")
    Path("frameless.csv").write_text("x [nm],y [nm]\n1,2\n3,4\n")
    before = sorted(written.iterdir())
    assert command("resolution", *arguments).refuses(words)
    assert sorted(written.iterdir()) == before


def test_residuals_of_a_model_and_of_what_it_denoised(work: Path, command: Command, tmp_path: Path) -> None:
    maps, spectrum = tmp_path / "maps.png", tmp_path / "spectrum.svg"
    by_model = command(
        "residuals",
        work / "movie.tif",
        "-m",
        work / "a model",
        "--maps-picture",
        maps,
        "--spectrum-picture",
        spectrum,
        "--json",
    ).answer
    assert by_model["compared_with"] == "model"
    assert by_model["frames"] == 40
    assert 0.7 < by_model["variance"] < 1.5
    assert json.loads(Image.open(maps).text["Description"])["step"] == "residuals"
    assert spectrum.read_text().startswith("<?xml")
    camera = work / "movie_camera.toml"
    by_movie = command(
        "residuals", work / "movie.tif", "--denoised", work / "denoised.tif", "--camera", camera, "--json"
    ).answer
    assert by_movie["compared_with"] == "denoised movie"
    assert by_movie["variance"] < by_model["variance"]
    told = command("residuals", work / "movie.tif", "--denoised", work / "denoised.tif", "--camera", camera)
    assert by_movie["verdict"] in told.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "either the model"),
        (["--model", "a model", "--denoised", "denoised.tif"], "either the model"),
        (["--model", "a model", "--em-gain", 3], "--em-gain has no effect"),
        (["--denoised", "denoised.tif", "--device", "cpu"], "--device has no effect"),
        (["--model", "movie.tif"], "movie.tif"),
        (["--model", "a model", "--false-per-megapixel", 0], "must lie between"),
        (["--model", "a model", "--maps-picture", "a.png", "--spectrum-picture", "a.png"], "Two results"),
    ],
)
def test_residuals_says_what_is_wrong(
    work: Path, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[object], words: str
) -> None:
    monkeypatch.chdir(work)
    assert command("residuals", "movie.tif", *arguments).refuses(words)


def test_the_denoised_movie_is_not_taken_for_the_noisy_one(work: Path, command: Command) -> None:
    outcome = command("residuals", work / "denoised.tif", "-m", work / "a model")
    assert outcome.refuses("is a denoised movie")


@pytest.mark.parametrize("theme", [theming.LIGHT, theming.DARK], ids=["light", "dark"])
def test_figures_are_drawn_in_the_themes_paper(theme: theming.Theme) -> None:
    random = np.random.default_rng(1)
    noisy = random.poisson(10.0, (20, 32, 48)) + 0.0
    residuals = finish(check_residuals(noisy, Camera(), np.full(noisy.shape, 10.0)))
    found = finish(measure_resolution(molecules()))
    one_frame_each = molecules()
    one_frame_each = one_frame_each.chosen(np.arange(len(one_frame_each)) % 2 == 0)
    nothing = finish(measure_resolution(one_frame_each, ResolutionSettings(pixel_size_nm=40.0)))
    for figure in (
        residual_maps(residuals, theme),
        residual_spectrum(residuals, theme),
        resolution_figure(found, theme),
        resolution_figure(nothing, theme),
    ):
        assert theming.png(figure).startswith(b"\x89PNG")
        assert figure.get_facecolor()[:3] == pytest.approx(
            [int(theme.paper[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        )
