"""Recipes of a batch: what they say, and one sentence for each way of saying it wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.batch import Recipe, read_recipe
from blinkspot.batch.recipe_values import RecipeTable
from blinkspot.denoising import TrainingSettings
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.held_out import HeldOutSettings
from blinkspot.evaluation.resolution import ResolutionSettings
from blinkspot.localization import LocalizerSettings
from blinkspot.localization.processing import DensityFilter, Filter, Merge

WHOLE = """
[camera]
pixel_size_nm = 107
em_gain = 150
[train]
models = "all"
epochs = 7
region_px = [0, 8, 32, 64]
[denoise]
format = "zarr"
[localize]
threshold = 1.5
format = "hdf5"
[[process]]
step = "filter"
expression = "photons > 100"
[[process]]
step = "merge"
radius_nm = 30
[[process]]
step = "density"
[resolution]
split = "odd-even"
[compare]
fit = "lsq"
held_out = true
[check]
threshold = 0.8
seed = 3
"""


def recipe_of(folder: Path, text: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return read_recipe(path)


def test_every_table_becomes_the_settings_of_its_command(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, WHOLE)
    assert recipe.camera.given().settings == {"pixel_size_nm": 107.0, "em_gain": 150.0}
    assert recipe.train is not None
    assert recipe.train.models == "all"
    assert recipe.train.settings == TrainingSettings(epochs=7, region_px=(0, 8, 32, 64))
    assert recipe.denoise is not None
    assert (recipe.denoise.format, recipe.denoise.estimate, recipe.denoise.units) == (
        "zarr",
        "posterior-mean",
        "adu",
    )
    assert recipe.localize is not None
    assert recipe.localize.settings == LocalizerSettings(threshold=1.5)
    assert (recipe.localize.candidates_from, recipe.localize.format) == ("denoised", "hdf5")
    assert recipe.process == (Filter("photons > 100"), Merge(radius_nm=30.0), DensityFilter())
    assert recipe.resolution == ResolutionSettings(split="odd-even")
    assert recipe.compare is not None
    assert recipe.compare.localizer.fit == "lsq"
    assert recipe.compare.held_out is not None
    assert recipe.check == HeldOutSettings(localizer=LocalizerSettings(threshold=0.8), seed=3)
    assert recipe.text == WHOLE


def test_what_is_left_out_is_not_done(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, "[localize]\n")
    assert recipe.localize is not None
    assert recipe.localize.candidates_from == "raw"
    nothing = (recipe.train, recipe.denoise, recipe.resolution, recipe.compare, recipe.check, recipe.process)
    assert nothing == (None, None, None, None, None, ())


WRONG = {
    "[trian]\n": "there is no table [trian]; known are camera, train",
    "train = 3\n": "train must be a table, [train], not 3",
    "[train]\nepoch = 3\n": "[train] epoch: there is no such key; known are models, start_from, network",
    "[train]\nepochs = 'ten'\n": "[train] epochs: must be a whole number, not 'ten'",
    "[train]\nepochs = true\n": "[train] epochs: must be a whole number, not True",
    "[train]\nepochs = 0\n": "[train] epochs: Training settings: epochs must be 1 or more, not 0",
    "[train]\nepochs = 1\nminutes = 2\n": "[train]: Training settings: give epochs or minutes, not both",
    "[train]\nregion_px = [1, 2]\n": "[train] region_px: must be a list of 4 values, not [1, 2]",
    "[train]\nregion_px = [1, 2, 'x', 4]\n": "a list of 4 values, each a whole number",
    "[train]\nnetwork = 'unet'\n": "[train] network: must be 'dilated' or 'laine', not 'unet'",
    "[train]\nmodels = 3\n": "[train] models: must be 'each', 'all' or the path of a model file, not 3",
    "[train]\nmodels = 'none.blinkspot'\n": "[train] models: ",
    "[train]\nmodels = 'none.blinkspot'\nepochs = 3\n": "[train] epochs: has no effect where models",
    "[train]\nstart_from = 'none'\n": "[train] start_from: ",
    "[train]\nminutes = nan\n": "[train] minutes: must be a number, not nan",
    "[denoise]\n": "[denoise]: there is no model: add a table [train]",
    "[train]\n[denoise]\nformat = 'png'\n": "[denoise] format: must be 'tif' or 'zarr', not 'png'",
    "[localize]\nfit = 'ml'\n": "[localize] fit: must be 'mle' or 'lsq' or 'wlsq', not 'ml'",
    "[localize]\nfit_window_px = 8\n": "[localize] fit_window_px: The fit window must be an odd number",
    "[localize]\nequal_photons = true\nmost_emitters = 9\n": "[localize] most_emitters: The most emitters",
    "[localize]\nfit_on = 'denoised'\n": "[localize] fit_on: fits on the denoised movie need",
    "[localize]\ncandidates_from = 'denoised'\n": "[localize] candidates_from: there is no denoised movie",
    "[localize]\nastigmatism = 'none.toml'\n": "[localize] astigmatism: ",
    "[train]\n[denoise]\nunits = 'photons'\n[localize]\n": "[localize] candidates_from: molecules are found",
    "[localize]\n[[process]]\nradius_nm = 3\n": "[[process]] number 1 step: must be one of filter, ",
    "[localize]\n[[process]]\nstep = 'merge'\nradius = 3\n": "number 1 radius: there is no such key",
    "[localize]\n[[process]]\nstep = 'merge'\nradius_nm = -1\n": "[[process]] number 1 radius_nm: merge: ",
    "[localize]\n[[process]]\nstep = 'filter'\nexpression = 'photons >'\n": "number 1 expression: ",
    "[localize]\n[[process]]\nstep = 'loaded_drift'\npath = 'none.csv'\n": "number 1 path: there is no file",
    "[localize]\n[process]\nstep = 'merge'\n": "process must be a list of tables: begin each with [[pro",
    "[train]\n[[process]]\nstep = 'merge'\n": "[[process]]: there is no table of molecules",
    "[train]\n[resolution]\n": "[resolution]: there is no table of molecules",
    "[localize]\n[resolution]\nsplits = 0\n": "[resolution] splits: The number of splits",
    "[localize]\n[compare]\n": "[compare]: it needs a [denoise] table",
    "[localize]\nfalse_per_frame = 1\nthreshold = 2\n": "[localize] threshold: has no effect beside",
    "[localize]\npreset = 'thunderstorm'\nwidths = 'learned'\n": "[localize] widths: has no effect with Thu",
    "[localize]\n[resolution]\nsplit = 'odd-even'\nseed = 2\n": "[resolution] seed: has no effect with the",
    "[train]\n[denoise]\n[compare]\nheld_out_minutes = 1\n": "held_out_minutes: has no effect without",
    "[check]\nthreshold = 0\n": "[check] threshold: The threshold must be",
    "[check]\nkept_shares = [0.5]\n": "[check] kept_shares: there is no such key",
    "[camera]\nem_gain = 0.5\n[localize]\n": "[camera]: The camera's em_gain must be 1",
    "[camera]\nfile = 'none.toml'\n[localize]\n": "[camera]: The camera file",
    "[camera]\ntranspose_maps = true\n[localize]\n": "[camera]: maps_window and transpose_maps need maps",
    "[camera]\n": "there is nothing to do",
    "": "there is nothing to do",
    "[train\n": "is not valid TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_in_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(BlinkspotError) as raised:
        recipe_of(tmp_path, text)
    said = str(raised.value)
    assert WRONG[text] in said
    assert str(tmp_path / "recipe.toml") in said
    assert "\n" not in said.rstrip("\n")


def test_a_recipe_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BlinkspotError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "latin").write_bytes(b"# \xff\n")
    with pytest.raises(BlinkspotError, match="not valid TOML"):
        read_recipe(tmp_path / "latin")


VALUES: Any = st.recursive(
    st.none().filter(lambda _: False)
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates(),
    lambda each: st.lists(each, max_size=5) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=6,
)
SETTINGS = st.sampled_from([TrainingSettings, LocalizerSettings, ResolutionSettings, Merge, DensityFilter])


@given(kind=SETTINGS, data=st.data())
def test_whatever_a_key_holds_there_are_settings_or_a_sentence_that_names_it(kind: Any, data: Any) -> None:
    names = [field.name for field in dataclasses.fields(kind) if field.name != "astigmatism"]
    key = data.draw(st.sampled_from(names))
    value = data.draw(VALUES)
    table = RecipeTable(Path("r.toml"), "[table]", {key: value})
    said, made = "", None
    try:
        made = table.read(kind)
    except BlinkspotError as error:
        said = str(error)
    if made is None:
        assert said.startswith(f"r.toml, [table] {key}: ")
    else:
        found = getattr(made, key)
        assert found == (tuple(value) if isinstance(value, list) else value)
        assert isinstance(found, bool) == isinstance(value, bool)


@given(st.integers(1, 500), st.floats(0.1, 30.0), st.sampled_from(["mle", "lsq", "wlsq"]), st.integers(2, 15))
def test_what_is_written_is_read(epochs: int, threshold: float, fit: str, half: int) -> None:
    train = RecipeTable(Path("r"), "[train]", {"epochs": epochs}).read(TrainingSettings)
    assert train == TrainingSettings(epochs=epochs)
    values = json.loads(json.dumps({"threshold": threshold, "fit": fit, "fit_window_px": 2 * half + 1}))
    assert RecipeTable(Path("r"), "[localize]", values).read(LocalizerSettings) == LocalizerSettings(**values)


def test_paths_are_seen_from_the_folder_of_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "camera.toml").write_text("[camera]\noffset_adu = 90\n", encoding="utf-8")
    (tmp_path / "drift.csv").write_text("frame,x [nm],y [nm]\n1,0,0\n", encoding="utf-8")
    text = (
        "[camera]\nfile = 'camera.toml'\nem_gain = 2\n"
        "[localize]\n[[process]]\nstep = 'loaded_drift'\npath = 'drift.csv'\n"
    )
    recipe = recipe_of(tmp_path, text)
    assert recipe.camera.given().settings == {"offset_adu": 90.0, "em_gain": 2.0}
    (step,) = recipe.process
    assert dataclasses.asdict(step)["path"] == str(tmp_path / "drift.csv")  # type: ignore[call-overload]


def test_paths_of_a_recipe_hold_wherever_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of a cluster has a folder of its own."""
    monkeypatch.setattr("blinkspot.denoising.Denoiser.load", lambda path: Mock())
    (tmp_path / "drift.csv").write_text("frame,x [nm],y [nm]\n1,0,0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for key in ("models", "start_from"):
        text = f"[train]\n{key} = 'model.blinkspot'\n[denoise]\n[localize]\n"
        recipe = recipe_of(Path(), f"{text}[[process]]\nstep = 'loaded_drift'\npath = 'drift.csv'\n")
        assert recipe.train is not None
        file = recipe.train.models if key == "models" else recipe.train.start_from
        assert file == tmp_path / "model.blinkspot"
        (step,) = recipe.process
        assert dataclasses.asdict(step)["path"] == str(tmp_path / "drift.csv")  # type: ignore[call-overload]


def test_a_mark_at_the_beginning_and_a_movie_for_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("[localize]\n", encoding="utf-8-sig")
    assert read_recipe(tmp_path / "recipe.toml").localize is not None
    with (tmp_path / "movie.tif").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(BlinkspotError, match="is larger than"):
        read_recipe(tmp_path / "movie.tif")
