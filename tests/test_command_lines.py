"""The command lines that repeat what was done: the command line takes them, and they give the same."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from hypothesis import given, settings
from hypothesis import strategies as some

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.cli import main
from blinkspot.cli.app import app
from blinkspot.cli.step_options import parse_step
from blinkspot.denoising import Denoiser, Training, TrainingSettings, denoise_to_file
from blinkspot.evaluation import SimulationSettings, simulate
from blinkspot.localization import Localizer, LocalizerSettings, read_table
from blinkspot.localization.processing import make_step, process
from blinkspot.localization.processing.step import settings_of
from blinkspot.movies.stack import open_stack
from blinkspot.movies.writing import write_stack
from blinkspot.progress import finish
from blinkspot.sessions import (
    DenoisedMovie,
    Model,
    Movie,
    Picture,
    Report,
    SessionRecord,
    Table,
    command_lines,
)
from blinkspot.sessions.step_text import step_text

CAMERA = Camera(pixel_size_nm=100.1, offset_adu=100.0, electrons_per_adu=12.345678901234567, em_gain=150.0)
MOVIE = Movie("cells", "/data/a b/cells.tif", (40, 32, 32))
TRAINED = {
    "step": "train",
    "asked_for": {},
    "seed": 0,
    "camera": CAMERA.as_dict(),
    "device": "cpu",
    "threads": 1,
}


def trained(**asked: Any) -> Model:
    """Return a model that was trained on the movie."""
    record = {**TRAINED, "asked_for": asked, "seed": asked.get("seed", 0)}
    return Model("cells", record, "cells")


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """Return the command of a line and its parameters, as the command line itself reads them."""
    program, name, *words = shlex.split(line)
    assert program == "blinkspot"
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    with command.make_context(name, words) as context:
        return name, context.params


def commands_of(lines: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the parsed commands among lines."""
    assert all(line.startswith(("# ", "blinkspot ")) for line in lines)
    return [parsed(line) for line in lines if not line.startswith("# ")]


def localized(name: str = "found", settings: LocalizerSettings | None = None, **more: Any) -> Table:
    """Return a table that was found in the movie."""
    used = (settings or LocalizerSettings()).used()
    record = {"step": "localize", "settings": used, "camera": CAMERA.as_dict()}
    return Table(name, movie="cells", provenance=record, **more)


# -- what the command line makes of them


@given(
    some.builds(
        TrainingSettings,
        network=some.sampled_from(["dilated", "laine"]),
        loss=some.sampled_from(["gamma-poisson", "gaussian", "squared-error"]),
        components=some.integers(1, 3),
        context_frames=some.none() | some.integers(0, 2),
        blind_spot_radius_px=some.none() | some.integers(0, 2),
        channels=some.none() | some.integers(1, 512),
        epochs=some.none() | some.integers(1, 99),
        first_frame=some.integers(0, 20),
        last_frame=some.integers(25, 39),
        region_px=some.none() | some.tuples(*[some.integers(16, 30)] * 4),
        seed=some.integers(0, 2**63 - 1),
        device=some.sampled_from(["auto", "cpu", "cuda", "mps"]),
    )
)
@settings(max_examples=50, deadline=None)
def test_every_setting_of_a_training_comes_through(asked):
    record = SessionRecord(movies=(MOVIE,), models=(trained(**asked.chosen),))
    ((name, found),) = commands_of(command_lines(record))
    assert name == "train"
    assert found["stack"] == Path("/data/a b/cells.tif")
    first, last = found["frames"] or (0, None)
    kept = ("network", "components", "context_frames", "blind_spot_radius_px", "channels", "epochs")
    given_ = {each: found[each] for each in kept if found[each] is not None}
    again = TrainingSettings(
        **given_,
        loss=found["loss"],
        minutes=found["minutes"],
        first_frame=first,
        last_frame=last,
        region_px=found["region_px"],
        seed=found["seed"],
        device=found["device"],
    )
    assert again == asked
    # The camera to the last bit: half an ADU is a photon.
    assert {name: found[name] for name in CAMERA.as_dict()} == CAMERA.as_dict()


