"""The command that works on tables after the fits."""

import dataclasses
import json

import numpy as np
import pytest

from blinkspot.cli import main
from blinkspot.cli.step_options import parse_step, steps_help
from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable, read_table
from blinkspot.localization.processing import (
    STEPS,
    DensityFilter,
    DuplicateRemoval,
    Filter,
    Merge,
    Polygon,
    Rectangle,
    process,
)
from blinkspot.progress import finish


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    columns = {
        "frame": np.repeat(np.arange(30), 4),
        "x_nm": np.tile([100.0, 500.0, 900.0, 1300.0], 30) + rng.normal(0, 5, 120),
        "y_nm": rng.normal(700, 5, 120),
        "photons": rng.uniform(50, 500, 120),
        "uncertainty_nm": np.full(120, 5.0),
    }
    path = tmp_path / "table.csv"
    LocalizationTable.from_columns(columns, provenance={"step": "localize"}).save(path)
    return path


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["process", *map(str, arguments)])
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


STEP_TEXTS = ["filter photons > 100 & x < 1000", "merge radius_nm=40 dark_frames=3", "density neighbours=1"]


def with_steps(texts):
    return [word for text in texts for word in ("--step", text)]


def test_steps_are_applied_in_their_order_and_recorded(tmp_path, table, capsys):
    status, out, err = command(capsys, table, "-o", tmp_path / "out.csv", *with_steps(STEP_TEXTS), "--json")
    assert status == 0, err
    steps = [Filter("photons > 100 & x < 1000"), Merge(40.0, dark_frames=3), DensityFilter(neighbours=1)]
    expected = finish(process(read_table(table), steps))
    made = read_table(tmp_path / "out.csv")
    np.testing.assert_allclose(made.data.to_numpy(), expected.data.to_numpy(), rtol=1e-9)
    assert made.provenance == expected.provenance
    result = json.loads(out)
    assert result["steps"] == ["filter", "merge", "density"]
    assert result["tables"] == [
        {"table": str(tmp_path / "out.csv"), "rows_before": 120, "rows_after": len(expected)}
    ]


def test_steps_of_one_table_are_repeated_on_several(tmp_path, table, capsys):
    command(capsys, table, "-o", tmp_path / "first.csv", *with_steps(STEP_TEXTS))
    other = tmp_path / "other.csv"
    read_table(table).save(other)
    status, _, err = command(
        capsys, table, other, "-o", tmp_path / "all", "--like", tmp_path / "first.csv", "--json"
    )
    assert status == 0, err
    assert {path.name for path in (tmp_path / "all").glob("*.csv")} == {"table.csv", "other.csv"}
    for name in ("table.csv", "other.csv"):
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "first.csv").read_bytes()


def test_the_names_of_what_was_made_are_printed_as_they_are(tmp_path, table, capsys):
    status, out, _ = command(capsys, table, "-o", tmp_path / "my_first_out.csv", *with_steps(STEP_TEXTS[:1]))
    assert status == 0
    assert out.startswith(f"{tmp_path / 'my_first_out.csv'}: ")
    assert out.endswith(" of 120 rows\n")


def test_a_recorded_drift_is_looked_for_beside_its_table(tmp_path, table, capsys, monkeypatch):
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    frames = "".join(f"{frame},{2 * frame},{-frame}\n" for frame in range(1, 31))
    (folder / "drift.csv").write_text("frame,x [nm],y [nm]\n" + frames)
    monkeypatch.chdir(folder)
    status, _, err = command(capsys, table, "-o", "still.csv", "--step", "loaded_drift path=drift.csv")
    assert status == 0, err
    monkeypatch.chdir(elsewhere)
    again = [table, "-o", "again.csv", "--like", "../folder/still.csv"]
    status, _, err = command(capsys, *again)
    assert status == 0, err
    assert (elsewhere / "again.csv").read_bytes() == (folder / "still.csv").read_bytes()
    moved = read_table(table).column("x_nm") - read_table("again.csv").column("x_nm")
    np.testing.assert_allclose(moved, 2 * (read_table(table).column("frame") + 1), atol=1e-6)
    (folder / "drift.csv").unlink()
    again[2] = "third.csv"
    status, out, err = command(capsys, *again)
    assert (status, out) == (2, "")
    assert "the drift in drift.csv was taken off, and that file is neither beside it" in err
    # Where it was taken from a folder of its own, relative to where one was.
    (elsewhere / "drift.csv").write_text("frame,x [nm],y [nm]\n" + frames)
    status, _, err = command(capsys, *again)
    assert status == 0, err
    assert (elsewhere / "third.csv").read_bytes() == (elsewhere / "again.csv").read_bytes()


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("filter photons > 100 | (x=3)", Filter("photons > 100 | (x=3)")),
        (" merge ", Merge()),
        (
            "merge radius_uncertainties=3 correlated_frames=2",
            Merge(radius_uncertainties=3.0, correlated_frames=2),
        ),
        ("merge correlated_frames=None", Merge()),
        ("duplicates distance_nm=30", DuplicateRemoval(30.0)),
        ("rectangle x_from_nm=10 keep=outside", Rectangle(x_from_nm=10.0, keep="outside")),
        ("polygon vertices_nm=0,0;10,0;5,8.5", Polygon(((0, 0), (10, 0), (5, 8.5)))),
    ],
)
def test_a_step_is_read_from_its_words(text, step):
    assert parse_step(text) == step


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the step is empty, and must be one of filter, rectangle"),
        ("fly high=1", "'fly', and must be one of"),
        (
            "merge 20",
            "'20' must be SETTING=VALUE, where SETTING is radius_nm, radius_uncertainties, dark_frames",
        ),
        ("merge radius=20", "'radius=20' must be SETTING=VALUE"),
        ("merge radius_nm=20 radius_nm=30", "radius_nm is given twice"),
        ("merge radius_nm=wide", "radius_nm must be a number, not 'wide'"),
        ("merge dark_frames=1.5", "dark_frames must be a whole number, not '1.5'"),
        ("merge radius_nm=-1", "radius_nm must be a number above 0, up to 1000, not -1.0"),
        ("merge radius_nm='20", "quotation mark"),
        ("polygon vertices_nm=0,0;1;2", "pairs of numbers"),
        ("polygon vertices_nm=a,b;c,d;e,f", "pairs of numbers"),
        ("rectangle keep=both", "inside or outside, not 'both'"),
        ("filter", "condition is empty"),
        ("filter photons >", "something is missing at its end"),
    ],
)
def test_a_step_that_cannot_be_read_gets_one_sentence(text, words):
    with pytest.raises(BlinkspotError, match=words) as caught:
        parse_step(text)
    assert str(caught.value).startswith(f"--step {text!r}: ")
    assert "\n" not in str(caught.value)


