"""A batch: what the single commands make of a movie, skipped when done, gone on with, and never stopped."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batches import RECIPE, STEPS, TRAIN, names_in, recipe_in, results, run

from blinkspot.batch import run_batch, steps
from blinkspot.batch.plan import Planner
from blinkspot.batch.result_folder import kept_warnings
from blinkspot.camera import Camera
from blinkspot.denoising import Denoiser
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import ComparisonSettings
from blinkspot.localization import read_table
from blinkspot.movies.stack import open_stack, write_stack
from blinkspot.progress import finish
from blinkspot.provenance import provenance

pytest_plugins = ["batches", "commands"]

Command = Callable[..., Any]
RESULTS = {
    "batch.json",
    "model.blinkspot",
    "denoised.tif",
    "localizations.csv",
    "localizations.provenance.json",
    "processed.csv",
    "processed.provenance.json",
}


@pytest.fixture(scope="module")
def done(made_movies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the movies and ``out``, the output of a batch that was left alone."""
    folder = tmp_path_factory.mktemp("batch") / "movies"
    shutil.copytree(made_movies, folder)
    summary = run(recipe_in(folder), folder, folder / "out")
    assert [row.state for row in summary.rows] == ["done", "failed", "done"]
    return folder


def same(own: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether results are the same; an assertion on them would look for every byte that differs."""
    return own == other


def rows_of(output: Path) -> list[dict[str, str]]:
    with (output / "summary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def states(output: Path) -> list[str]:
    return [row["state"] for row in rows_of(output)]


def test_results_and_figures_are_those_of_the_single_commands(
    done: Path, command: Command, tmp_path: Path
) -> None:
    camera = ("--camera", done / "a_camera.toml")
    for name, row in zip("ab", rows_of(done / "out")[::2], strict=True):
        movie, made, own = done / f"{name}.tif", done / "out" / name, tmp_path / name
        assert names_in(made) == RESULTS
        own.mkdir()
        quick = ("--epochs", 2, "--channels", 4, "--context-frames", 1, "--blind-spot-radius-px", 0)
        trained = command("train", movie, "-o", own / "model.blinkspot", *camera, *quick, "--json").answer
        command("denoise", movie, "-m", own / "model.blinkspot", "-o", own / "denoised.tif")
        guided = ("--denoised", own / "denoised.tif", *camera, "--json")
        command("localize", movie, "-o", own / "localizations.csv", *guided)
        step = ("--step", "filter photons > 60")
        command("process", own / "localizations.csv", "-o", own / "processed.csv", *step)
        assert results(own) == results(made)
        table = read_table(own / "processed.csv")
        assert int(row["frames"]) == 40
        assert int(row["model_steps"]) == trained["steps"]
        assert row["settled"] == str(trained["settled"])
        assert int(row["molecules"]) == len(table) < len(read_table(own / "localizations.csv"))
        mean_nm = float(table.column("uncertainty_nm").mean())
        assert math.isclose(float(row["mean_uncertainty_nm"]), mean_nm)
        assert row["warnings"].startswith("The training ended before its validation loss had settled")
        assert (row["folder"], row["frc_resolution_nm"], row["judgement"]) == (name, "", "")


def test_one_bad_movie_stops_nothing_and_is_named(done: Path, command: Command) -> None:
    bad = rows_of(done / "out")[1]
    assert (bad["state"], bad["movie"], bad["molecules"]) == ("failed", str(done / "bad.tif"), "")
    assert "is not a TIFF file" in bad["why"]
    ended = command(
        "batch", done / "recipe.toml", done / "a.tif", done / "bad.tif", done / "none.tif", "-o", done / "out"
    )
    assert ended.status == 1
    header, a, bad_line, none_line = ended.out.splitlines()
    assert header.split()[:2] == ["movie", "frames"]
    assert a.startswith("a.tif ")
    assert a.endswith("skipped")
    assert "failed: " in bad_line
    assert none_line.endswith("does not exist: check the name.")
    assert ended.words[-1].endswith(str(done / "out" / "summary.csv"))


def test_what_is_done_is_not_touched(done: Path, command: Command) -> None:
    before = {path: path.stat().st_mtime_ns for path in (done / "out").glob("?/*")}
    ended = command(
        "batch", done / "recipe.toml", done / "b.tif", done / "a.tif", "-o", done / "out", "--json"
    )
    assert [row["state"] for row in ended.answer["movies"]] == ["skipped", "skipped"]
    assert [row["folder"] for row in ended.answer["movies"]] == ["b", "a"]
    assert {path: path.stat().st_mtime_ns for path in (done / "out").glob("?/*")} == before


def test_what_was_kept_to_go_on_with_goes_once_the_result_is_there(done: Path) -> None:
    """A step that was begun on a cluster may have ended here, or the other way round."""
    before = names_in(done / "out" / "a")
    kept = [(".denoised.tif.blocks", "0.npy"), (".localizations.csv.0a1b2c3d.unfinished", "rows.float64")]
    for folder, name in kept:
        (done / "out" / "a" / folder).mkdir()
        (done / "out" / "a" / folder / name).write_bytes(bytes(8))
    other = done / "out" / "a" / ".denoised-2.tif.blocks"  # of a step that has not ended
    other.mkdir()
    run(recipe_in(done), done, done / "out", "a")
    assert names_in(done / "out" / "a") == {*before, other.name}
    other.rmdir()


def test_a_changed_step_is_done_again_beside_the_old_one(done: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(done, folder)  # another place, the same movies
    before = results(folder / "out")
    text = RECIPE.replace("[localize]", "[localize]\nthreshold = 1.4")
    summary = run(recipe_in(folder, text), folder, folder / "out", "a")
    assert summary.rows[0].state == "done"
    ends = ("-2.csv", "-2.provenance.json")
    again = {f"{stem}{end}" for stem in ("localizations", "processed") for end in ends}
    assert names_in(folder / "out" / "a") == RESULTS | again
    after = results(folder / "out")
    assert {name: after[name] for name in before} == before
    table, changed = (read_table(folder / "out" / "a" / f"processed{end}.csv") for end in ("", "-2"))
    assert summary.rows[0].figures.molecules == len(changed) < len(table)
    # Back to what it was: all of that is there.
    assert run(recipe_in(folder), folder, folder / "out", "a").rows[0].state == "skipped"
    # Another movie under the same name has a folder of its own.
    (folder / "a.tif").unlink()
    shutil.copy(folder / "b.tif", folder / "a.tif")
    named = run(recipe_in(folder), folder, folder / "out", "a b").rows
    assert [(row.folder and row.folder.name, row.state) for row in named] == [
        ("a-2", "done"),
        ("b", "skipped"),
    ]


INTERRUPTED_IN = ("training", "denoising", "localizing", "filtering")


@pytest.mark.parametrize("step", INTERRUPTED_IN)
def test_interrupted_midway_and_gone_on_with(
    done: Path,
    movies: Path,
    command: Command,
    on_progress: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    # One frame at a time, so that denoising and localizing have a middle.
    monkeypatch.setattr("blinkspot.denoising.frame_stream._PIXELS_AT_ONCE", {"cpu": 32 * 32})
    monkeypatch.setattr("blinkspot.localization.localizer.PIXELS_LOCALIZED_AT_ONCE", 32 * 32)
    monkeypatch.setattr("blinkspot.localization.localizer.SECONDS_BETWEEN_PROGRESS", 0.0)
    recipe_in(movies)
    line = ("batch", movies / "recipe.toml", movies / "a.tif", "-o", movies / "out")
    seen: list[set[str]] = []

    def interrupt(progress: Any) -> None:
        if progress.step == step and progress.fraction > 0.4 and not seen:
            seen.append(names_in(movies / "out" / "a"))
            signal.raise_signal(signal.SIGINT)

    on_progress(interrupt)
    ended = command(*line)
    assert (ended.status, len(seen)) == (130, 1)
    assert "the same command goes on from here" in ended.words[-1]
    kept = names_in(movies / "out" / "a")
    made = {"training": 0, "denoising": 1, "localizing": 2, "filtering": 4}[step]
    assert len(kept & RESULTS) == 1 + made
    assert (".model.blinkspot.checkpoint" in kept) == (step == "training")
    assert not (movies / "out" / "summary.csv").exists()
    ended = command(*line)
    assert ended.status == 0, ended.err
    assert states(movies / "out") == ["done"]
    assert names_in(movies / "out" / "a") == RESULTS
    if step != "denoising":  # whose last bits depend on which frames are computed together
        whole = results(done / "out" / "a")
        own = results(movies / "out" / "a")
        assert own["model.blinkspot"] == whole["model.blinkspot"]


def test_a_training_goes_on_from_its_checkpoint(movies: Path, one_thread: None) -> None:
    longer = TRAIN.replace("epochs = 2", "epochs = 4")
    recipe = recipe_in(movies, f"[camera]\nfile = 'a_camera.toml'\n[train]\n{longer}")
    run(recipe, movies, movies / "whole", "a")
    for name in ("out", "damaged"):
        job = run_batch(recipe, [movies / "a.tif"], movies / name)
        next(value for value in job if value.step == "training" and value.fraction > 0.5)
        job.close()
        assert names_in(movies / name / "a") == {"batch.json", ".model.blinkspot.checkpoint"}
    # One that is damaged is not gone on with.
    (movies / "damaged" / "a" / ".model.blinkspot.checkpoint").write_bytes(b"\x00" * 100)
    for name, is_resumed in (("out", True), ("damaged", False)):
        job = run_batch(recipe, [movies / "a.tif"], movies / name)
        first = next(value for value in job if value.step == "training")
        assert (first.fraction > 0.4) == is_resumed
        finish(job)
        assert results(movies / name / "a") == results(movies / "whole" / "a")
        assert names_in(movies / name / "a") == {"batch.json", "model.blinkspot"}
    # Killed right after the model had its name.
    (movies / "out" / "a" / ".model.blinkspot.checkpoint").write_bytes(b"left")
    assert run(recipe, movies, movies / "out", "a").rows[0].state == "skipped"
    assert names_in(movies / "out" / "a") == {"batch.json", "model.blinkspot"}


def test_killed_midway_and_gone_on_with(movies: Path) -> None:
    recipe_in(movies)
    program = (
        "import sys, os, signal\n"
        "from blinkspot.batch import read_recipe, run_batch\n"
        "for value in run_batch(read_recipe(sys.argv[1]), [sys.argv[2]], sys.argv[3]):\n"
        "    if value.step == sys.argv[4]:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    line = [sys.executable, "-c", program, movies / "recipe.toml", movies / "a.tif"]
    # In a process of its own, too: to the bit, weights depend on the number of torch's threads.
    assert subprocess.run([*line, movies / "whole", "never"]).returncode == 0
    assert subprocess.run([*line, movies / "out", "localizing"]).returncode == -signal.SIGKILL
    kept = {name for name in names_in(movies / "out" / "a") if name.endswith(".unfinished")}
    assert len(kept) <= 1
    assert names_in(movies / "out" / "a") - kept == {"batch.json", "model.blinkspot", "denoised.tif"}
    left = movies / "out" / "a" / ".localizations.csv.0a1b2c3d.part" / "made"
    left.mkdir(parents=True)
    (left / "localizations.csv").write_text("what a killed process left")
    run(recipe_in(movies), movies, movies / "out", "a")
    assert names_in(movies / "out" / "a") == RESULTS
    assert same(results(movies / "out" / "a"), results(movies / "whole" / "a"))


def test_half_a_table_is_not_taken_for_one(done: Path, movies: Path) -> None:
    shutil.copytree(done / "out", movies / "out")
    (movies / "out" / "a" / "localizations.provenance.json").unlink()
    summary = run(recipe_in(movies), movies, movies / "out", "a")
    assert summary.rows[0].state == "done"
    own = results(movies / "out" / "a")
    assert own["localizations-2.csv"] == own["localizations.csv"]


@pytest.mark.parametrize("models", ["each", "all"])
def test_what_a_lost_model_has_made_is_not_mixed_with_what_its_successor_makes(
    movies: Path, models: str
) -> None:
    recipe = recipe_in(movies, RECIPE.replace("[train]", f"[train]\nmodels = '{models}'"))
    out, made = movies / "out", movies / "out" / "a"
    folder = made if models == "each" else out
    run(recipe, movies, out, "a")
    before = results(out)
    first = (folder / "model.blinkspot").rename(movies / "kept")
    # Freed of that, too: then the tables alone tell.
    (made / "denoised.tif").unlink()
    assert run(recipe, movies, out, "a").rows[0].state == "done"
    assert (folder / "model-2.blinkspot").is_file()
    # The names of what the first one made are given away for good.
    names = {"denoised-2.tif", "localizations-2.csv", "processed-2.csv"}
    assert names <= names_in(made)
    assert not {"denoised.tif", "denoised-3.tif", "localizations-3.csv"} & names_in(made)
    assert before["a/localizations.csv"] == results(out)["a/localizations.csv"]
    assert run(recipe, movies, out, "a").rows[0].state == "skipped"
    # Where the first one is found again, what it has made counts again.
    first.rename(folder / "model.blinkspot")
    run(recipe, movies, out, "a")
    figures = {path.name for path in made.glob("*.csv")}
    assert figures == {f"{stem}{end}.csv" for stem in ("localizations", "processed") for end in ("", "-2")}


def test_what_nobody_has_used_of_a_lost_model_is_no_reason_for_another_name(movies: Path) -> None:
    recipe = recipe_in(movies, f"[camera]\nfile = 'a_camera.toml'\n[train]\n{TRAIN}")
    run(recipe, movies, movies / "out", "a")
    (movies / "out" / "a" / "model.blinkspot").unlink()
    run(recipe, movies, movies / "out", "a")
    assert names_in(movies / "out" / "a") == {"batch.json", "model.blinkspot"}


def test_a_damaged_record_is_named_and_nothing_is_done_again(done: Path, movies: Path) -> None:
    recipe = recipe_in(movies)
    shutil.copytree(done / "out", movies / "out")
    record = movies / "out" / "a" / "batch.json"
    whole = record.read_text(encoding="utf-8")
    for text in (
        "",
        whole[:200],
        "[]",
        whole.replace('"key"', '"clef"'),
        whole.replace('batch": 1', 'batch": 2'),
    ):
        record.write_text(text, encoding="utf-8")
        a, b = run(recipe, movies, movies / "out", "a b").rows
        assert a.why.startswith(f"{record} is damaged, or of another version")
        assert f"move {record.parent} away" in a.why
        assert b.state == "skipped"
    assert not (movies / "out" / "a-2").exists()
    shutil.move(record.parent, movies / "away")
    assert run(recipe, movies, movies / "out", "a").rows[0].state == "done"


def test_folders_in_the_way_are_left_alone_and_told_of(movies: Path) -> None:
    recipe = recipe_in(movies, "[camera]\nfile = 'a_camera.toml'\n[localize]\n")
    others = movies / "out" / "a" / "notes.txt"
    others.parent.mkdir(parents=True)
    others.write_text("mine")
    # What a batch leaves that was killed as it made the folder.
    (movies / "out" / "b").mkdir()
    (movies / "out" / "b" / "batch.json.new").write_text('{"nap')
    said: list[str] = []

    def hear(progress: Any) -> None:
        said.extend([progress.note] if progress.note else [])

    finish(run_batch(recipe, [movies / "a.tif", movies / "b.tif"], movies / "out"), hear)
    assert names_in(movies / "out") >= {"a", "a-2", "b"}
    assert not (movies / "out" / "b-2").exists()
    assert names_in(others.parent) == {"notes.txt"}
    assert "a.tif: its results go to the folder a-2: a is there already, and not of this movie." in said
    said.clear()
    finish(run_batch(recipe, [movies / "a.tif"], movies / "out"), hear)
    assert not any("results go to" in sentence for sentence in said)


def test_one_movie_by_two_paths_is_done_once(movies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_in(movies, "[camera]\nfile = 'a_camera.toml'\n[localize]\n")
    (movies / "link.tif").symlink_to(movies / "a.tif")
    monkeypatch.chdir(movies)
    said: list[str] = []
    given = ["a.tif", movies / "a.tif", movies / "." / "a.tif", "link.tif"]
    summary = finish(run_batch(recipe, given, "out"), lambda progress: said.append(progress.note))
    assert [row.movie for row in summary.rows] == [movies / "a.tif"]
    assert (
        said[0]
        == f"{movies / 'link.tif'} and {movies / 'a.tif'} are one movie, which is done once, as the latter."
    )


@pytest.mark.parametrize(
    "content", ["", "[1, 2]", '{"ring_correlation": 3}', '{"ring_correlation": {"resolution_nm": "x"}}']
)
def test_a_damaged_result_is_named(movies: Path, command: Command, content: str) -> None:
    text = "[camera]\nfile = 'a_camera.toml'\n[localize]\nthreshold = 0.5\n[resolution]\n"
    run(recipe_in(movies, text), movies, movies / "out", "a")
    path = movies / "out" / "a" / "resolution.json"
    whole = json.loads(path.read_text(encoding="utf-8"))["ring_correlation"]
    path.write_text(content, encoding="utf-8")
    line = ("batch", movies / "recipe.toml", movies / "a.tif", "-o", movies / "out")
    ended = command(*line)
    assert ended.status == 1
    assert f"failed: {path} is damaged, or cannot be read: move it away, and it is made again." in ended.out
    path.unlink()
    assert command(*line).status == 0
    assert json.loads(path.read_text(encoding="utf-8"))["ring_correlation"] == whole


def test_a_damaged_denoised_movie_is_named_also_where_nothing_is_to_do(done: Path, tmp_path: Path) -> None:
    shutil.copytree(done / "out", tmp_path / "out")
    (tmp_path / "out" / "a" / "denoised.tif").write_bytes(b"")
    (row,) = run(recipe_in(done), done, tmp_path / "out", "a").rows
    assert row.state == "failed"
    assert "denoised.tif is damaged, or cannot be read: move it away" in row.why


def test_a_movie_that_was_renamed_keeps_its_results(movies: Path) -> None:
    recipe = recipe_in(movies, "[camera]\nfile = 'a_camera.toml'\n[localize]\n")
    run(recipe, movies, movies / "out", "a")
    # A copy is a movie of its own, as long as the other one is there.
    shutil.copy(movies / "a.tif", movies / "copy.tif")
    (row,) = run(recipe, movies, movies / "out", "copy").rows
    assert (row.state, row.folder) == ("done", movies / "out" / "copy")
    (movies / "a.tif").rename(movies / "c.tif")
    notes: list[str] = []
    job = run_batch(recipe, [movies / "c.tif"], movies / "out")
    (row,) = finish(job, lambda progress: notes.append(progress.note)).rows
    assert (row.state, row.folder) == ("skipped", movies / "out" / "a")
    assert any(note.startswith("c.tif: its results are in the folder a, after the name") for note in notes)
    # Also when another movie has got the old name.
    shutil.copy(movies / "b.tif", movies / "a.tif")
    (row,) = run(recipe, movies, movies / "out", "c").rows
    assert (row.state, row.folder) == ("skipped", movies / "out" / "a")


def test_one_model_for_all_is_trained_on_the_frames_of_all(movies: Path) -> None:
    recipe = recipe_in(movies, RECIPE.replace("[train]", "[train]\nmodels = 'all'"))
    summary = run(recipe, movies, movies / "out")
    assert [row.state for row in summary.rows] == ["done", "failed", "done"]
    assert names_in(movies / "out" / "a") == RESULTS - {"model.blinkspot"}
    record = json.loads((movies / "out" / "batch.json").read_text(encoding="utf-8"))
    assert [(entry["step"], entry["name"]) for entry in record["results"]] == [("train", "model.blinkspot")]
    model = Denoiser.load(movies / "out" / "model.blinkspot")
    # Two movies of 40 frames, of which one tenth is held out: as many steps again as for one.
    alone = run(recipe_in(movies, RECIPE, "each.toml"), movies, movies / "each", "a").rows[0].figures
    assert alone.model_steps is not None
    assert model.provenance["steps"] >= 1.5 * alone.model_steps
    assert summary.rows[0].figures.model_steps == summary.rows[2].figures.model_steps
    assert summary.rows[2].warnings[0].startswith("The training ended before its validation loss had settled")
    assert run(recipe, movies, movies / "out").rows[0].state == "skipped"
    # The model as a file: other movies may come, and it stays.
    text = RECIPE.replace(TRAIN, "models = 'out/model.blinkspot'\n")
    again = run(recipe_in(movies, text), movies, movies / "by_file", "a")
    assert results(movies / "by_file" / "a") == results(movies / "out" / "a")
    assert again.rows[0].figures == summary.rows[0].figures
    # A camera that contradicts that of the model is no camera of its movies.
    other = recipe_in(movies, text.replace("[camera]\n", "[camera]\nem_gain = 300\n"))
    (row,) = run(other, movies, movies / "by_file", "a").rows
    assert row.why.startswith("The model was made for another camera (its em_gain is 150, not 300)")
    # What is not stated is taken from it.
    alone = recipe_in(movies, text.replace("file = 'a_camera.toml'", ""), "alone.toml")
    write_stack(movies / "plain.tif", open_stack(movies / "a.tif").frames(0, 40))
    (row,) = run(alone, movies, movies / "by_file", "plain").rows
    assert row.state == "done", row.why
    made_by = read_table(movies / "by_file" / "plain" / "processed.csv").provenance
    assert made_by["camera"] == model.camera.as_dict()


def test_movies_that_one_model_cannot_have_in_common(movies: Path) -> None:
    frames = open_stack(movies / "a.tif").frames(0, 40)
    write_stack(movies / "wide.tif", np.concatenate([frames, frames], axis=2))
    write_stack(movies / "nan.tif", np.where(np.arange(40)[:, None, None] == 20, np.nan, frames))
    recipe = recipe_in(
        movies, f"[camera]\nfile = 'a_camera.toml'\n[train]\nmodels = 'all'\n{TRAIN}[localize]"
    )
    # Which of two kinds is meant cannot be told; what is wrong with a movie itself is said of it.
    a, wide, bad = run(recipe, movies, movies / "two", "a wide bad").rows
    assert a.why == wide.why
    assert a.why.startswith("no model for all movies: One model for all movies is trained on")
    assert "is not a TIFF file" in bad.why
    # Of three, one of another size does not stop the others, and neither does one of other pixels.
    a, wide, nan, b = run(recipe, movies, movies / "more", "a wide nan b").rows
    assert (a.state, b.state) == ("done", "done")
    assert wide.why.startswith("wide.tif has frames of 32 x 64 pixels of uint16, and most movies")
    assert "not finite numbers" in nan.why
    whole = run(recipe, movies, movies / "alone", "a b")
    assert whole.rows[0].figures.model_steps == a.figures.model_steps


def test_a_movie_of_another_camera_has_no_part_in_the_model_for_all(movies: Path) -> None:
    """Nor does the camera depend on which movie is the first one to be given."""
    frames = open_stack(movies / "b.tif").frames(0, 40)
    write_stack(movies / "plain.tif", frames)
    other = Camera(offset_adu=90, electrons_per_adu=12, em_gain=300)
    write_stack(movies / "other.tif", frames, provenance=provenance("simulate", camera=other))
    planner = Planner(recipe_in(movies, f"[train]\nmodels = 'all'\n{TRAIN}"), movies)
    shared, left_out = planner.shared_model([movies / f"{name}.tif" for name in ("plain", "a", "other")])
    assert shared is not None
    assert shared.training is not None
    assert shared.camera == Camera.load(movies / "a_camera.toml")
    assert set(shared.training.movies) == {movies / "plain.tif", movies / "a.tif"}
    (why,) = left_out.values()
    assert why.startswith(
        "the model for all movies is trained for another camera (its offset_adu is 100, not"
    )
    again, _ = planner.shared_model([movies / f"{name}.tif" for name in ("a", "other", "plain")])
    assert again is not None
    assert again.path == shared.path
    # A movie of its name has another folder.
    shutil.copy(movies / "a.tif", movies / "model.blinkspot.tif")
    plan = planner.plan(movies / "model.blinkspot.tif", shared)
    assert (shared.path.name, plan.folder.path.name) == ("model.blinkspot", "model.blinkspot-2")


def test_results_count_whatever_the_file_of_the_maps_is_called(movies: Path) -> None:
    maps = np.stack([np.full((32, 32), value, np.float32) for value in (100.0, 4.0, 2.0)])
    found = []
    for name in ("chip.npy", "moved.npy"):
        np.save(movies / name, maps)
        text = f"[camera]\nmaps = '{name}'\nem_gain = 150\n[train]\n[denoise]\n[localize]\n"
        plan = Planner(recipe_in(movies, text), movies).plan(movies / "a.tif", None)
        found.append([step.target for step in plan.steps])
    assert found[0] == found[1]


@pytest.fixture
def few_simulations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncertainties are calibrated on as few simulated frames as can be."""
    monkeypatch.setattr("blinkspot.evaluation.denoised_fits.simulated_errors.MOST_PIXELS", 0)
    monkeypatch.setattr("blinkspot.evaluation.denoised_fits.simulated_errors.FRAMES_AT_ONCE", 24)


def test_a_camera_from_each_movies_file_and_reports(movies: Path, few_simulations: None) -> None:
    dim = "[localize]\nthreshold = 0.5"
    steps = STEPS.replace("> 60", "> 0").replace("[localize]", dim)
    text = f"[train]\n{TRAIN}{steps}[resolution]\n[compare]\n[check]\nthreshold = 1.2\n"
    (row,) = run(recipe_in(movies, text), movies, movies / "out", "a").rows
    made = movies / "out" / "a"
    assert row.state == "done", row.why
    scores = json.loads((made / "comparison" / "scores.json").read_text(encoding="utf-8"))
    assert (row.figures.judgement, row.figures.verdict) == (scores["judgement"], scores["verdict"])
    check = json.loads((made / "check.json").read_text(encoding="utf-8"))
    assert row.figures.false_percent is not None
    for name, route in check["routes"].items():
        share = route["false_share"][0]["value"]
        found = row.figures.false_percent[name]
        assert found is None if share is None else found == 100 * share
    assert set(check["words"]) == {*check["routes"], "pictures"}
    resolution = json.loads((made / "resolution.json").read_text(encoding="utf-8"))
    assert row.figures.frc_resolution_nm == resolution["ring_correlation"]["resolution_nm"]
    model = Denoiser.load(made / "model.blinkspot")
    assert model.camera.em_gain == 150.0  # which stands in the movie's file


def test_noise_that_contradicts_the_camera_of_a_comparison_is_kept(
    movies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command warns of it, too."""

    def written(found: Any, folder: Path) -> Iterator[None]:
        yield
        folder.mkdir()

    monkeypatch.setattr(steps, "compare", lambda *given: iter(()))
    monkeypatch.setattr(steps, "write_report", written)
    monkeypatch.setattr(steps, "opened_model", lambda path: None)
    camera = Camera.load(movies / "a_camera.toml")
    for name, gain, said in (("right", 150.0, 0), ("wrong", 300.0, 1)):
        target = movies / name
        used = replace(camera, em_gain=gain)
        movie = movies / "a.tif"
        finish(steps.Compare(movie, movie, movie, used, ComparisonSettings(), target).run())
        assert sum("check offset, electrons per ADU" in each for each in kept_warnings(target)) == said


def test_fits_on_a_denoised_movie_too_few_to_be_calibrated(movies: Path, few_simulations: None) -> None:
    text = RECIPE.replace("[localize]", "[localize]\nfit_on = 'denoised'\nformat = 'hdf5'")
    (row,) = run(recipe_in(movies, text), movies, movies / "out", "a").rows
    assert row.state == "done", row.why
    table = read_table(movies / "out" / "a" / "processed.hdf5")
    assert not table.uncertainty_is_valid
    assert (row.figures.molecules, row.figures.mean_uncertainty_nm) == (len(table), None)
    assert any("cannot be calibrated" in warning for warning in row.warnings)


def test_what_does_not_need_a_step_that_failed_is_done_all_the_same(movies: Path) -> None:
    text = RECIPE.replace("[localize]", "[localize]\nthreshold = 3") + "[resolution]\n[check]\n"
    (row,) = run(recipe_in(movies, text), movies, movies / "out", "a").rows
    assert row.state == "failed"
    assert row.why.startswith("The table has ")
    assert row.why.endswith("choose a lower threshold.")
    assert names_in(movies / "out" / "a") == {*RESULTS, "check.json"}
    assert row.figures.false_percent is not None


def test_two_batches_at_once_and_folders_that_cannot_be(movies: Path, command: Command) -> None:
    recipe = recipe_in(movies)
    job = run_batch(recipe, [movies / "a.tif"], movies / "out")
    next(job)
    with pytest.raises(BlinkspotError, match="Another batch is writing into"):
        next(run_batch(recipe, [movies / "a.tif"], movies / "out"))
    job.close()
    with pytest.raises(BlinkspotError, match="cannot be made or written"):
        next(run_batch(recipe, [movies / "a.tif"], movies / "a.tif"))
    with pytest.raises(BlinkspotError, match="There are no movies"):
        next(run_batch(recipe, [], movies / "out"))
    refused = command("batch", movies / "none.toml", movies / "a.tif", "-o", movies / "out")
    assert refused.refuses("The recipe")


def test_an_unexpected_error_stops_only_its_movie(
    movies: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from blinkspot.batch.steps import Denoise

    whole = Denoise.run

    def fail(step: Denoise) -> Any:
        if step.movie.name == "a.tif":
            raise KeyError("a defect of ours")
        return whole(step)

    monkeypatch.setattr(Denoise, "run", fail)
    summary = run(recipe_in(movies), movies, movies / "out", "a b")
    assert [row.state for row in summary.rows] == ["failed", "done"]
    assert summary.rows[0].why == "An unexpected error, KeyError: 'a defect of ours'"
    assert summary.rows[0].figures.model_steps is not None  # what was made before is there
    assert "a defect of ours" in caplog.text


def test_anothers_summary_is_not_overwritten(movies: Path, command: Command) -> None:
    recipe_in(movies)
    others = movies / "out" / "summary.csv"
    others.parent.mkdir()
    for text in ("sample,dose\na,3\n", "movie of the week\n", "\n"):
        others.write_text(text)
        refused = command("batch", movies / "recipe.toml", movies / "bad.tif", "-o", movies / "out")
        assert refused.refuses("is not the table of a batch, and is not overwritten")
        assert others.read_text() == text
    others.write_text('\ufeff"movie";"folder";"frames"\n', encoding="utf-8")  # as a spreadsheet may save it
    assert command("batch", movies / "recipe.toml", movies / "bad.tif", "-o", movies / "out").status == 1
    assert states(movies / "out") == ["failed"]


def test_names_of_movies_that_are_hard(
    movies: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (movies / "recipe.toml").write_text("[localize]\n[camera]\nfile = 'a_camera.toml'\n")
    for name in ("summary.csv", "batch.json", "µ"):
        shutil.copy(movies / "a.tif", movies / f"{name}.tif")
    written = io.BytesIO()
    with monkeypatch.context() as patch:
        terminal = io.TextIOWrapper(written, encoding="ascii")
        patch.setattr(sys, "stdout", terminal)
        patch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), errors="backslashreplace"))
        hard = [movies / f"{name}.tif" for name in ("summary.csv", "batch.json", "µ", "latin\udcb5")]
        assert command("batch", movies / "recipe.toml", *hard, "-o", movies / "out").status == 1
    assert states(movies / "out") == ["done", "done", "done", "failed"]
    assert [row["folder"] for row in rows_of(movies / "out")] == ["summary.csv-2", "batch.json-2", "µ", ""]
    terminal.flush()
    assert rb"\xb5.tif" in written.getvalue()
