"""The command line: what it writes is what the library makes."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from matplotlib.image import imread

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.cli import console
from blinkspot.denoising import Denoiser
from blinkspot.evaluation import PRESETS, Scores, SimulationSettings, calibrate_uncertainties, simulate
from blinkspot.evaluation.simulation import Cell, MaskImage, Rings
from blinkspot.localization import (
    Contrast,
    Localizer,
    LocalizerSettings,
    read_table,
    render,
    render_coloured,
)
from blinkspot.movies.stack import open_stack, write_stack
from blinkspot.progress import finish

pytest_plugins = ["commands"]

Command = Callable[..., Any]

FRAMES, SIZE, SEED = 40, 32, 3
CAMERA = PRESETS["low-light"].camera
SCORE_KEYS = {
    "true_positives",
    "false_positives",
    "false_negatives",
    "jaccard",
    "precision",
    "recall",
    "f1",
    "rmse_nm",
    "mean_error_nm",
    *(f"{figure}_{axis}_nm" for figure in ("rmse", "bias") for axis in "xyz"),
    "efficiency",
    "efficiency_axial",
    *(f"{figure}_ratio{error}" for figure in ("photons", "sigma") for error in ("", "_error")),
    "calibration",
}


def same_table(found: Path, expected: Any) -> None:
    table = read_table(found)
    assert len(table) == len(expected) > 10
    for name in table.data.columns:
        np.testing.assert_allclose(table.column(name), expected.column(name), rtol=1e-8, atol=1e-8)


# The whole path, command by command, each against the library or a closed form


def test_simulate_writes_movie_truth_and_camera(work: Path) -> None:
    chunks: list[np.ndarray] = []
    job = simulate(replace(PRESETS["low-light"], frames=FRAMES, size_px=SIZE, seed=SEED))
    truth = finish(job, lambda chunk: chunks.append(chunk.frames))
    np.testing.assert_array_equal(tifffile.imread(work / "movie.tif"), np.concatenate(chunks))
    written = read_table(work / "movie_truth.csv")
    np.testing.assert_array_equal(written.column("frame"), truth.column("frame"))
    np.testing.assert_allclose(written.column("x_nm"), truth.column("x_nm"), rtol=1e-9)
    assert Camera.load(work / "movie_camera.toml") == CAMERA


def test_simulate_takes_every_setting(tmp_path: Path, command: Command) -> None:
    grey = np.arange(12.0).reshape(3, 4)
    tifffile.imwrite(tmp_path / "mask.tif", grey)
    maps = CameraMaps(*np.random.default_rng(1).uniform(1, 2, (3, 60, 70)))
    maps.save(tmp_path / "maps.npy")
    options = {
        "--preset": "yfp4", "--frames": 5, "--size": "24x40", "--seed": 6, "--density-per-um2": 0.7,
        "--photons": "300,400", "--fwhm-nm": "210,260", "--structure": "rings", "--mean-on-frames": 3,
        "--mean-off-frames": 30, "--blinks": 4, "--background-photons": 12, "--fading-frames": 50,
        "--background-mask": "cell", "--illumination": tmp_path / "mask.tif",
        "--drift-nm-per-frame": "-2,1.5", "--motion-nm-per-sqrt-frame": 8, "--clock-induced-charge": 0.02,
        "--pixel-size-nm": 120, "--maps": tmp_path / "maps.npy",
    }  # fmt: skip
    typed = [word for pair in options.items() for word in pair]
    movie = tmp_path / "movie.tif"
    assert command("simulate", movie, *typed, "--maps-window", 7, 9, "--even-background").status == 0
    settings = SimulationSettings(
        frames=5,
        size_px=(24, 40),
        camera=Camera(pixel_size_nm=120.0, em_gain=100.0, maps=maps.window(7, 9, 24, 40)),
        density_per_um2=0.7,
        photons=(300.0, 400.0),
        fwhm_nm=(210.0, 260.0),
        structure=Rings(seed=6),
        mean_on_frames=3.0,
        mean_off_frames=30.0,
        mean_blinks=4.0,
        background_photons=12.0,
        background_fading_frames=50.0,
        background_mask=Cell(seed=6),
        illumination=MaskImage(grey),
        illuminates_background=False,
        drift_nm_per_frame=(-2.0, 1.5),
        motion_nm_per_sqrt_frame=8.0,
        clock_induced_charge_electrons=0.02,
        seed=6,
    )
    chunks: list[np.ndarray] = []
    truth = finish(simulate(settings), lambda chunk: chunks.append(chunk.frames))
    np.testing.assert_array_equal(tifffile.imread(movie), np.concatenate(chunks))
    same_table(tmp_path / "movie_truth.csv", truth)


def test_simulate_replaces_parts_of_a_preset(tmp_path: Path, command: Command) -> None:
    replaced = ("--structure", "none", "--read-noise-electrons", 3, "--frames", 6, "--size", 32)
    assert command("simulate", tmp_path / "movie.tif", "--preset", "dna-paint", *replaced).status == 0
    preset = PRESETS["dna-paint"]
    camera = replace(preset.camera, read_noise_electrons=3.0)
    assert Camera.load(tmp_path / "movie_camera.toml") == camera
    chunks: list[np.ndarray] = []
    settings = replace(preset, structure=None, camera=camera, frames=6, size_px=32)
    finish(simulate(settings), lambda chunk: chunks.append(chunk.frames))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "movie.tif"), np.concatenate(chunks))


def test_camera_tells_the_slope(work: Path, command: Command) -> None:
    answer = command("camera", work / "movie.tif", "--offset-adu", 100, "--json").answer
    slope = CAMERA.em_gain * CAMERA.excess_noise_factor / CAMERA.electrons_per_adu
    assert answer["adu_per_count"] == pytest.approx(slope, abs=4 * answer["adu_per_count_error"])
    assert answer["in_the_file"] == CAMERA.as_dict()
    assert answer["electrons_per_adu"] == pytest.approx(2 * 150 / answer["adu_per_count"])
    assert (answer["frames"], answer["height_px"], answer["pixel_type"]) == (FRAMES, SIZE, "uint16")


def test_camera_in_words(work: Path, command: Command) -> None:
    ended = command("camera", work / "movie.tif", "--offset-adu", 100)
    assert (ended.status, ended.words) == (0, [])
    assert "frames: 40\n" in ended.out
    assert "in the file: pixel_size_nm 100, offset_adu 100, electrons_per_adu 12" in ended.out


def test_train_answers_what_the_model_remembers(work: Path, command: Command, tmp_path: Path) -> None:
    ended = command(
        "train",
        *(work / "movie.tif", "-o", tmp_path / "model", "--camera", work / "movie_camera.toml"),
        *("--epochs", 3, "--channels", 4, "--context-frames", 2, "--seed", 7, "--json"),
    )
    model = Denoiser.load(tmp_path / "model")
    assert ended.answer["validation_loss"] == model.provenance["validation_loss"]
    assert ended.answer["epochs"] == 3
    assert ended.answer["camera"] == model.camera.as_dict() == CAMERA.as_dict()
    assert (model.context_frames, model.provenance["seed"]) == (2, 7)
    assert model.provenance["settings"]["channels"] == 4


def test_denoised_movie_is_in_the_units_of_the_movie_and_nearer_to_the_truth(
    work: Path, command: Command, tmp_path: Path
) -> None:
    denoised = tifffile.imread(work / "denoised.tif")
    noisy, clean = (tifffile.imread(work / name) for name in ("movie.tif", "movie_clean.tif"))
    assert (denoised.dtype, denoised.shape) == (np.float32, noisy.shape)
    assert np.mean((denoised - clean) ** 2) < 0.2 * np.mean((noisy - clean) ** 2)
    model, movie = Denoiser.load(work / "a model"), open_stack(work / "movie.tif")
    photons = np.concatenate([chunk.frames for chunk in model.denoise(movie)])
    np.testing.assert_allclose(denoised, CAMERA.adu(photons), rtol=1e-6)
    out = tmp_path / "photons.tif"
    arguments = ("denoise", work / "movie.tif", "-m", work / "a model", "-o", out, "--units", "photons")
    assert command(*arguments, "--json").answer["units"] == "photons"
    np.testing.assert_allclose(tifffile.imread(out), photons, rtol=1e-6)


@pytest.mark.parametrize("estimate", ["map", "blind"])
def test_estimates(work: Path, command: Command, tmp_path: Path, estimate: Any) -> None:
    out = tmp_path / "out.tif"
    arguments = ("denoise", work / "movie.tif", "-m", work / "a model", "-o", out, "--estimate", estimate)
    assert command(*arguments, "--json").answer["estimate"] == estimate
    model, movie = Denoiser.load(work / "a model"), open_stack(work / "movie.tif")
    expected = CAMERA.adu(model.denoise_frame(movie, 11, estimate))
    np.testing.assert_allclose(tifffile.imread(out)[11], expected, rtol=1e-5)
    assert not np.allclose(expected, tifffile.imread(work / "denoised.tif")[11], rtol=1e-3)


def test_one_model_denoises_movies_of_other_lengths_and_sizes(
    work: Path, command: Command, tmp_path: Path
) -> None:
    chunks: list[Any] = []
    other = replace(PRESETS["low-light"], frames=7, size_px=(24, 45), seed=8)
    finish(simulate(other), chunks.append)
    noisy = np.concatenate([chunk.frames for chunk in chunks])
    clean = CAMERA.adu(np.concatenate([chunk.expectation for chunk in chunks]))
    write_stack(tmp_path / "other.tif", noisy)
    ended = command("denoise", tmp_path / "other.tif", "-m", work / "a model", "-o", tmp_path / "out.tif")
    assert ended.status == 0
    denoised = tifffile.imread(tmp_path / "out.tif")
    assert denoised.shape == (7, 24, 45)
    assert np.mean((denoised - clean) ** 2) < 0.3 * np.mean((noisy - clean) ** 2)


@pytest.mark.parametrize(
    ("options", "settings", "guided"),
    [
        ((), LocalizerSettings(), False),
        (("--fit", "wlsq", "--threshold", 1.5), LocalizerSettings(threshold=1.5, fit="wlsq"), False),
        ((), LocalizerSettings(), True),
        (("--fit-on", "denoised", "--fit", "wlsq"), LocalizerSettings(fit="wlsq", fit_on="denoised"), True),
        (
            ("--most-emitters", 3, "--equal-photons"),
            LocalizerSettings(most_emitters=3, equal_photons=True),
            True,
        ),
    ],
    ids=["noisy", "wlsq", "denoised", "fit on denoised", "emitters"],
)
def test_localize(
    work: Path,
    command: Command,
    tmp_path: Path,
    options: tuple[object, ...],
    settings: LocalizerSettings,
    guided: bool,
) -> None:
    out = tmp_path / "table.csv"
    denoised = ("--denoised", work / "denoised.tif") if guided else ()
    camera = ("--camera", work / "movie_camera.toml")
    answer = command("localize", work / "movie.tif", "-o", out, *camera, *denoised, *options, "--json").answer
    movie = open_stack(work / "movie.tif")
    guide = open_stack(work / "denoised.tif") if guided else None
    same_table(out, finish(Localizer(CAMERA, settings).localize(movie, guide)))
    assert answer["localizations"] == len(read_table(out))
    assert answer["uncertainty_is_valid"] == (settings.fit_on == "raw")
    headings = out.read_text().splitlines()[0]
    assert ('"uncertainty [nm]"' in headings) == (settings.fit_on == "raw")
    scores = command("score", out, work / "movie_truth.csv", "--json").answer
    assert scores["f1"] > 0.25
    assert scores["rmse_nm"] < 36  # chance alone: 50 / sqrt(2)


def test_a_denoised_movie_alone_is_fitted_as_such(work: Path, command: Command, tmp_path: Path) -> None:
    camera = ("--camera", work / "movie_camera.toml")
    alone = command("localize", work / "denoised.tif", "-o", tmp_path / "alone.csv", *camera, "--json")
    command(
        "localize", work / "movie.tif", "-o", tmp_path / "beside.csv", *camera,
        "--denoised", work / "denoised.tif", "--fit-on", "denoised",
    )  # fmt: skip
    assert (tmp_path / "alone.csv").read_text() == (tmp_path / "beside.csv").read_text()
    assert alone.answer["uncertainty_is_valid"] is False


@pytest.fixture
def few_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrate uncertainties on fewer simulated molecules than a user would, so that it takes a moment."""
    monkeypatch.setattr("blinkspot.evaluation.denoised_fits.simulated_errors.ERRORS_WANTED", 400)