def test_the_help_lists_every_step_and_setting(capsys):
    text = steps_help()
    for name, kind in STEPS.items():
        assert f"\n{name}: " in f"\n{text}"
        for field in dataclasses.fields(kind):
            assert f"    {field.name}" in text
    assert "    radius_nm=50 nm  how far neighbours may be" in text
    _, out, _ = command(capsys, "--help")
    assert "dark_frames=1" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["TABLE", "-o", "FOLDER/new.csv"], "no steps are given"),
        (["TABLE", "-o", "FOLDER/new.csv", "--like", "TABLE"], "table.csv records no steps"),
        (["TABLE", "-o", "FOLDER/new.csv", "--like", "TABLE", "--step", "merge"], "not both"),
        (["TABLE", "-o", "FOLDER/new.txt", "--step", "merge"], "new.txt needs such a name"),
        (["TABLE", "-o", "TABLE", "--step", "merge"], "exists already"),
        (["TABLE", "TABLE", "-o", "FOLDER/new", "--step", "merge"], "Two of the tables"),
        (["TABLE", "OTHER", "-o", "FOLDER/many.csv", "--step", "merge"], "give the name of a folder"),
        (["TABLE", "OTHER", "-o", "FOLDER/many.HDF5", "--step", "merge"], "give the name of a folder"),
        (["TABLE", "-o", "FOLDER/new.csv", "--step", "density dimensions=3"], "needs a z_nm"),
        (
            ["TABLE", "-o", "FOLDER/new.csv", "--step", "filter sigma > 3"],
            "table.csv: The filter 'sigma > 3' needs the column sigma_nm",
        ),
        (["TABLE", "FOLDER/none.csv", "-o", "FOLDER/new", "--step", "merge"], "none.csv cannot be read"),
        (["FOLDER/none.csv", "-o", "FOLDER/new.csv", "--step", "merge"], "cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(tmp_path, table, capsys, arguments, words):
    other = tmp_path / "other.csv"
    read_table(table).save(other)
    arguments = [each.replace("OTHER", str(other)) for each in arguments]
    before = sorted(tmp_path.iterdir())
    places = [each.replace("TABLE", str(table)).replace("FOLDER", str(tmp_path)) for each in arguments]
    status, out, err = command(capsys, *places)
    assert status == 2
    assert out == ""
    sentence = err.splitlines()[-1]
    assert sentence.startswith("blinkspot: ")
    assert words in sentence
    assert sorted(tmp_path.iterdir()) == before


def test_merging_knows_the_context_frames_of_the_denoiser(tmp_path, capsys):
    movie, model, denoised, found = (tmp_path / name for name in ("m.tif", "model", "d.tif", "found.csv"))
    for arguments in (
        ["simulate", movie, "--frames", 12, "--size", 32],
        ["train", movie, "-o", model, "--epochs", 1, "--channels", 4, "--context-frames", 1],
        ["denoise", movie, "-m", model, "-o", denoised],
        ["localize", movie, "-o", found, "--denoised", denoised, "--fit-on", "denoised"],
    ):
        with pytest.raises(SystemExit, match="0"):
            main([str(argument) for argument in arguments])
    status, _, err = command(capsys, found, "-o", tmp_path / "merged.csv", "--step", "merge radius_nm=80")
    assert status == 0, err
    merged = read_table(tmp_path / "merged.csv")
    assert merged.provenance["processing"][0]["correlated_frames"] == 2
    assert not merged.uncertainty_is_valid