def test_options_of_a_training_are_all_that_the_command_has():
    # A setting that the command line learns to take must be given here, too.
    command = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    of_training = {each.name for each in dataclasses.fields(TrainingSettings)}
    taken = {each.name for each in command.params} & of_training
    from blinkspot.sessions.commands import _PART, _TRAIN_OPTIONS

    assert taken == {*_TRAIN_OPTIONS, "region_px", "seed"}
    assert set(_PART) <= of_training


LOCALIZER_SETTINGS = [
    LocalizerSettings(),
    LocalizerSettings(
        threshold=2.3, fit="wlsq", widths="elliptical", fit_window_px=9, initial_sigma_px=1.234
    ),
    LocalizerSettings(false_per_frame=0.01, most_emitters=5, equal_photons=True),
    LocalizerSettings(preset="thunderstorm", fit="lsq"),
    LocalizerSettings(fit_on="denoised", widths="fixed", threshold=0.1 + 0.2),
]


@pytest.mark.parametrize("asked", LOCALIZER_SETTINGS)
def test_every_setting_of_a_localization_comes_through(asked):
    denoised = DenoisedMovie("cells denoised", path="/data/den.tif")
    record = SessionRecord(
        movies=(MOVIE,),
        denoised=(denoised,),
        tables=(localized(settings=asked, denoised="cells denoised"),),
    )
    ((name, found),) = commands_of(command_lines(record))
    assert name == "localize"
    names = [each.name for each in dataclasses.fields(LocalizerSettings)]
    assert LocalizerSettings(**{each: found[each] for each in names}) == asked
    assert found["denoised"] == Path("/data/den.tif")


numbers = some.floats(1.0, 900.0)
STEPS = {
    "filter": some.fixed_dictionaries(
        {"expression": some.sampled_from(["photons > 200 & sigma_nm < 9", "frame != 3"])}
    ),
    "rectangle": some.fixed_dictionaries(
        {
            "x_from_nm": some.none() | some.floats(-1e3, 0),
            "x_to_nm": numbers,
            "keep": some.sampled_from(["inside", "outside"]),
        }
    ),
    "polygon": some.fixed_dictionaries(
        {"vertices_nm": some.lists(some.tuples(numbers, numbers), min_size=3, max_size=5)}
    ),
    "duplicates": some.fixed_dictionaries({"distance_nm": some.none() | numbers}),
    "merge": some.fixed_dictionaries(
        {"radius_nm": numbers, "dark_frames": some.integers(0, 9), "longest_frames": some.integers(0, 9)}
    ),
    "density": some.fixed_dictionaries({"radius_nm": numbers, "neighbours": some.integers(1, 99)}),
    "drift": some.fixed_dictionaries(
        {
            "method": some.sampled_from(["overlap", "rcc"]),
            "segment_frames": some.none() | some.integers(2, 999),
        }
    ),
    "fiducials": some.fixed_dictionaries(
        {"positions_nm": some.lists(some.tuples(numbers, numbers), max_size=3), "radius_nm": numbers}
    ),
    "loaded_drift": some.fixed_dictionaries(
        {
            "path": some.sampled_from(["a.csv", "/a b/it's; 5 $HOME.csv", 'C:\\x "y".txt']),
            "pixel_size_nm": some.none() | numbers,
        }
    ),
    "uncertainty": some.fixed_dictionaries(
        {"formula": some.sampled_from(["rieger", "thompson"]), "pixel_size_nm": numbers}
    ),
}


@given(some.sampled_from(list(STEPS)).flatmap(lambda name: some.tuples(some.just(name), STEPS[name])))
@settings(max_examples=150, deadline=None)
def test_every_step_comes_through(named):
    step = make_step(*named)
    # As it stands in a table's record, and through a shell.
    text = step_text(named[0], settings_of(step))
    (word,) = shlex.split(shlex.quote(text))
    assert parse_step(word) == step


