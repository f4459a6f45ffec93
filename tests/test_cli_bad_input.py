"""Bad input on the command line gets one sentence, and nothing is lost or left over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

pytest_plugins = ["commands"]

Command = Callable[..., Any]

SIZE = 32


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
    (tmp_path / "bare.csv").write_text("frame,x [nm],y [nm]\n1,2,3\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "empty.hdf5").write_text("")
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
        assert command(*arguments, "--json").refuses(words)
    assert sorted(bad.rglob("*")) == before


# M: the movie; D: its denoised version; C: its camera; W: its model; T: a table. Others are wrong files.
MISUSES = {
    "train short.tif -o out --camera C": "needs 5 or more",
    "train four.tif -o out --camera C --context-frames 2": "needs 5 or more",
    "denoise short.tif -m W -o out.tif": "too few for 1 context frame",
    "score bare.csv pixels.csv empty.csv": "besides options, 'blinkspot score' takes {TABLE} {TRUTH.csv}",
    "train my movie.tif -o out": "'blinkspot train' takes {STACK}; put a name with spaces in quotation marks",
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
    "train M -o out --electrons-per-adu 1e40": "must lie between",
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
    "localize M -o out.csv --model W": "--model is for the uncertainties of fits on a denoised movie",
    "localize M -o out.csv --denoised shorter.tif": "(30, 32, 32) and the raw one (40, 32, 32)",
    "localize D -o out.csv --denoised D": "is a denoised movie: give the movie as it was recorded",
    "localize M -o out.csv --denoised nan.tif": "Frame 10 (counting from 1) of the denoised movie",
    "localize M -o out.csv --em-gain 0": "em_gain must be 1",
    "localize M -o out.csv --pixel-size-nm nan": "pixel_size_nm must be a finite number",
    "localize M -o out.tif": ".csv (ThunderSTORM, SMAP) or .hdf5 (Picasso)",
    "convert T -o out.xls": ".csv (ThunderSTORM, SMAP) or .hdf5 (Picasso)",
    "convert T -o precious.csv": "is not overwritten",
    "convert T -o out.csv --format picasso": "is written as .hdf5",
    "convert T -o out.csv --format excel": "'excel' is not one of",
    "convert T -o out.hdf5 --pixel-size-nm 0": "must be a number above 0 nm",
    "convert T -o out.hdf5 --pixel-size-nm 0.1": "from 1 to 100,000 nm, not 0.1",
    "convert bare.csv -o out.hdf5": "give it (pixel_size_nm; --pixel-size-nm",
    "convert absent.hdf5 -o out.csv": "cannot be read",
    "convert empty.hdf5 -o out.csv": "is no HDF5 file",
    "localize M -o precious.csv": "is not overwritten",
    "localize M -o beside.csv": "beside.provenance.json exists already",
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
    "score T T --tolerance-nm 1e300": "at most 1e+06 nm",
    "score T T --matching best": "'best'",
    "score T T --border-nm -1": "0 nm or wider",
    "score bare.csv bare.csv --border-nm 10": "give the height and width of the field",
    "score T T --border-nm 1e6": "leaves nothing of a field",
    "score T T --field-nm 100 100": "--field-nm has no effect without --border-nm",
    "score T T --calibration-tolerance-nm 9": "--calibration-tolerance-nm has no effect",
    "score T bare.csv --calibration c.pdf": "as .png or .svg, not as c.pdf",
    "score T T --calibration precious.csv": "as .png or .svg",
    "score bare.csv T --calibration c.png": "reports no uncertainties",
    "picture-score D shorter.tif": "give the clean movie of the same frames",
    "picture-score D absent.tif": "does not exist",
    "picture-score D T": "is not a TIFF file",
    "picture-score D M --offset-adu nan": "--offset-adu must be a number",
    "score T": "Missing argument 'TRUTH.csv'",
    "compare M shorter.tif -o out": "give the denoised version of the same movie",
    "compare D M -o out": "is a denoised movie",
    "compare M D -o folder/..": "is not overwritten",
    "compare M D -o out --truth pixels.csv": "'x [nm]' is needed",
    "compare M D -o out --tolerance-nm nan --truth T": "tolerance must be above 0",
    "localize M -o out.csv --false-per-frame 0.1 --threshold 2": "--threshold has no effect with",
    "localize M -o out.csv --astigmatism c.toml --fit-window-px 9 --initial-sigma-px 2": (
        "--initial-sigma-px and --fit-window-px have no effect with --astigmatism: leave them out"
    ),
    "localize M -o out.csv --preset thunderstorm --widths learned": "--widths has no effect with --preset",
    "render T -o out.png --method gaussian --shifts 4": "--shifts has no effect with --method gaussian",
    "render T -o out.tif --gamma 0.5": "--gamma has no effect on the numbers of a .tif",
    "compare M D -o out --tolerance-nm 30": "--tolerance-nm has no effect without --truth",
    "compare M D -o out --held-out-minutes 1": "--held-out-minutes has no effect without --held-out",
    "compare M D -o out --held-out": "--held-out needs the model that denoised the movie",
    "drift T -o out.csv --load d.csv --method rcc": "--method has no effect with --load",
    "drift T -o out.csv --undo --segment-frames 9": "--segment-frames has no effect with --undo",
    "drift T -o out.csv --fiducials auto --largest-shift-nm 9": "no effect with --fiducials",
    "drift T -o out.csv --radius-nm 9": "--radius-nm has no effect without --fiducials",
    "drift T -o out.csv --load d.csv --pixel-size-nm 9": "no effect without a drift in pixels",
    "drift T -o out.csv --load d.txt --pixel-size-nm 0": "pixel_size_nm must be a number above 0",
    "drift T -o out.csv --load d.txt --pixel-size-nm 0.1": "from 1 to 100,000 nm, not 0.1",
    "drift T -o out.csv --load d.csv --save new.txt --pixel-size-nm 0": "must be a number above 0 nm",
    "residuals M -m W --maps-picture new.png --spectrum-picture folder/../new.png": "Two results would be",
    "calibrate-astigmatism M -o new.png --picture new.png --z-step-nm 25": "Two results would be written as",
    "drift T -o out.csv --save folder/../out.csv": "Two results would be written as",
    "simulate M": "is not overwritten",
    "simulate out.tif --preset bright": "There is no preset 'bright'",
    "simulate out.tif --frames 0": "at least 1 frame",
    "simulate out.tif --background-photons 1e30": "at most 1e+09",
    "simulate out.csv": "ends in .tif",
    "simulate out.tif --size 12x": "--size takes height and width",
    "simulate out.tif --photons 200": "--photons takes two numbers, as 1.5,2, and not '200'",
    "simulate out.tif --photons 900,700": "photons must be a range",
    "simulate out.tif --drift-nm-per-frame 1,nan": "two finite numbers",
    "simulate out.tif --structure cubes": "--structure takes tubes, filaments, rings, grid, clusters, cell",
    "simulate out.tif --structure missing.png": "cannot be read: No such file",
    "simulate out.tif --illumination precious.csv": "must be a picture whose name ends in",
    "simulate out.tif --illumination-fwhm-um 5": "no effect without --illumination gaussian",
    "simulate out.tif --even-background": "--even-background has no effect without --illumination",
    "simulate out.tif --preset paper-default --illumination none --even-background": (
        "--even-background has no effect without --illumination"
    ),
    "simulate out.tif --preset low120 --mean-off-frames 9": "need a mean_on_frames above 0",
    "simulate out.tif --blinks 3": "need a mean_off_frames above 0",
    "simulate out.tif --structure rings --seed -1": "seed must be 0 or more",
    "simulate out.tif --maps-window 3 4": "need maps",
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
    assert command(*(names.get(word, word) for word in line.split())).refuses(words)
    after = {path: path.read_bytes() for folder in (bad, work) for path in folder.iterdir() if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    "line",
    [
        "localize M -o beside.csv",
        "localize M -o precious.csv",
        "train M -o short.tif",
        "denoise M -m W -o short.tif",
        "compare M D -o short.tif",
    ],
)
def test_output_that_exists_is_said_before_the_work(
    bad: Path,
    work: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    on_progress: Callable[..., None],
    line: str,
) -> None:
    monkeypatch.chdir(bad)
    seen: list[Any] = []
    on_progress(seen.append)
    names = {"M": work / "movie.tif", "D": work / "denoised.tif", "W": work / "a model"}
    assert command(*(names.get(word, word) for word in line.split())).status == 2
    assert seen == []


def test_damaged_model(bad: Path, work: Path, command: Command) -> None:
    arguments = ("-m", bad / "damaged model", "-o", bad / "out.tif")
    assert command("denoise", work / "movie.tif", *arguments).refuses("or it is damaged")


def test_model_of_another_camera(work: Path, command: Command, tmp_path: Path) -> None:
    assert command("simulate", tmp_path / "other.tif", "--preset", "default", "--size", 32).status == 0
    ended = command("denoise", tmp_path / "other.tif", "-m", work / "a model", "-o", tmp_path / "out.tif")
    assert ended.refuses("the model was made for another camera")


def test_model_of_another_camera_is_refused_before_the_movie_is_localized(
    work: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*arguments: object) -> None:
        pytest.fail("the movie is localized")

    monkeypatch.setattr("blinkspot.localization.Localizer.localize", too_late)
    movies = ("localize", work / "movie.tif", "--denoised", work / "denoised.tif", "--fit-on", "denoised")
    given = ("-m", work / "a model", "-o", tmp_path / "out.csv", "--electrons-per-adu", 99)
    assert command(*movies, *given).refuses("was made for another camera")


def test_denoised_movie_in_photons(work: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "photons.tif"
    arguments = ("denoise", work / "movie.tif", "-m", work / "a model", "-o", out, "--units", "photons")
    assert command(*arguments).status == 0
    for line in (
        ("localize", work / "movie.tif", "-o", tmp_path / "out.csv", "--denoised", out),
        ("compare", work / "movie.tif", out, "-o", tmp_path / "out"),
    ):
        assert command(*line).refuses("is in photons")


def test_posterior_variance_is_not_taken_for_light(work: Path, command: Command, tmp_path: Path) -> None:
    movie, out = work / "movie.tif", tmp_path / "variance.tif"
    asked = ("-m", work / "a model", "-o", out, "--estimate", "posterior-variance")
    assert command("denoise", movie, *asked).status == 0
    for line in (
        ("localize", out, "-o", tmp_path / "out.csv"),
        ("localize", movie, "-o", tmp_path / "out.csv", "--denoised", out),
        ("residuals", movie, "--denoised", out),
        ("compare", movie, out, "-o", tmp_path / "out"),
        ("picture-score", out, work / "movie_clean.tif"),
    ):
        ended = command(*line)
        assert ended.status == 2
        assert "holds the posterior variance" in ended.words[-1]


def test_no_command_at_all(command: Command) -> None:
    ended = command()
    assert ended.status == 2
    assert ended.words == ["blinkspot: No command is given: choose one of those listed above."]
    assert "localize" in ended.out


def test_demo_where_nothing_can_be_written(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    assert command("demo").refuses("cannot be written to")
