"""Tables that are foreign, empty, incomplete or of another movie get one sentence wherever they are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blinkspot import Camera, LocalizationTable, compare, score
from blinkspot.cli import main
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import SimulationSettings, simulate
from blinkspot.evaluation.scoring.same_movie import MovieFacts
from blinkspot.localization import read_table
from blinkspot.progress import finish

pytest_plugins = ["commands"]

Command = Callable[..., Any]

FRAMES, SIZE_PX = 20, 32
TEXTS = {
    "foreign": "Image,Centroid X,Centroid Y\n1,2,3\n",
    "no units": "frame,x,y\n1,2,3\n",
    "empty": "frame,x [nm],y [nm]\n",
    "beyond": "frame,x [nm],y [nm]\n1,200,300\n400,200,300\n",
    "NaN": "frame,x [nm],y [nm]\n1,200,300\n2,NaN,300\n",
    "outside": "frame,x [nm],y [nm]\n1,20000,300\n2,20000,300\n2,200,300\n",
    "short": "frame,x [nm],y [nm]\n1,200\n",
    "several": "xnm,ynm,frame,filenumber\n1,2,1,1\n1,2,1,2\n",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a movie, its table (t) and truth, those of another camera, and wrong tables."""
    folder = tmp_path_factory.mktemp("tables")
    for name, preset in (("m", "low-light"), ("o", "default")):
        movie = folder / f"{name}.tif"
        for arguments in (
            ["simulate", movie, "--frames", FRAMES, "--size", SIZE_PX, "--preset", preset],
            ["localize", movie, "-o", folder / ("t.csv" if name == "m" else "other.csv")],
        ):
            with pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments])
            assert ended.value.code == 0
    for name, text in TEXTS.items():
        (folder / f"{name.replace(' ', '_')}.csv").write_text(text)
    return folder


# What is said of a table by every command that reads it.
BY_ITSELF = {
    "foreign.csv": "has no column 'frame': it needs at least 'frame', 'x [nm]' and 'y [nm]'",
    "no_units.csv": "has the column 'x', where 'x [nm]' is needed",
    "NaN.csv": "has nan for 'x [nm]' in data row 2",
    "short.csv": "has 2 values and not 3",
    "several.csv": "holds the molecules of 2 movies",
    "absent.csv": "cannot be read",
}
COMMANDS = [
    "convert TABLE -o out.hdf5 --pixel-size-nm 100",
    "render TABLE -o out.png",
    "score TABLE m_truth.csv",
    "score t.csv TABLE",
    "process TABLE -o out.csv --step merge",
    "process t.csv -o out.csv --like TABLE",
    "drift TABLE -o out.csv",
    "drift TABLE -o out.csv --undo",
    "compare m.tif m.tif -o out --truth TABLE",
]
# What depends on what it is given for.
MISUSES = {
    "render empty.csv -o out.png": "holds no molecules and does not tell how large its movie is",
    "drift empty.csv -o out.csv": "cannot be told from a table without molecules",
    "drift empty.csv -o out.csv --fiducials 1,2": "without molecules has no fiducials",
    "compare m.tif m.tif -o out --truth empty.csv": "The truth is empty",
    "compare m.tif m.tif -o out --truth beyond.csv": "reaches to frame 400, but the movie has 20 frames",
    "compare m.tif m.tif -o out --truth o_truth.csv": "pixels of 80 nm, and the movie of one",
    "compare m.tif m.tif -o out --truth outside.csv": "67 % of the molecules of the truth lie outside",
    "score t.csv o_truth.csv": "The truth is of a camera with pixels of 80 nm",
    "score other.csv m_truth.csv": "The truth is of a camera with pixels of 100 nm",
    "score t.csv beyond.csv": "reaches to frame 400, but the movie of the table has 20 frames",
    "score beyond.csv t.csv": "The table reaches to frame 400, but the movie of the truth has 20 frames",
    "score t.csv outside.csv": "67 % of the molecules of the truth lie outside the movie of the table",
    "score outside.csv t.csv": "67 % of the molecules of the table lie outside the movie of the truth",
    "drift beyond.csv -o out.csv --load short_drift.csv": "the drift covers the frames 1 to 20",
    "process beyond.csv -o out.csv --step loaded_drift:path=short_drift.csv": "belongs to another movie",
    "process empty.csv -o out.csv --like t.csv": "t.csv records no steps",
}


