"""Settings that are NumPy's numbers, as of a loop over an array, give results that can be saved."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blinkspot import (
    BlinkspotError,
    Denoiser,
    Localizer,
    LocalizerSettings,
    Progress,
    TrainingSettings,
    as_stack,
    denoise_to_file,
    estimate_camera,
    finish,
    open_stack,
    read_table,
    render,
    save_picture,
    train,
)
from blinkspot.denoising import likeness_of
from blinkspot.evaluation import (
    PRESETS,
    ComparisonSettings,
    HeldOutSettings,
    ResidualSettings,
    ResolutionSettings,
    simulate,
    simulate_to_files,
)
from blinkspot.localization.processing import DensityFilter, Filter, Merge, Polygon, Rectangle, process
from blinkspot.plain_values import plain
from blinkspot.provenance import provenance

WHOLE, NUMBER = np.int64, np.float32
SMALL = dataclasses.replace(PRESETS["low-light"], frames=12, size_px=32)
CAMERA = SMALL.camera


@pytest.fixture(scope="module")
def array() -> np.ndarray[Any, Any]:
    chunks: list[Any] = []
    finish(simulate(SMALL), chunks.append)
    return np.concatenate([chunk.frames for chunk in chunks])


@pytest.fixture(scope="module")
def model(array: np.ndarray[Any, Any]) -> Denoiser:
    settings = TrainingSettings(
        epochs=WHOLE(1), channels=WHOLE(4), context_frames=WHOLE(1), seed=WHOLE(3), learning_rate=NUMBER(6e-3)
    )
    return finish(train(array, CAMERA, settings))


def test_numbers_of_numpy_become_pythons_own() -> None:
    given = {"a": NUMBER(0.5), 3: [WHOLE(1), (np.bool_(True), np.arange(2))], "c": "word", "d": None}
    made = plain(given)
    assert made == {"a": 0.5, 3: [1, (True, [0, 1])], "c": "word", "d": None}
    assert json.loads(json.dumps(made)) == {"a": 0.5, "3": [1, [True, [0, 1]]], "c": "word", "d": None}
    assert isinstance(given["a"], NUMBER)  # what is given stays as it is


@pytest.mark.parametrize(
    "settings",
    [
        TrainingSettings(epochs=WHOLE(2), seed=WHOLE(1), region_px=np.array([0, 0, 16, 16])),  # type: ignore[arg-type]
        LocalizerSettings(threshold=NUMBER(1.5), fit_window_px=WHOLE(9), initial_sigma_px=NUMBER(1.2)),
        dataclasses.replace(
            SMALL, frames=WHOLE(3), size_px=(WHOLE(16), WHOLE(24)), photons=np.array([60, 80])
        ),
        ComparisonSettings(tolerance_nm=NUMBER(50)),
        HeldOutSettings(tolerance_nm=NUMBER(50), seed=WHOLE(2)),
        ResidualSettings(false_per_megapixel=NUMBER(5), seed=WHOLE(2)),
        ResolutionSettings(splits=WHOLE(3), pixel_size_nm=NUMBER(5), seed=WHOLE(2)),
        Merge(radius_nm=NUMBER(50), dark_frames=WHOLE(2)),
        DensityFilter(radius_nm=WHOLE(50), neighbours=WHOLE(2)),
        Rectangle(x_from_nm=NUMBER(5)),
        Polygon(vertices_nm=np.array([[0, 0], [100, 0], [100, 100.0]])),  # type: ignore[arg-type]
    ],
    ids=lambda settings: type(settings).__name__,
)
def test_settings_of_numpys_numbers_can_be_recorded(settings: Any) -> None:
    kept = settings.as_dict() if hasattr(settings, "as_dict") else dataclasses.asdict(settings)
    json.dumps(provenance("a step", camera=None, settings=kept))
    json.dumps(kept)


def test_a_model_trained_by_numpys_numbers_is_saved(model: Denoiser, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    assert Denoiser.load(tmp_path / "model").provenance["settings"]["seed"] == 3


def test_a_table_and_a_movie_made_by_numpys_numbers_are_saved(
    array: np.ndarray[Any, Any], model: Denoiser, tmp_path: Path
) -> None:
    settings = LocalizerSettings(threshold=NUMBER(1.2), fit_window_px=WHOLE(7))
    table = finish(Localizer(CAMERA, settings).localize(array))
    table.save(tmp_path / "table.csv")
    table.save(tmp_path / "table.hdf5")
    settled = read_table(tmp_path / "table.csv").provenance["settings"]
    assert settled["threshold"] == pytest.approx(1.2)
    finish(process(table, [Filter("photons > 1"), Merge(radius_nm=NUMBER(50))])).save(tmp_path / "merged.csv")
    save_picture(render(table, pixel_size_nm=NUMBER(20)), tmp_path / "p.png", NUMBER(20), table.provenance)
    for name in ("some.tif", "some.zarr"):
        finish(denoise_to_file(model, array, tmp_path / name, start=WHOLE(2), stop=WHOLE(7)))
        assert open_stack(tmp_path / name).n_frames == 5
    files = finish(simulate_to_files(dataclasses.replace(SMALL, seed=WHOLE(2)), tmp_path / "simulated.tif"))
    assert open_stack(files.movie).n_frames == 12


def test_large_numbers_of_a_training_may_be_typed_as_powers_of_ten() -> None:
    typed = TrainingSettings(epochs=1e2, max_frames=1e4, first_frame=2e1, last_frame=1e3)  # type: ignore[arg-type]
    assert repr(typed) == repr(
        TrainingSettings(epochs=100, max_frames=10_000, first_frame=20, last_frame=1000)
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 1.5}, "epochs must be a whole number, not 1.5"),
        ({"epochs": "1"}, "epochs must be a whole number, not '1'"),
        ({"channels": 4.0}, "channels must be a whole number"),
        ({"seed": True}, "seed must be a whole number"),
        ({"seed": None}, "seed must be a whole number"),
        ({"minutes": "3"}, "minutes must be a number"),
        ({"minutes": np.inf}, "minutes must be above 0"),
        ({"learning_rate": np.inf}, "learning_rate must be above 0"),
        ({"region_px": 5}, "region_px must be"),
        ({"region_px": (0.0, 0.0, 16.5, 16.0)}, "region_px must be"),
    ],
)
def test_a_training_setting_that_is_no_such_number_gets_a_sentence(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(BlinkspotError, match=words):
        TrainingSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"frames": 5.0}, "frames must be a whole number, not 5.0"),
        ({"frames": "5"}, "frames must be a whole number"),
        ({"seed": None}, "seed must be a whole number"),
        ({"size_px": 32.0}, "size_px must be a whole number, or two"),
        ({"size_px": (32, 32, 32)}, "size_px must be a whole number, or two"),
        ({"photons": 100}, "photons must be two numbers"),
        ({"density_per_um2": "1"}, "density_per_um2 must be a number"),
        ({"structure": "tubes"}, "structure must be a Structure"),
        ({"illumination": "gaussian"}, "illumination must be a Mask"),
    ],
)
def test_a_setting_of_a_simulation_that_is_of_a_wrong_kind_gets_a_sentence(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(BlinkspotError, match=words):
        dataclasses.replace(SMALL, **settings)


def test_a_size_may_be_a_list() -> None:
    assert dataclasses.replace(SMALL, size_px=[16, 24]).shape_px == (16, 24)  # type: ignore[arg-type]


def test_an_array_is_taken_wherever_a_movie_is(
    array: np.ndarray[Any, Any], model: Denoiser, tmp_path: Path
) -> None:
    stack = as_stack(array)
    np.testing.assert_array_equal(model.denoise_frame(array, 3), model.denoise_frame(stack, 3))
    (first,), (second,) = ([each.mean for each in model.predict(movie)] for movie in (array, stack))
    np.testing.assert_array_equal(first, second)
    model.check_matches(array)
    assert finish(likeness_of(model, array)) == finish(likeness_of(model, stack))
    assert str(estimate_camera(array)) == str(estimate_camera(stack))
    for movie in (array.tolist(), torch.from_numpy(array.astype(np.int32))):
        np.testing.assert_array_equal(as_stack(movie).frames(0, 12), array)


@pytest.mark.parametrize(
    "movie",
    [
        [np.zeros((4, 4)), np.zeros((4, 5))],
        torch.zeros((3, 4, 4), device="meta"),
        torch.ones((3, 4, 4), requires_grad=True),
    ],
)
def test_what_is_no_array_gets_a_sentence(movie: Any) -> None:
    with pytest.raises(BlinkspotError, match="The movie is no array"):
        as_stack(movie)


@pytest.mark.parametrize("unit", ["ADU", "photon", None])
def test_a_unit_that_is_none_is_refused_before_anything_is_written(
    array: np.ndarray[Any, Any], model: Denoiser, tmp_path: Path, unit: Any
) -> None:
    with pytest.raises(BlinkspotError, match="choose one of adu, photons"):
        finish(denoise_to_file(model, array, tmp_path / "denoised.tif", units=unit))
    with pytest.raises(BlinkspotError, match="There is no estimate 'best'"):
        finish(denoise_to_file(model, array, tmp_path / "denoised.tif", "best"))  # type: ignore[arg-type]
    with pytest.raises(BlinkspotError, match="must be whole numbers, not 0 and 2"):
        finish(denoise_to_file(model, array, tmp_path / "denoised.tif", stop=2.5))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_mask_is_not_passed_over() -> None:
    masked = np.ma.MaskedArray(np.ones((3, 20, 20)))
    assert as_stack(masked).n_frames == 3
    masked[1, 2, 3] = np.ma.masked
    with pytest.raises(BlinkspotError, match="pixels that are masked"):
        as_stack(masked)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "gpu", None])
def test_a_device_that_is_not_there_gets_a_sentence(model: Denoiser, tmp_path: Path, device: Any) -> None:
    model.save(tmp_path / "model")
    with pytest.raises(BlinkspotError, match="no device"):
        Denoiser.load(tmp_path / "model", device)
    assert Denoiser.load(tmp_path / "model", "auto").digest() == model.digest()


def test_a_job_is_closed_where_whoever_watches_it_fails() -> None:
    closed = []

    def job() -> Any:
        try:
            yield Progress("working", 0.0, 1.0, 0.0)
        finally:
            closed.append(True)

    def fail(_: Progress) -> None:
        raise ValueError("no such widget")

    running = job()
    with pytest.raises(ValueError, match="no such widget"):
        finish(running, fail)
    assert closed == [True]