def test_a_chain_is_in_the_order_in_which_it_can_be_run():
    base, going_on = {**TRAINED, "seed": 1}, {**TRAINED, "seed": 2}
    record = SessionRecord(
        movies=(MOVIE, Movie("other", "/data/other.tif", (9, 32, 32))),
        models=(
            Model("second", {**going_on, "started_from": base}, "cells"),
            Model("first", base, "other"),
            Model("unused", TRAINED, path="/data/unused.blinkspot"),
        ),
        denoised=(
            DenoisedMovie(
                "cells denoised",
                "cells",
                "second",
                {"settings": {"estimate": "map", "start": 3, "stop": 40}},
            ),
        ),
        tables=(
            localized(
                denoised="cells denoised",
                steps=({"step": "merge", "settings": {"radius_nm": 30.0}},),
                condition="photons > 5",
                picture=Picture(12.5, "gaussian", "frame"),
            ),
        ),
        reports=(Report("cells", "cells denoised", "/data/r", CAMERA.as_dict(), holds_out=True),),
    )
    lines = command_lines(record, "cells")
    commands = commands_of(lines)
    assert [name for name, _ in commands] == [
        "train",
        "train",
        "denoise",
        "localize",
        "process",
        "render",
        "compare",
    ]
    first, second, denoise, localize, process_, render, compare = (found for _, found in commands)
    assert (first["stack"], second["stack"]) == (Path("/data/other.tif"), Path("/data/a b/cells.tif"))
    assert second["start_from"] == first["output"] == Path("first.blinkspot")
    assert denoise["model"] == second["output"]
    assert (denoise["frames"], denoise["estimate"]) == ((3, 39), "map")
    assert localize["denoised"] == denoise["output"]
    assert process_["tables"] == [localize["output"]]
    assert process_["step"] == ["merge radius_nm=30.0", "filter photons > 5"]
    assert render["table"] == process_["output"]
    assert (render["method"], render["pixel_size_nm"], render["colour_by"]) == ("gaussian", 12.5, "frame")
    assert (compare["noisy"], compare["denoised"]) == (localize["stack"], denoise["output"])
    assert compare["held_out"]
    assert compare["model"] == second["output"]
    # The other movie's lines are those of its own results.
    assert [name for name, _ in commands_of(command_lines(record, "other"))] == ["train"]


def test_names_that_a_shell_would_run_are_quoted_and_none_is_used_twice():
    movie = Movie("$(rm -rf ~); `x`\n-o", "/tmp/it's $HOME;&.tif", (40, 32, 32))
    model = Model(movie.name, TRAINED, movie.name)
    tables = tuple(
        dataclasses.replace(localized(name), movie=movie.name) for name in ("A/B", "A:B", "-x", "a_b")
    )
    lines = command_lines(SessionRecord(movies=(movie,), models=(model,), tables=tables))
    assert all("\n" not in line for line in lines)
    commands = commands_of(lines)
    assert all(found["stack"] == Path("/tmp/it's $HOME;&.tif") for _, found in commands)
    outputs = [str(found["output"]) for _, found in commands]
    assert outputs[1:] == ["A_B.csv", "A_B-2.csv", "_x.csv", "a_b-3.csv"]
    assert outputs[0] == "$(rm -rf ~); `x`_-o.blinkspot"


NASTY = "it's $(touch harm) `touch harm`; touch harm\n\x15touch harm\n\x1b[201~touch harm\udce9 > harm"


