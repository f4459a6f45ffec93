"""A session as a folder: what is read is what was written, and a hostile file is one sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable, read_table
from blinkspot.localization.processing import make_step, process
from blinkspot.localization.processing.drift import Drift, drift_in, read_drift, write_drift
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.movies.writing import write_stack
from blinkspot.progress import finish
from blinkspot.provenance import provenance
from blinkspot.sessions import (
    DenoisedMovie,
    Model,
    Movie,
    Picture,
    Report,
    SessionContents,
    SessionRecord,
    SessionTable,
    Table,
    read_session,
    write_session,
)
from blinkspot.sessions.content import MOST_ENTRIES, record_as_json, record_from_file

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.1, em_gain=1.0)
MADE_BY = provenance("denoise", camera=CAMERA)


class Fake:
    """Stands for a model: what writes itself."""

    def save(self, path):
        Path(path).write_text("weights")


def frames(seed=0):
    return np.random.default_rng(seed).poisson(50.0, (6, 16, 20)).astype(np.uint16)


def table(rows=30):
    random = np.random.default_rng(1)
    columns = {
        "frame": np.sort(random.integers(0, 6, rows)),
        "x_nm": random.uniform(0, 2000, rows),
        "y_nm": random.uniform(0, 1600, rows),
        "photons": random.uniform(0, 900, rows),
    }
    made_by = {
        "step": "localize",
        "camera": CAMERA.as_dict(),
        "movie_shape": [6, 16, 20],
        "nan": float("nan"),
    }
    return LocalizationTable.from_columns(columns, provenance=made_by)


@pytest.fixture
def contents(tmp_path):
    """A session of two movies, one of them in memory, with everything that belongs to it."""
    (tmp_path / "data").mkdir()
    path = write_stack(tmp_path / "data" / "cells.tif", frames())
    drift = Drift(np.linspace(0, 9, 6), np.linspace(0, -5, 6))
    write_drift(drift, tmp_path / "d.csv")
    source = table()
    steps = [
        make_step("filter", {"expression": "photons > 100"}),
        make_step("loaded_drift", {"path": str(tmp_path / "d.csv")}),
    ]
    processed = finish(process(source, steps))
    record = SessionRecord(
        movies=(
            Movie("cells", str(path), (6, 16, 20), CAMERA.as_dict()),
            Movie("CELLS", None, (6, 16, 20), look={"gamma": 1.0}),
        ),
        models=(Model("a/b", {"step": "train"}, "cells"),),
        denoised=(DenoisedMovie("den", "cells", "a/b", MADE_BY),),
        tables=(
            Table(
                "found",
                movie="cells",
                denoised="den",
                provenance=source.provenance,
                steps=tuple(processed.provenance["processing"]),
                picture=Picture(20.0, "ash"),
                calibration="/far/away/cal.toml",
            ),
        ),
        reports=(Report("cells", "den", "/r", CAMERA.as_dict()),),
        docks={"Train": {"seed": 3}, "Localize": {"calibration": "/far/away/cal.toml", "fit": "mle"}},
    )
    return SessionContents(
        record,
        {"cells": open_stack(path), "CELLS": Stack(frames(1))},
        {"cells": CAMERA, "CELLS": CAMERA},
        {"a/b": Fake()},
        {"found": SessionTable(lambda: source, processed)},
        {"den": Stack(frames(2).astype(np.float32))},
        {"/far/away/cal.toml": Fake()},
    )


def test_everything_is_written_and_read_back(contents, tmp_path):
    folder = finish(write_session(contents, tmp_path / "s", with_movies=True))
    written = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert written == [
        "README.txt",
        "calibrations/cal.toml",
        "cameras/CELLS-2.toml",
        "cameras/cells.toml",
        "commands.sh",
        "drifts/found.csv",
        "drifts/found.provenance.json",
        "models/a_b.blinkspot",
        "movies/CELLS.tif",
        "movies/den.tif",
        "session.json",
        "tables/found processed.csv",
        "tables/found processed.provenance.json",
        "tables/found.csv",
        "tables/found.provenance.json",
    ]
    at, record = read_session(folder / "session.json")
    assert at == folder
    cells, in_memory = record.movies
    before = contents.record.movies
    assert (cells.path, cells.camera, cells.file) == (before[0].path, before[0].camera, None)
    assert cells.relative == "../data/cells.tif"
    assert cells.identity == movie_identity(contents.movies["cells"])
    assert Camera.load(cells.camera_file) == CAMERA
    np.testing.assert_array_equal(open_stack(in_memory.file).frames(0, 6), frames(1))
    np.testing.assert_array_equal(open_stack(record.denoised[0].file).frames(0, 6), frames(2))
    assert open_stack(record.denoised[0].file).metadata["provenance"] == MADE_BY
    (found,) = record.tables
    assert (found.movie, found.picture) == ("cells", Picture(20.0, "ash"))
    assert [step["step"] for step in found.steps] == ["filter", "loaded_drift"]
    np.testing.assert_allclose(read_table(found.file).column("x_nm"), table().column("x_nm"), rtol=1e-9)
    processed = contents.tables["found"].processed
    again = read_table(found.processed_file)
    np.testing.assert_allclose(again.column("x_nm"), processed.column("x_nm"), rtol=1e-9)
    np.testing.assert_allclose(
        read_drift(folder / "drifts" / "found.csv").positions_nm, drift_in(processed).positions_nm
    )
    assert found.calibration == str(folder / "calibrations" / "cal.toml")
    assert record.docks == {
        "Train": {"seed": 3},
        "Localize": {"calibration": str(folder / "calibrations" / "cal.toml"), "fit": "mle"},
    }
    assert record.reports == contents.record.reports


def test_the_script_is_one_that_a_shell_takes(contents, tmp_path):
    folder = finish(write_session(contents, tmp_path / "s"))
    script = (folder / "commands.sh").read_text()
    assert "blinkspot localize" in script
    assert "'repeated/found.csv'" in script or "repeated/found.csv" in script
    assert subprocess.run(["sh", "-n", folder / "commands.sh"], check=False).returncode == 0


def test_movies_in_memory_are_left_out_unless_asked_for(contents, tmp_path):
    folder = finish(write_session(contents, tmp_path / "s"))
    assert not (folder / "movies").exists()
    _, record = read_session(folder)
    assert record.movies[1].file is None
    assert record.movies[1].path is None


@pytest.mark.parametrize("name", ["字" * 100, "é" * 200, "a" * 300, "🧪 " * 60])
def test_long_names_in_any_script_are_names_of_files(contents, tmp_path, name):
    numbered = enumerate(contents.record.movies)
    movies = tuple(dataclasses.replace(each, name=f"{name}{i}") for i, each in numbered)
    table = dataclasses.replace(contents.record.tables[0], name=name)
    record = dataclasses.replace(contents.record, movies=movies, tables=(table,))
    renamed = dataclasses.replace(
        contents,
        record=record,
        movies={movie.name: each for movie, each in zip(movies, contents.movies.values(), strict=True)},
        cameras={movie.name: CAMERA for movie in movies},
        tables={name: contents.tables["found"]},
    )
    _, found = read_session(finish(write_session(renamed, tmp_path / "s", with_movies=True)))
    assert [each.name for each in found.movies] == [each.name for each in movies]
    assert found.tables[0].name == name
    files = [each for each in (tmp_path / "s").rglob("*") if each.is_file()]
    assert max(len(os.fsencode(each.name)) for each in files) < 160
    assert len(list((tmp_path / "s" / "movies").iterdir())) == 2


@pytest.mark.skipif(os.name == "nt", reason="names of files are letters there")
def test_a_file_whose_name_is_no_utf_8_is_found_again(contents, tmp_path):
    path = tmp_path / os.fsdecode(b"M\xfcller.tif")
    try:
        (tmp_path / "data" / "cells.tif").rename(path)
    except OSError:
        pytest.skip("this file system takes letters only")
    first, second = contents.record.movies
    record = dataclasses.replace(contents.record, movies=(dataclasses.replace(first, path=str(path)), second))
    moved = dataclasses.replace(
        contents, record=record, movies={**contents.movies, "cells": open_stack(path)}
    )
    folder, found = read_session(finish(write_session(moved, tmp_path / "s")))
    assert found.movies[0].path == str(path)
    assert found.movies[0].identity == movie_identity(open_stack(path))
    assert "is left out" in (folder / "commands.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize("with_movies", [False, True])
def test_an_array_that_another_program_can_no_longer_read_keeps_nothing_else_from_being_saved(
    contents, tmp_path, with_movies
):
    class Closed:
        shape, dtype = (6, 16, 20), np.dtype(np.uint16)

        def __getitem__(self, where):
            raise ValueError("seek of closed file")

    held, remarks = dataclasses.replace(contents, movies={**contents.movies, "CELLS": Stack(Closed())}), []
    _, record = read_session(finish(write_session(held, tmp_path / "s", with_movies, remarks)))
    assert remarks == ["The movie 'CELLS' cannot be read: seek of closed file."]
    assert (record.movies[1].identity, record.movies[1].file) == (None, None)
    assert Path(record.models[0].file).is_file()


def test_a_link_to_the_data_is_kept_so_that_it_may_lead_elsewhere_on_another_machine(contents, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    try:
        (project / "movies").symlink_to(tmp_path / "data")
    except OSError:
        pytest.skip("links cannot be made here")
    record = contents.record
    movie = dataclasses.replace(record.movies[0], path=str(project / "movies" / "cells.tif"))
    record = dataclasses.replace(record, movies=(movie, *record.movies[1:]))
    linked = dataclasses.replace(contents, record=record)
    _, saved = read_session(finish(write_session(linked, project / "s")))
    assert saved.movies[0].relative == "../movies/cells.tif"


def test_movies_are_seen_from_where_the_folder_lies_not_from_a_link_to_it(contents, tmp_path):
    (tmp_path / "deep" / "project").mkdir(parents=True)
    try:
        (tmp_path / "link").symlink_to(tmp_path / "deep" / "project")
    except OSError:
        pytest.skip("links cannot be made here")
    folder, record = read_session(finish(write_session(contents, tmp_path / "link" / "s")))
    assert (folder / record.movies[0].relative).samefile(tmp_path / "data" / "cells.tif")


@pytest.mark.parametrize("after", range(0, 40, 3))
def test_closed_before_its_end_it_leaves_nothing(contents, tmp_path, after):
    job = write_session(contents, tmp_path / "s", with_movies=True)
    for _, _ in zip(range(after + 1), job, strict=False):
        pass
    if (tmp_path / "s").exists():
        return  # it had come to its end
    job.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "d.provenance.json", "data"]


def test_a_folder_that_holds_something_is_refused(contents, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine").touch()
    with pytest.raises(BlinkspotError, match="exists already"):
        finish(write_session(contents, tmp_path / "s"))


texts = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
numbers = some.floats(-1e9, 1e9)
json_values = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53), 2**53) | numbers | texts,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = some.dictionaries(texts, json_values, max_size=3)
records = some.builds(
    SessionRecord,
    movies=some.lists(
        some.builds(
            Movie,
            name=texts,
            path=some.none() | texts,
            shape=some.tuples(*[some.integers(0, 10**6)] * 3),
            camera=some.none() | objects,
            look=objects,
            shown=some.booleans(),
        ),
        max_size=3,
        unique_by=lambda movie: movie.name,
    ).map(tuple),
    tables=some.lists(
        some.builds(
            Table,
            name=texts,
            steps=some.lists(objects, max_size=2).map(tuple),
            picture=some.none() | some.builds(Picture, pixel_size_nm=numbers, method=texts),
            provenance=objects,
        ),
        max_size=2,
        unique_by=lambda each: each.name,
    ).map(tuple),
    docks=objects,
)


@given(records)
@settings(max_examples=60, deadline=None)
def test_a_record_comes_back_from_its_file(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("r") / "session.json"
    path.write_text(record_as_json(record, {}), encoding="utf-8")
    assert record_from_file(path) == record


def test_what_is_no_number_is_written_as_null(tmp_path):
    record = SessionRecord(docks={"a": {"b": float("nan"), "c": [float("inf")]}})
    path = tmp_path / "session.json"
    path.write_text(record_as_json(record, {}), encoding="utf-8")
    assert record_from_file(path).docks == {"a": {"b": None, "c": [None]}}


def content(**more):
    return {"format": 1, "software": "napari-blinkspot", **more}


HOSTILE = {
    "nothing": b"",
    "text": b"\xff\xfe\x00",
    "a list": b"[]",
    "deep": b"[" * 200_000,
    "no number": json.dumps(content(docks={"a": 1})).replace("1}", "NaN}").encode(),
    "other program": json.dumps(content(software="x")).encode(),
    "other version": json.dumps(content(format=2)).encode(),
    "movies no list": json.dumps(content(movies=5)).encode(),
    "movie no object": json.dumps(content(movies=["x"])).encode(),
    "movie without name": json.dumps(content(movies=[{"path": "x"}])).encode(),
    "name a number": json.dumps(content(movies=[{"name": 5, "path": None, "shape": [1, 1, 1]}])).encode(),
    "shape of two": json.dumps(content(movies=[{"name": "a", "path": None, "shape": [1, 1]}])).encode(),
    "shape of words": json.dumps(
        content(movies=[{"name": "a", "path": None, "shape": ["a", 1, 1]}])
    ).encode(),
    "huge number": json.dumps(
        content(tables=[{"name": "a", "picture": {"pixel_size_nm": 10**400, "method": "a"}}])
    ).encode(),
    "twice": json.dumps(content(models=[{"name": "a"}, {"name": "a"}])).encode(),
    "too many": json.dumps(content(models=[{"name": str(n)} for n in range(MOST_ENTRIES + 1)])).encode(),
    "null byte": json.dumps(content(models=[{"name": "a\x00b"}])).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_session_is_said_in_a_sentence(tmp_path, name):
    (tmp_path / "session.json").write_bytes(HOSTILE[name])
    with pytest.raises(BlinkspotError) as refused:
        read_session(tmp_path)
    sentence = str(refused.value)
    assert str(tmp_path) in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "session.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BlinkspotError, match="larger than any session"):
        read_session(tmp_path)


@pytest.mark.parametrize(
    "file", ["../x.blinkspot", "/etc/passwd", "models/../../x", "C:/x", "a\\..\\..\\b", "", "link/x"]
)
def test_files_outside_of_the_folder_are_refused(tmp_path, file):
    folder = tmp_path / "s"
    folder.mkdir()
    os.symlink(tmp_path, folder / "link")
    (folder / "session.json").write_text(json.dumps(content(models=[{"name": "a", "file": file}])))
    with pytest.raises(BlinkspotError, match="not within it"):
        read_session(folder)


def test_a_folder_without_a_session_is_said(tmp_path):
    with pytest.raises(BlinkspotError, match=r"choose a folder that holds a session\.json"):
        read_session(tmp_path)


def test_entries_of_later_versions_are_passed_over(tmp_path):
    more = content(models=[{"name": "a", "later": 1}], later=[1])
    (tmp_path / "session.json").write_text(json.dumps(more))
    _, record = read_session(tmp_path)
    assert record == dataclasses.replace(SessionRecord(), models=(Model("a"),))