@pytest.mark.usefixtures("few_errors")
def test_the_model_makes_uncertainties_of_fits_on_the_denoised_movie_true(
    work: Path, command: Command, tmp_path: Path
) -> None:
    out = tmp_path / "table.csv"
    denoised = ("--denoised", work / "denoised.tif", "--fit-on", "denoised", "--threshold", 3)
    given = ("localize", work / "movie.tif", "-o", out, *denoised, "--model", work / "a model", "--json")
    answer = command(*given).answer
    model, guide = Denoiser.load(work / "a model"), open_stack(work / "denoised.tif")
    localizer = Localizer(CAMERA, LocalizerSettings(fit_on="denoised", threshold=3))
    table = finish(localizer.localize(open_stack(work / "movie.tif"), guide))
    expected = finish(calibrate_uncertainties(table, guide, model, localizer))
    same_table(out, expected)
    assert answer["uncertainty_is_valid"]
    assert answer["mean_uncertainty_nm"] == pytest.approx(expected.column("uncertainty_nm").mean())
    assert '"uncertainty [nm]"' in out.read_text().splitlines()[0]
    kept = read_table(out).provenance["uncertainty_calibration"]
    assert kept == json.loads(json.dumps(expected.provenance["uncertainty_calibration"]))


def test_too_few_molecules_for_that_are_said(work: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "few.csv"
    given = ("localize", work / "movie.tif", "-o", out, "--denoised", work / "denoised.tif")
    ended = command(*given, "--fit-on", "denoised", "--model", work / "a model", "--threshold", 40, "--json")
    assert ended.answer["uncertainty_is_valid"] is False
    assert any("cannot be calibrated" in line for line in ended.words)


def test_convert_and_read_every_format(work: Path, table: Path, command: Command, tmp_path: Path) -> None:
    truth = work / "movie_truth.csv"
    original = read_table(table)
    expected = command("score", table, truth, "--json").answer
    for name, options in (("a.hdf5", ()), ("b.csv", ("--format", "smap")), ("c.csv", ())):
        out = tmp_path / name
        answer = command("convert", table, "-o", out, *options, "--json").answer
        assert answer["localizations"] == len(original)
        assert answer["columns"] == list(original.data)
        again = read_table(out)
        np.testing.assert_allclose(again.column("x_nm"), original.column("x_nm"), rtol=1e-6)
        assert again.provenance == original.provenance
        scores = command("score", out, truth, "--json").answer
        known = {name: value for name, value in expected.items() if value is not None}
        # The formats round positions by up to some thousandths of a nanometre.
        assert {name: scores[name] for name in known} == pytest.approx(known, rel=1e-5, abs=0.005)
        command("render", out, "-o", tmp_path / f"{name}.tif", "--pixel-size-nm", 25)
        assert tifffile.imread(tmp_path / f"{name}.tif").shape == (128, 128)
    assert (tmp_path / "b.csv").read_text().startswith("xnm,ynm,frame,")


def test_the_pixel_size_that_a_table_lacks_is_given(command: Command, tmp_path: Path) -> None:
    (tmp_path / "smap.csv").write_text("xnm,ynm,frame\n110,220,1\n")
    done = command("convert", tmp_path / "smap.csv", "-o", tmp_path / "out.hdf5", "--pixel-size-nm", 110)
    assert done.status == 0
    assert "Picasso's Render does not open" in " ".join(done.words)
    found = read_table(tmp_path / "out.hdf5")
    np.testing.assert_allclose(found.data[["x_nm", "y_nm"]], [[55.0, 165.0]])


def test_localize_writes_picassos_format(work: Path, command: Command, tmp_path: Path) -> None:
    camera = ("--camera", work / "movie_camera.toml")
    for name in ("a.csv", "a.hdf5"):
        command("localize", work / "movie.tif", "-o", tmp_path / name, *camera)
    text, binary = (read_table(tmp_path / name) for name in ("a.csv", "a.hdf5"))
    assert (tmp_path / "a.yaml").is_file()
    assert list(text.data) == list(binary.data)
    np.testing.assert_allclose(text.data, binary.data, rtol=1e-6)
    assert binary.provenance["movie_shape"] == [40, 32, 32]


def test_render(work: Path, table: Path, command: Command, tmp_path: Path) -> None:
    for name in ("picture.png", "picture.tif"):
        answer = command("render", table, "-o", tmp_path / name, "--pixel-size-nm", 25, "--json").answer
        assert (answer["height_px"], answer["width_px"]) == (128, 128)  # 32 pixels of 100 nm
    expected = render(read_table(table), 25.0)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "picture.tif"), expected)
    assert expected.sum() == pytest.approx(len(read_table(table)), rel=0.02)
    shown = imread(tmp_path / "picture.png")[..., :3].sum(axis=2)
    assert shown.shape == expected.shape
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.8


