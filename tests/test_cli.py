"""The command line: what it writes is what the library makes, and bad input gets one sentence."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from matplotlib.image import imread

from blinkspot.camera import Camera
from blinkspot.cli import console, main
from blinkspot.denoising import Denoiser
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.localization import Localizer, LocalizerSettings, read_table, render
from blinkspot.progress import finish
from blinkspot.stack import open_stack, write_stack

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
}


@dataclass(frozen=True)
class Outcome:
    """What a command ended with."""

    status: int
    out: str
    err: str

    @property
    def words(self) -> list[str]:
        """Lines on standard error besides progress."""
        return [line for line in self.err.splitlines() if line.strip() and " %|" not in line]

    @property
    def answer(self) -> dict[str, Any]:
        """The JSON object that is all of standard output."""
        assert self.status == 0, self.err
        assert self.out.count("\n") == 1
        found = json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert isinstance(found, dict)
        return found


Command = Callable[..., Outcome]


def run(capture: Any, *arguments: object) -> Outcome:
    capture.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capture.readouterr()
    assert isinstance(ended.value.code, int)
    return Outcome(ended.value.code, out, err)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return lambda *arguments: run(capsys, *arguments)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a movie, a model and a denoised movie, made by the commands."""
    folder = tmp_path_factory.mktemp("ünï 名") / "with a space"
    folder.mkdir()
    movie, toml = folder / "movie.tif", folder / "movie_camera.toml"
    for arguments in (
        ["simulate", movie, "--frames", FRAMES, "--size", SIZE, "--seed", SEED, "--clean"],
        ["train", movie, "-o", folder / "a model", "--camera", toml, "--epochs", 60, "--channels", 8],
        ["denoise", movie, "-m", folder / "a model", "-o", folder / "denoised.tif"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code == 0
    return folder


@pytest.fixture
def plain(work: Path, tmp_path: Path) -> Path:
    """The movie without metadata."""
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, tifffile.imread(work / "movie.tif"), metadata=None, photometric="minisblack")
    return path


@pytest.fixture
def on_progress(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None]], None]:
    """Have a function called with each progress value of a command."""

    def call(then: Callable[[Any], None]) -> None:
        shown = console.ProgressBar.show

        def show(bar: console.ProgressBar, progress: Any, more: str = "") -> None:
            shown(bar, progress, more)
            then(progress)

        monkeypatch.setattr(console.ProgressBar, "show", show)

    return call


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """After an interruption the command line leaves signals ignored: its process ends."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


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
    ],
    ids=["noisy", "wlsq", "denoised", "fit on denoised"],
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


@pytest.fixture(scope="module")
def table(work: Path) -> Path:
    path = work / "table.csv"
    with pytest.raises(SystemExit):
        main(["localize", str(work / "movie.tif"), "-o", str(path)])
    return path


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
    assert answer["routes"]["noisy"]["at_default"] == pytest.approx(alone)
    assert Path(answer["page"]) == tmp_path / "report" / "index.html"
    assert answer["verdict"] in (tmp_path / "report" / "index.html").read_text()
    best = answer["routes"]["noisy"]["at_best"]
    written = command("score", tmp_path / "report" / "noisy.csv", truth, "--json").answer
    assert written == pytest.approx(best)


def test_compare_without_truth_scores_nothing(work: Path, command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty folder").mkdir()
    ended = command(
        "compare", work / "movie.tif", work / "denoised.tif", "-o", tmp_path / "empty folder", "--json"
    )
    assert "without the truth, nobody can say" in ended.answer["verdict"]
    assert "at_best" not in ended.answer["routes"]["noisy"]
    assert (tmp_path / "empty folder" / "index.html").is_file()


def test_nothing_found_is_an_answer_too(work: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "none.csv"
    answer = command("localize", work / "movie.tif", "-o", out, "--threshold", 1000, "--json").answer
    assert (answer["localizations"], answer["mean_photons"]) == (0, None)
    scores = command("score", out, work / "movie_truth.csv", "--json").answer
    assert (scores["recall"], scores["precision"], scores["rmse_nm"]) == (0.0, None, None)
    answer = command("render", out, "-o", tmp_path / "none.tif", "--json").answer
    assert tifffile.imread(tmp_path / "none.tif").sum() == 0


# Whose camera counts


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


# Bad input


@pytest.fixture
def bad(work: Path, tmp_path: Path) -> Path:
    """A folder of wrong files."""
    movie = tifffile.imread(work / "movie.tif")
    numbers = movie.astype(np.float32)
    numbers[9, 3, 4] = np.nan
    dark = movie.copy()
    dark[0] = 0
    for name, pixels in {
        "picture": movie[0],
        "nan": numbers,
        "negative": movie - np.float32(1000),
        "empty frame": dark,
        "saturated": np.minimum(movie, 150),
        "tiny": movie[:, :15],
        "short": movie[:2],
        "four": movie[:4],
        "shorter": movie[:30],
    }.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="minisblack")
    tifffile.imwrite(tmp_path / "five axes.tif", movie.reshape(2, 4, 5, SIZE, SIZE), imagej=True)
    tifffile.imwrite(tmp_path / "colour.tif", np.zeros((5, SIZE, SIZE, 3), np.uint8), photometric="rgb")
    whole = (work / "movie.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "nothing.tif").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    model = (work / "a model").read_bytes()
    (tmp_path / "damaged model").write_bytes(model[:-50])
    (tmp_path / "negative.toml").write_text("em_gain = -3\n")
    (tmp_path / "words.toml").write_text("offset_adu = 'much'\n")
    (tmp_path / "unknown.toml").write_text("[camera]\ngain = 3\n")
    (tmp_path / "broken.toml").write_text("offset_adu\n")
    (tmp_path / "pixels.csv").write_text("frame,x [px],y [px]\n1,2,3\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "precious.csv").write_text("precious")
    (tmp_path / "beside.provenance.json").write_text("{}")
    return tmp_path


MOVIES = [
    ("picture.tif", "single picture"),
    ("five axes.tif", "3 axes besides Y and X"),
    ("colour.tif", "colour (RGB)"),
    ("nan.tif", "Frame 10 (counting from 1)"),
    ("negative.tif", "mostly negative"),
    ("empty frame.tif", "Frame 1 (counting from 1)"),
    ("saturated.tif", "is saturated"),
    ("tiny.tif", "at least 16 x 16"),
    ("cut.tif", "is cut short"),
    ("nothing.tif", "is not a TIFF file"),
    ("empty.csv", "is not a TIFF file"),
    ("folder", "holds no TIFF files"),
    ("absent.tif", "does not exist"),
]


def refused(ended: Outcome, words: str) -> None:
    assert ended.status == 2
    assert ended.out == ""
    *told, sentence = ended.words
    assert all(line.startswith(("From the movie's file", "The pixel size is not known")) for line in told)
    assert sentence.startswith("blinkspot: ")
    assert words in sentence


@pytest.mark.parametrize(("name", "words"), MOVIES, ids=[name for name, _ in MOVIES])
def test_movies_that_cannot_be_used(bad: Path, work: Path, command: Command, name: str, words: str) -> None:
    before = sorted(bad.rglob("*"))
    camera = ("--camera", work / "movie_camera.toml")
    for arguments in (
        ("camera", bad / name),
        ("train", bad / name, "-o", bad / "out", *camera, "--epochs", 1),
        ("denoise", bad / name, "-m", work / "a model", "-o", bad / "out.tif"),
        ("localize", bad / name, "-o", bad / "out.csv", *camera),
        ("compare", bad / name, work / "denoised.tif", "-o", bad / "out", *camera),
    ):
        refused(command(*arguments, "--json"), words)
    assert sorted(bad.rglob("*")) == before


# M: the movie; D: its denoised version; C: its camera; W: its model; T: a table. Others are wrong files.
MISUSES = {
    "train short.tif -o out --camera C": "needs 5 or more",
    "train four.tif -o out --camera C --context-frames 2": "needs 5 or more",
    "denoise short.tif -m W -o out.tif": "too few for 1 context frame",
    "train M -o out --epochs 0": "epochs must be 1 or more",
    "train M -o out --minutes -1": "minutes must be above 0",
    "train M -o out --minutes nan": "minutes must be above 0",
    "train M -o out --epochs 1 --minutes 1": "not both",
    "train M -o out --context-frames 5": "context_frames must be 0, 1 or 2",
    "train M -o out --channels 100000": "channels must be 1 to 512",
    "train M -o out --seed -1": "seed must be",
    "train M -o out --seed 99999999999999999999": "seed must be",
    "train M -o out --network unet": "'unet' is not one of",
    "train M -o out --epochs many": "--epochs",
    "train D -o out --camera C": "is a denoised movie",
    "train M -o out --offset-adu 5000": "less than no light",
    "train M -o out --electrons-per-adu 1e40": "beyond all number",
    "train M -o out --camera negative.toml": "em_gain must be 1",
    "train M -o out --camera words.toml": "offset_adu must be a finite number",
    "train M -o out --camera unknown.toml": "unknown entry 'gain'",
    "train M -o out --camera broken.toml": "not valid TOML",
    "train M -o out --camera absent.toml": "cannot be read",
    "train M": "Missing option",
    "denoise M -m W -o precious.csv": "ends in .tif",
    "denoise M -m W -o short.tif": "is not overwritten",
    "denoise M -m W -o M": "is not overwritten",
    "denoise M -m W -o absent/out.tif": "does not exist",
    "denoise M -m W -o /proc/out.tif": "cannot be written to",
    "denoise M -m absent -o out.tif": "no model file",
    "denoise M -m M -o out.tif": "is not a model",
    "denoise D -m W -o out.tif": "is a denoised movie",
    "denoise W -m M -o out.tif": "is not a TIFF file",
    "denoise M -m W -o out.tif --estimate best": "'best' is not one of",
    "localize M -o out.csv --threshold 0": "threshold must be a number above 0",
    "localize M -o out.csv --threshold nan": "threshold must be a number above 0",
    "localize M -o out.csv --threshold=-1": "threshold must be a number above 0",
    "localize M -o out.csv --fit-on denoised": "needs a denoised movie",
    "localize M -o out.csv --denoised shorter.tif": "(30, 32, 32) and the raw one (40, 32, 32)",
    "localize M -o out.csv --denoised nan.tif": "Frame 10 (counting from 1) of the denoised movie",
    "localize M -o out.csv --em-gain 0": "em_gain must be 1",
    "localize M -o out.csv --pixel-size-nm nan": "pixel_size_nm must be a finite number",
    "localize M -o out.tif": "ends in .csv",
    "localize M -o precious.csv": "is not overwritten",
    "localize M -o beside.csv": "beside.provenance.json exists already",
    "localize D -o out.csv": "is a denoised movie",
    "camera M --em-gain 0": "em_gain must be 1",
    "camera M --offset-adu nan": "offset_adu must be a finite number",
    "render pixels.csv -o out.png": "'x [nm]' is needed",
    "render empty.csv -o out.png": "is empty",
    "render M -o out.png": "is not a text file",
    "render T -o out.jpg": "as .png or .tif, not as .jpg",
    "render T -o out.png --pixel-size-nm 0": "larger than 0 nm",
    "render T -o out.png --pixel-size-nm 1e-9": "too large",
    "score pixels.csv T": "'x [nm]' is needed",
    "score T absent.csv": "cannot be read",
    "score T T --tolerance-nm 0": "tolerance must be above 0",
    "score T": "Missing argument 'TRUTH.csv'",
    "compare M shorter.tif -o out": "give the denoised version of the same movie",
    "compare D M -o out": "is a denoised movie",
    "compare M D -o folder/..": "is not overwritten",
    "compare M D -o out --truth pixels.csv": "'x [nm]' is needed",
    "compare M D -o out --tolerance-nm nan --truth T": "tolerance must be above 0",
    "simulate M": "is not overwritten",
    "simulate out.tif --preset bright": "There is no preset 'bright'",
    "simulate out.tif --frames 0": "at least 1 frame",
    "simulate out.tif --background-photons 1e30": "at most 1e+09",
    "simulate out.csv": "ends in .tif",
    "demo precious.csv": "is not overwritten",
    "demo out --minutes -1": "minutes must be above 0",
    "develop M": "No such command 'develop'",
    "train M -o out --gain 3": "No such option",
}


@pytest.mark.parametrize(("line", "words"), MISUSES.items(), ids=MISUSES.keys())
def test_misuse(
    bad: Path,
    work: Path,
    table: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    words: str,
) -> None:
    monkeypatch.chdir(bad)
    names = {
        "M": work / "movie.tif",
        "D": work / "denoised.tif",
        "C": work / "movie_camera.toml",
        "W": work / "a model",
        "T": table,
    }
    before = {
        path: path.read_bytes() for folder in (bad, work) for path in folder.iterdir() if path.is_file()
    }
    refused(command(*(names.get(word, word) for word in line.split())), words)
    after = {path: path.read_bytes() for folder in (bad, work) for path in folder.iterdir() if path.is_file()}
    assert after == before


def test_damaged_model(bad: Path, work: Path, command: Command) -> None:
    arguments = ("-m", bad / "damaged model", "-o", bad / "out.tif")
    refused(command("denoise", work / "movie.tif", *arguments), "or it is damaged")


def test_model_of_another_camera(work: Path, command: Command, tmp_path: Path) -> None:
    assert command("simulate", tmp_path / "other.tif", "--preset", "default", "--size", 32).status == 0
    ended = command("denoise", tmp_path / "other.tif", "-m", work / "a model", "-o", tmp_path / "out.tif")
    refused(ended, "the model was made for another camera")


def test_denoised_movie_in_photons(work: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "photons.tif"
    arguments = ("denoise", work / "movie.tif", "-m", work / "a model", "-o", out, "--units", "photons")
    assert command(*arguments).status == 0
    for line in (
        ("localize", work / "movie.tif", "-o", tmp_path / "out.csv", "--denoised", out),
        ("compare", work / "movie.tif", out, "-o", tmp_path / "out"),
    ):
        refused(command(*line), "is in photons")


def test_no_command_at_all(command: Command) -> None:
    ended = command()
    assert ended.status == 2
    assert ended.words == ["blinkspot: No command is given: choose one of those listed above."]
    assert "localize" in ended.out


def test_demo_where_nothing_can_be_written(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    refused(command("demo"), "cannot be written to")


def test_demo_does_the_whole_path(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(PRESETS["low-light"], frames=30, size_px=32)
    monkeypatch.setattr("blinkspot.cli.demo_command.PRESETS", {"low-light": small})
    ended = command("demo", tmp_path / "demo", "--minutes", 0.02, "--json")
    assert Path(ended.answer["page"]).is_file()
    assert [line[:3] for line in ended.words] == ["1/4", "2/4", "3/4", "4/4"]
    scores = json.loads((tmp_path / "demo" / "comparison" / "scores.json").read_text())
    assert scores["verdict"] == ended.answer["verdict"]
    assert tifffile.imread(tmp_path / "demo" / "denoised.tif").shape == (30, 32, 32)


# Interrupted, or short of room, midway


LONG_JOBS = {
    "simulate out.tif --frames 3000 --size 64": "simulating",
    "denoise M -m W -o out.tif": "denoising",
    "localize M -o out.csv": "localizing",
    "compare M D -o out": "comparing",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("line", "step"), LONG_JOBS.items(), ids=LONG_JOBS.values())
def test_interrupted_midway_leaves_nothing(
    work: Path,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_progress: Callable[..., None],
    line: str,
    step: str,
    number: signal.Signals,
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = []

    def interrupt(progress: Any) -> None:
        if progress.step == step:
            seen.append(list(tmp_path.iterdir()))
            signal.raise_signal(number)

    on_progress(interrupt)
    names = {"M": work / "movie.tif", "D": work / "denoised.tif", "W": work / "a model"}
    ended = command(*(names.get(word, word) for word in line.split()))
    assert len(seen) == 1  # the job ended there
    assert ended.status == 130
    assert ended.words[-1] == "blinkspot: Stopped; nothing half-done was left behind."
    assert list(tmp_path.iterdir()) == []


def training_line(work: Path, out: Path) -> tuple[object, ...]:
    return ("train", work / "movie.tif", "-o", out, "--epochs", 500, "--channels", 4, "--device", "cpu")


def test_interrupted_training_keeps_the_best_model(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    losses: list[float] = []

    def interrupt(progress: Any) -> None:
        if getattr(progress, "validated", False):
            losses.append(progress.validation_loss)
        if len(losses) == 3:
            signal.raise_signal(signal.SIGINT)

    on_progress(interrupt)
    ended = command(*training_line(work, tmp_path / "model"))
    assert ended.status == 130
    assert f"Stopped: the best model so far is {tmp_path / 'model'}." in ended.words
    assert Denoiser.load(tmp_path / "model").provenance["validation_loss"] == min(losses)
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_training_interrupted_before_there_is_a_model(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    on_progress(lambda _: signal.raise_signal(signal.SIGINT))
    assert command(*training_line(work, tmp_path / "model")).status == 130
    assert list(tmp_path.iterdir()) == []


def test_second_interruption_does_not_spoil_the_saving(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None], monkeypatch: Any
) -> None:
    save = Denoiser.save

    def save_impatiently(model: Denoiser, path: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        save(model, path)

    def interrupt(progress: Any) -> None:
        if getattr(progress, "improved", False):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Denoiser, "save", save_impatiently)
    on_progress(interrupt)
    assert command(*training_line(work, tmp_path / "model")).status == 130
    Denoiser.load(tmp_path / "model")


def test_training_that_fails_keeps_the_best_model(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    def fail(progress: Any) -> None:
        if getattr(progress, "improved", False):
            raise BlinkspotError("The loss is no longer a number.")

    on_progress(fail)
    ended = command(*training_line(work, tmp_path / "model"))
    assert (ended.status, ended.words[-1]) == (2, "blinkspot: The loss is no longer a number.")
    Denoiser.load(tmp_path / "model")


def test_model_that_cannot_be_written_any_more_is_saved_elsewhere(
    work: Path,
    command: Command,
    tmp_path: Path,
    on_progress: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "model").write_text("another's")

    def pull_out(progress: Any) -> None:
        if getattr(progress, "improved", False):
            shutil.rmtree(folder, ignore_errors=True)
            signal.raise_signal(signal.SIGINT)

    on_progress(pull_out)
    ended = command(*training_line(work, folder / "model"))
    refused(ended, f"The model was saved as {tmp_path / 'model-2'} instead, because The folder")
    Denoiser.load(tmp_path / "model-2")
    assert (tmp_path / "model").read_text() == "another's"


def test_output_that_another_run_made_meanwhile_is_not_overwritten(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None]
) -> None:
    out = tmp_path / "out.tif"
    on_progress(lambda _: out.write_text("another's"))
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", out)
    refused(ended, "has come into being meanwhile")
    assert (out.read_text(), list(tmp_path.iterdir())) == ("another's", [out])


def test_disk_without_room(
    work: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=50_000))
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", tmp_path / "out.tif")
    refused(ended, "needs 0.18 MB, but")
    refused(command("simulate", tmp_path / "out.tif"), "has only 50.0 kB free")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 36 TB")]
)
def test_too_little_memory(
    work: Path, command: Command, tmp_path: Path, on_progress: Callable[..., None], error: Exception
) -> None:
    def fail(_: Any) -> None:
        raise error

    on_progress(fail)
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", tmp_path / "out.tif")
    refused(ended, "not enough memory")
    assert list(tmp_path.iterdir()) == []


def test_defects_are_not_hidden(work: Path, tmp_path: Path, on_progress: Callable[..., None]) -> None:
    def fail(_: Any) -> None:
        raise KeyError("a defect of ours")

    on_progress(fail)
    with pytest.raises(KeyError):
        main(
            ["denoise", str(work / "movie.tif"), "-m", str(work / "a model"), "-o", str(tmp_path / "out.tif")]
        )
    assert list(tmp_path.iterdir()) == []


# Standard output


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