def refused(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str) -> None:
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert command(*(word.replace(":", " ") for word in line.split())).refuses(words)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", BY_ITSELF)
def test_a_table_that_cannot_be_read_is_refused_by_every_command(
    tables: Path, command: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for line in COMMANDS:
        refused(command, tables, monkeypatch, line.replace("TABLE", name), BY_ITSELF[name])


@pytest.mark.parametrize(("line", "words"), MISUSES.items(), ids=MISUSES.keys())
def test_a_table_that_does_not_fit_is_refused(
    tables: Path, command: Command, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    rows = "".join(f"{frame},0,0\n" for frame in range(1, FRAMES + 1))
    (tables / "short_drift.csv").write_text("frame,x [nm],y [nm]\n" + rows)
    refused(command, tables, monkeypatch, line, words)


def test_an_empty_table_is_no_misuse_where_nothing_is_asked_of_molecules(
    tables: Path, tmp_path: Path, command: Command
) -> None:
    empty = tables / "empty.csv"
    for step in ("merge", "density", "duplicates", "filter photons > 3"):
        out = tmp_path / f"{step.split()[0]}.csv"
        assert command("process", empty, "-o", out, "--step", step).status == 0
        assert len(read_table(out)) == 0
    assert command("convert", empty, "-o", tmp_path / "e.hdf5", "--pixel-size-nm", 100).status == 0
    counts = command("score", empty, tables / "m_truth.csv", "--json").answer
    assert counts["false_negatives"] == len(read_table(tables / "m_truth.csv"))


def of_movie(frames: int, pixel_size_nm: float, size_px: int, **columns: Any) -> LocalizationTable:
    given = {"frame": [0], "x_nm": [10.0], "y_nm": [10.0], **columns}
    provenance = {"movie_shape": [frames, size_px, size_px], "camera": {"pixel_size_nm": pixel_size_nm}}
    return LocalizationTable.from_columns(given, provenance=provenance)


def test_tables_of_different_movies_are_not_scored_in_python() -> None:
    bare = LocalizationTable.from_columns({"frame": [7, 3], "x_nm": [1.0, 9e4], "y_nm": [1.0, 1.0]})
    assert score(bare, bare).true_positives == 2
    assert score(of_movie(9, 100.0, 32), bare).false_negatives == 2  # one of two is outside
    with pytest.raises(BlinkspotError, match=r"^The truth reaches to frame 8, but .* has 5 frames"):
        score(of_movie(5, 100.0, 32), bare)
    with pytest.raises(BlinkspotError, match=r"^The table reaches to frame 8, but .* of the truth has 5"):
        score(bare, of_movie(5, 100.0, 32))
    with pytest.raises(BlinkspotError, match=r"^The truth is of a camera with pixels of 107 nm"):
        score(of_movie(5, 100.0, 32), of_movie(5, 107.0, 32))
    assert score(of_movie(5, 100.0, 32), of_movie(5, 100.01, 32)).true_positives == 1


def test_a_truth_of_another_movie_is_not_compared_in_python() -> None:
    movie = np.full((6, SIZE_PX, SIZE_PX), 200.0, np.float32)
    camera = Camera(pixel_size_nm=100.0)
    for truth, words in (
        (of_movie(6, 90.0, 32), "pixels of 90 nm"),
        (of_movie(6, 100.0, 32, frame=[6]), "reaches to frame 7, but the movie has 6 frames"),
        (of_movie(6, 100.0, 32, x_nm=[3201.0]), "100 % of the molecules of the truth lie outside the movie"),
    ):
        with pytest.raises(BlinkspotError, match=words) as caught:
            compare(movie, movie, camera, truth)
        assert "\n" not in str(caught.value)


def test_facts_that_are_not_known_refuse_nothing() -> None:
    table = of_movie(9, 100.0, 32, frame=[8], x_nm=[1e6])
    MovieFacts("the movie").check(table, "The table")
    damaged = table.with_provenance({"movie_shape": "big", "camera": None})
    facts = MovieFacts.of_table(damaged, "the movie")
    assert (facts.n_frames, facts.pixel_size_nm, facts.extent_nm) == (None, None, None)


def record_of_a_simulation() -> dict[str, Any]:
    settings = SimulationSettings(frames=7, size_px=16, camera=Camera(pixel_size_nm=100.0))
    return finish(simulate(settings)).provenance


@pytest.mark.parametrize(
    "provenance", [record_of_a_simulation(), {"step": "localize", "movie_shape": [7, 16, 16]}]
)
def test_a_truth_of_a_shorter_movie_is_refused_before_anything_is_localized(provenance) -> None:
    columns = {"frame": [0, 6], "x_nm": [500.0, 700.0], "y_nm": [500.0, 700.0]}
    truth = LocalizationTable.from_columns(columns, provenance=provenance)
    movie = np.random.default_rng(1).poisson(100.0, (8, 16, 16)).astype(np.uint16)
    with pytest.raises(BlinkspotError, match="The truth is of a movie of 7 frames, but the movie has 8"):
        compare(movie, movie, Camera(pixel_size_nm=100.0), truth)
    compare(movie[:7], movie[:7], Camera(pixel_size_nm=100.0), truth).close()


def test_a_table_beyond_a_simulated_movie_is_not_scored() -> None:
    columns = {"frame": [0, 7], "x_nm": [500.0, 700.0], "y_nm": [500.0, 700.0]}
    truth = LocalizationTable.from_columns({name: each[:1] for name, each in columns.items()})
    truth = truth.with_provenance(record_of_a_simulation())
    with pytest.raises(BlinkspotError, match="reaches to frame 8, but the movie of the truth has 7 frames"):
        score(LocalizationTable.from_columns(columns), truth)