def test_render_by_any_method_and_coloured(work: Path, table: Path, command: Command, tmp_path: Path) -> None:
    found = read_table(table)
    gaussian, magnified = tmp_path / "gaussian.tif", tmp_path / "magnified.tif"
    command("render", table, "-o", gaussian, "--method", "gaussian", "--pixel-size-nm", 25, "--json")
    np.testing.assert_array_equal(tifffile.imread(gaussian), render(found, 25.0, method="gaussian"))
    command("render", table, "-o", magnified, "--magnification", 8, "--shifts", 3, "--json")
    np.testing.assert_array_equal(tifffile.imread(magnified), render(found, 12.5, shifts=3))
    time, bar = tmp_path / "time.tif", tmp_path / "time.png"
    coloured = ("--colour-by", "frame", "--colour-range", 5, 30, "--gamma", 0.7, "--json")
    answer = command("render", table, "-o", time, *coloured).answer
    assert answer["colour_range"] == [5, 30]
    expected = render_coloured(found, "frame", limits=(5, 30)).rgb(Contrast(gamma=0.7))
    np.testing.assert_array_equal(tifffile.imread(time), expected)
    command("render", table, "-o", bar, *coloured, "--scale-bar-nm", 500)
    # The strip to the right holds the bar of the colours.
    shown = np.rint(255 * imread(bar)[..., :3])
    assert shown.shape[0] == 160
    assert shown.shape[1] > 160
    np.testing.assert_array_equal(shown[:100, :160], expected[:100])
    # Uncertainties that mean nothing are said to, where they are drawn.
    plain = tmp_path / "plain.csv"
    plain.write_text("frame,x [nm],y [nm],uncertainty_uncalibrated [nm]\n1,50,70,9\n")
    said = command("render", plain, "-o", tmp_path / "plain.tif", "--method", "gaussian")
    assert said.status == 0
    assert "not calibrated" in said.err
    for arguments, words in (
        (("--magnification", 8), "does not tell the size of the movie's pixels"),
        (("--colour-range", 5, 30), "--colour-by"),
        (("--colour-by", "z_nm"), "no column z_nm"),
        (("--pixel-size-nm", 5, "--magnification", 8), "one of the two"),
    ):
        assert command("render", plain, "-o", tmp_path / "refused.png", *arguments).refuses(words)
    assert not (tmp_path / "refused.png").exists()