@pytest.mark.parametrize("shell", [["sh"], ["bash", "--norc", "-i", "+O", "interactive_comments"]])
def test_no_shell_runs_any_part_of_a_name_or_a_comment(shell, tmp_path):
    """Not even at a prompt that knows no comments, as zsh's."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"there is no {shell[0]}")
    model = trained(epochs=3, crop_size_px=NASTY)
    record = SessionRecord(
        movies=(Movie("in memory", None, (9, 32, 32)), Movie(NASTY, None, (9, 32, 32))),
        models=(
            model,
            Model(NASTY, model.provenance, NASTY, stopped=True),
            dataclasses.replace(model, name="loaded", movie="in memory", path=f"/tmp/{NASTY}", provenance={}),
        ),
        denoised=(DenoisedMovie(NASTY, "in memory", "loaded"),),
        tables=(Table(NASTY, steps=({"step": NASTY, "settings": {}},), picture=Picture(9.0, "ash", NASTY)),),
    )
    lines = command_lines(record)
    text = "".join(f"{line}\n" for line in lines)
    # No key to a terminal, and nothing that a clipboard cannot hold.
    assert all(sign == "\n" or ord(sign) >= 32 for sign in text.encode().decode())
    assert "is left out" in text
    stub = tmp_path / "blinkspot"
    stub.write_text("#!/bin/sh\necho ran >> ran\n")
    stub.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HISTFILE": ""}
    subprocess.run(
        shell,
        input=text,
        text=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blinkspot", "ran"]
    commands = [line for line in lines if line.startswith("blinkspot ")]
    assert (tmp_path / "ran").read_text().count("ran") == len(commands) > 1


# -- what no command repeats is said


def comments(record: SessionRecord) -> str:
    return "\n".join(line for line in command_lines(record) if line.startswith("# "))


def test_a_movie_in_memory_is_to_be_saved_first():
    record = SessionRecord(
        movies=(Movie("sample", None, (9, 32, 32)),), models=(Model("m", TRAINED, "sample"),)
    )
    lines = command_lines(record)
    assert 'first save the layer "sample" as sample.tif, by File > Save Selected Layers' in comments(record)
    ((_, found),) = commands_of(lines)
    assert found["stack"] == Path("sample.tif")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (trained(minutes=2.0), "timed by the clock"),
        (dataclasses.replace(trained(), stopped=True), "was stopped after"),
        (trained(epochs=3), "the same to the bit on such a processor with OMP_NUM_THREADS=1"),
        (trained(epochs=3, crop_size_px=32), "no option for crop_size_px 32"),
        (Model("cells", {**TRAINED, "device": "cuda"}, "cells"), "trained on a GPU"),
        (
            Model("cells", {**TRAINED, "started_from": {"seed": 9}}, "cells"),
            "a model that is not in the window",
        ),
    ],
)
def test_a_training_says_how_far_it_can_be_repeated(model, words):
    assert words in comments(SessionRecord(movies=(MOVIE,), models=(model,)))


def test_what_was_made_elsewhere_is_said_and_used_as_it_is():
    record = SessionRecord(
        movies=(MOVIE,),
        denoised=(DenoisedMovie("by others", "cells"),),
        tables=(localized(denoised="by others"), Table("a file", path="/data/t.csv", condition="frame < 9")),
    )
    assert 'first save the layer "by others" as by others.tif' in comments(record)
    (_, localize), (_, process_) = commands_of(command_lines(record))
    assert localize["denoised"] == Path("by others.tif")
    assert process_["tables"] == [Path("/data/t.csv")]


def test_maps_of_a_camera_are_taken_from_its_file():
    maps = CameraMaps(np.full((32, 32), 100.0), np.full((32, 32), 4.0), np.full((32, 32), 2.0), "chip.npy")
    camera = Camera(pixel_size_nm=65.0, maps=maps)
    record = {**TRAINED, "camera": camera.as_dict()}
    movie = dataclasses.replace(MOVIE, camera=camera.as_dict())
    session = SessionRecord(movies=(movie,), models=(Model("cells", record, "cells"),))
    assert "first save it as cells_camera.toml" in comments(session)
    with_file = dataclasses.replace(movie, camera_file="cameras/cells.toml")
    session = dataclasses.replace(session, movies=(with_file,))
    assert "first save it" not in comments(session)
    ((_, found),) = commands_of(command_lines(session))
    assert found["camera"] == Path("cameras/cells.toml")
    assert (found["pixel_size_nm"], found["offset_adu"]) == (65.0, None)
    # Of other maps than those of the training nothing is made.
    other = dataclasses.replace(camera, maps=maps.moved_to(105.0)).as_dict()
    changed = dataclasses.replace(session, movies=(dataclasses.replace(with_file, camera=other),))
    assert "first save it as cells_camera.toml" in comments(changed)


def test_the_command_is_a_module_too():
    done = subprocess.run([sys.executable, "-m", "blinkspot", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("napari-blinkspot ")


def test_where_nothing_was_done_nothing_is_repeated():
    (line,) = command_lines(SessionRecord(movies=(MOVIE,)))
    assert "nothing was done yet" in line


# -- running them gives the same


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A movie that was trained on, denoised and localized by the library; the session, and its results."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("it's done")
    simulated = SimulationSettings(
        frames=40,
        size_px=32,
        camera=CAMERA,
        density_per_um2=0.4,
        photons=(300.0, 500.0),
        background_photons=5.0,
        mean_on_frames=4.0,
        seed=3,
    )
    frames = np.concatenate([chunk.frames for chunk in simulate(simulated)])
    path = write_stack(folder / "cells.tif", frames)
    movie = open_stack(path)
    asked = TrainingSettings(channels=8, epochs=2, context_frames=1, seed=5, region_px=(0, 0, 32, 24))
    model = finish(Training(movie, CAMERA, asked).run())
    finish(denoise_to_file(model, movie, folder / "denoised.tif"))
    denoised = open_stack(folder / "denoised.tif")
    localizer = Localizer(CAMERA, LocalizerSettings(threshold=3.0))
    table = finish(localizer.localize(movie, denoised))
    steps = [make_step("filter", {"expression": "photons > 100"}), make_step("merge", {"radius_nm": 40.0})]
    processed = finish(process(table, steps))
    record = SessionRecord(
        movies=(Movie("cells", str(path), movie.shape),),
        models=(Model("cells", model.provenance, "cells"),),
        denoised=(DenoisedMovie("cells denoised", "cells", "cells", denoised.metadata["provenance"]),),
        tables=(
            Table(
                "found",
                movie="cells",
                denoised="cells denoised",
                provenance=table.provenance,
                steps=tuple(processed.provenance["processing"]),
            ),
        ),
    )
    return json.loads(json.dumps(dataclasses.asdict(record))), model, denoised, table, processed


def test_the_lines_make_the_same_model_movie_and_table(chain, tmp_path, monkeypatch):
    content, model, denoised, table, processed = chain
    from blinkspot.sessions.content import _built

    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    for line in command_lines(_built(SessionRecord, content, "the session")):
        if not line.startswith("# "):
            with pytest.raises(SystemExit) as ended:
                main(shlex.split(line)[1:])
            assert ended.value.code == 0, line
    assert Denoiser.load("cells.blinkspot").digest() == model.digest()
    again = open_stack("cells denoised.tif")
    np.testing.assert_array_equal(again.frames(0, 40), denoised.frames(0, 40))
    for name, expected in (("found.csv", table), ("found processed.csv", processed)):
        found = read_table(tmp_path / name)
        assert len(found) == len(expected) > 10
        assert list(found.data.columns) == [
            each for each in expected.data.columns if expected.data[each].notna().any()
        ] or set(found.data.columns) == set(expected.data.columns)
        for column in ("frame", "x_nm", "y_nm", "photons", "uncertainty_nm"):
            # A CSV file holds ten digits.
            np.testing.assert_allclose(found.column(column), expected.column(column), rtol=1e-7)


def test_frames_that_are_denoised_are_those_asked_for(chain, tmp_path, capsys):
    content, model, denoised, *_ = chain
    model.save(tmp_path / "m.blinkspot")
    words = ["denoise", content["movies"][0]["path"], "-m", str(tmp_path / "m.blinkspot")]
    out = tmp_path / "some.tif"
    with pytest.raises(SystemExit) as ended:
        main([*words, "-o", str(out), "--frames", "5", "8", "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 4
    made = open_stack(out)
    # The others are computed in other blocks, which on some processors changes last bits.
    np.testing.assert_allclose(made.frames(0, 4), denoised.frames(5, 9), rtol=1e-6)
    assert made.metadata["provenance"]["settings"]["start"] == 5
    with pytest.raises(SystemExit) as ended:
        main([*words, "-o", str(tmp_path / "none.tif"), "--frames", "39", "40"])
    assert ended.value.code == 2
    assert "Frames 39 to 40 (counting from 0) are asked for" in capsys.readouterr().err
    assert not (tmp_path / "none.tif").exists()