def test_score_has_the_promised_keys_and_adds_up(work: Path, table: Path, command: Command) -> None:
    truth = work / "movie_truth.csv"
    found = command("score", table, truth, "--json").answer
    assert found.keys() == SCORE_KEYS
    hits, false, missed = (
        found[f"{kind}s"] for kind in ("true_positive", "false_positive", "false_negative")
    )
    assert hits + false == len(read_table(table))
    assert hits + missed == len(read_table(truth))
    assert found["precision"] == pytest.approx(hits / (hits + false))
    assert found["recall"] == pytest.approx(hits / (hits + missed))
    assert found["jaccard"] == pytest.approx(hits / (hits + missed + false))
    assert found["f1"] == pytest.approx(2 * hits / (2 * hits + missed + false))
    perfect = command("score", truth, truth, "--tolerance-nm", 1, "--json").answer
    assert (perfect["f1"], perfect["rmse_nm"]) == (1.0, 0.0)


def test_score_shifted_by_a_known_distance(work: Path, command: Command, tmp_path: Path) -> None:
    lines = ["frame,x [nm],y [nm]", *(f"{frame},{1000 + 30 * (frame % 2)},500" for frame in range(1, 11))]
    (tmp_path / "found.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "true.csv").write_text(
        "\n".join(["frame,x [nm],y [nm]", *(f"{n},1000,500" for n in range(1, 11))])
    )
    found = command("score", tmp_path / "found.csv", tmp_path / "true.csv", "--json").answer
    assert found["rmse_nm"] == pytest.approx(30 / math.sqrt(2))
    assert found["mean_error_nm"] == pytest.approx(15)
    nearer = command("score", tmp_path / "found.csv", tmp_path / "true.csv", "--tolerance-nm", 29, "--json")
    assert nearer.answer["true_positives"] == 5


def test_compare_with_truth_scores_as_the_single_commands_do(
    work: Path, table: Path, command: Command, tmp_path: Path
) -> None:
    truth = work / "movie_truth.csv"
    movies = (work / "movie.tif", work / "denoised.tif")
    answer = command("compare", *movies, "-o", tmp_path / "report", "--truth", truth, "--json").answer
    alone = command("score", table, truth, "--json").answer
    assert answer["routes"]["noisy"]["at_default"] == pytest.approx(
        {name: alone[name] for name in Scores(0, 0, 0, 0.0, 0.0).as_dict()}
    )
    assert Path(answer["page"]) == tmp_path / "report" / "index.html"
    assert answer["verdict"] in (tmp_path / "report" / "index.html").read_text()
    best = answer["routes"]["noisy"]["at_best"]
    written = command("score", tmp_path / "report" / "noisy.csv", truth, "--json").answer
    assert {name: written[name] for name in best} == pytest.approx(best)


def test_compare_without_truth_scores_nothing(work: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty folder").mkdir()
    ended = command(
        "compare", work / "movie.tif", work / "denoised.tif", "-o", tmp_path / "empty folder", "--json"
    )
    assert "without the truth, nobody can say" in ended.answer["verdict"]
    assert "at_best" not in ended.answer["routes"]["noisy"]
    assert ended.answer["routes"]["denoised_fit_denoised"]["uncertainty_is_calibrated"] is False
    assert (tmp_path / "empty folder" / "index.html").is_file()


@pytest.mark.usefixtures("few_errors")
def test_compare_calibrates_by_the_model(work: Path, command: Command, tmp_path: Path) -> None:
    movies = (work / "movie.tif", work / "denoised.tif")
    answer = command("compare", *movies, "-o", tmp_path / "report", "-m", work / "a model", "--json").answer
    assert answer["routes"]["denoised_fit_denoised"]["uncertainty_is_calibrated"]
    page = (tmp_path / "report" / "index.html").read_text()
    assert "calibrated on simulated frames" in page
    assert "not calibrated" not in page
    assert answer["checks"]["residuals"]["compared_with"] == "model"


@pytest.mark.usefixtures("few_errors")
def test_compare_holds_photons_out(work: Path, command: Command, tmp_path: Path) -> None:
    movies = (work / "movie.tif", work / "denoised.tif")
    model = ("-m", work / "a model", "--held-out")
    truth = ("--truth", work / "movie_truth.csv", "--tolerance-nm", 80)
    answer = command("compare", *movies, "-o", tmp_path / "report", *model, *truth, "--json").answer
    # What is estimated is beside what the truth tells of the same distance.
    assert answer["provenance"]["settings"]["held_out"]["tolerance_nm"] == answer["tolerance_nm"] == 80
    held_out = answer["checks"]["held_out"]
    page = (tmp_path / "report" / "index.html").read_text()
    if "not_measured" in held_out:
        assert held_out["not_measured"] in page
    else:
        assert list(held_out["routes"]) == list(answer["routes"])
        assert "denoised by the model given" in page


def test_nothing_found_is_an_answer_too(work: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "none.csv"
    answer = command("localize", work / "movie.tif", "-o", out, "--threshold", 1000, "--json").answer
    assert (answer["localizations"], answer["mean_photons"]) == (0, None)
    scores = command("score", out, work / "movie_truth.csv", "--json").answer
    assert (scores["recall"], scores["precision"], scores["rmse_nm"]) == (0.0, None, None)
    answer = command("render", out, "-o", tmp_path / "none.tif", "--json").answer
    assert tifffile.imread(tmp_path / "none.tif").sum() == 0


def test_demo_does_the_whole_path(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(PRESETS["low-light"], frames=30, size_px=32)
    monkeypatch.setattr("blinkspot.cli.demo_command.PRESETS", {"low-light": small})
    ended = command("demo", tmp_path / "demo", "--minutes", 0.02, "--json")
    assert Path(ended.answer["page"]).is_file()
    assert [line[:3] for line in ended.words if line[0].isdigit()] == ["1/4", "2/4", "3/4", "4/4"]
    assert "before its validation loss had settled" in ended.err  # one second is not enough
    scores = json.loads((tmp_path / "demo" / "comparison" / "scores.json").read_text())
    assert scores["verdict"] == ended.answer["verdict"]
    assert tifffile.imread(tmp_path / "demo" / "denoised.tif").shape == (30, 32, 32)


def test_json_knows_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    console.answer({"a": math.nan, "b": {"c": [1.5, math.inf, "x"]}, "d": None}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": {"c": [1.5, None, "x"]}, "d": None}


def test_words_that_the_terminal_has_no_letters_for(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    console.answer({"verdict": "F1 fell by \u22120.01, na\u00efve", "kept": 3}, as_json=False)
    assert written.getvalue().decode("cp1252").splitlines() == [
        "verdict: F1 fell by \\u22120.01, na\u00efve",
        "kept: 3",
    ]


def test_camera_file_in_and_out(work: Path) -> None:
    """The file that simulate writes is the one that --camera reads."""
    with (work / "movie_camera.toml").open("rb") as file:
        assert tomllib.load(file) == {"camera": CAMERA.as_dict()}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--version"], 0),
        (["score", "TABLE", "TRUTH", "--json"], 0),
        (["score", "TABLE", "absent.csv", "--json"], 2),
        (["score", "TABLE"], 2),
    ],
    ids=["version", "done", "bad input", "bad usage"],
)
def test_installed_command(work: Path, table: Path, arguments: list[str], status: int) -> None:
    names = {"TABLE": str(table), "TRUTH": str(work / "movie_truth.csv")}
    blinkspot = shutil.which("blinkspot", path=os.fspath(Path(sys.executable).parent))
    assert blinkspot is not None
    ended = subprocess.run(
        [blinkspot, *(names.get(word, word) for word in arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr
    if status == 0:
        assert ended.stderr == ""
    else:
        assert ended.stdout == ""
        assert len(ended.stderr.splitlines()) == 1
    if "--json" in arguments and status == 0:
        assert json.loads(ended.stdout).keys() == SCORE_KEYS


def test_a_command_does_not_wait_for_what_it_does_not_need():
    # Each of these takes a third of a second to import, and torch two.
    slow = ("torch", "matplotlib", "dask", "zarr", "scipy.signal", "scipy.stats", "napari", "qtpy")
    code = f"import sys, blinkspot.cli.app; print([each for each in {slow} if each in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
