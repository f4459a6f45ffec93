"""A training that goes on after a break ends as if there had been none."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from blinkspot import progress
from blinkspot.camera import Camera
from blinkspot.denoising import Denoiser, Training, TrainingSettings
from blinkspot.denoising.calibration import Calibration
from blinkspot.denoising.training.checkpoint import read_checkpoint, write_checkpoint
from blinkspot.denoising.training.training_state import TrainingState
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import as_stack
from blinkspot.progress import finish, pause

CAMERA = PRESETS["low-light"].camera
QUICK = TrainingSettings(
    epochs=6, crop_size_px=24, batch_size=4, channels=4, context_frames=1, device="cpu", seed=2
)


@pytest.fixture(scope="module")
def movie():
    settings = dataclasses.replace(PRESETS["low-light"], frames=40, size_px=32, density_per_um2=0.3, seed=8)
    return as_stack(np.concatenate([chunk.frames for chunk in simulate(settings)]))


@pytest.fixture(scope="module")
def unbroken(movie):
    training = Training(movie, CAMERA, QUICK)
    finish(training.run())
    return training


def broken_off(movie, path, after: int, settings=QUICK) -> Training:
    """Train, and close the training at its ``after``-th value."""
    training = Training(movie, CAMERA, settings)
    run = training.run(checkpoint=path)
    for _ in range(after):
        next(run)
    run.close()
    return training


# Within a step, after a step, within a validation, before and after the step size begins to fall.
@pytest.mark.parametrize("after", [40, 41, 60, 110, 190])
def test_a_resumed_training_gives_the_same_model_to_the_bit(movie, unbroken, tmp_path, after):
    path = tmp_path / "model.checkpoint"
    broken_off(movie, path, after)
    assert path.is_file()
    training = Training(movie, CAMERA, QUICK)
    finish(training.run(checkpoint=path, resume=path))
    expected = unbroken.best.weights()
    weights = training.best.weights()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert [past.validation_loss for past in training.history] == [
        past.validation_loss for past in unbroken.history
    ]
    assert training.warnings == unbroken.warnings
    assert training.best.provenance["steps"] == unbroken.best.provenance["steps"]
    assert path.exists()  # the caller removes it once the model is safe


def test_a_checkpoint_keeps_the_best_model_so_far(movie, tmp_path):
    stopped = broken_off(movie, tmp_path / "c", 130)
    assert stopped.best is not None
    resumed = Training(movie, CAMERA, QUICK)
    run = resumed.run(resume=tmp_path / "c")
    while not resumed.history:
        next(run)
    np.testing.assert_array_equal(resumed.best.denoise_frame(movie, 3), stopped.best.denoise_frame(movie, 3))
    assert resumed.best.provenance == stopped.best.provenance
    run.close()


def test_a_training_begun_without_the_noise_of_rounding_goes_on_without_it(movie, tmp_path, monkeypatch):
    """A checkpoint of an older version: its best model's losses and bias are those of its counts."""
    steps = Camera(offset_adu=100.0, electrons_per_adu=3.6)
    with monkeypatch.context() as older:
        older.setattr(Camera, "with_rounding", lambda camera: camera)
        whole = Training(movie, steps, QUICK)
        finish(whole.run())
        run = Training(movie, steps, QUICK).run(checkpoint=tmp_path / "c")
        for _ in range(60):
            next(run)
        run.close()
    numbers, tensors = read_checkpoint(tmp_path / "c")
    for each in (numbers, numbers["best"]):
        each.pop("rounded", None)
    write_checkpoint(tmp_path / "c", numbers, tensors)
    resumed = Training(movie, steps, QUICK)
    finish(resumed.run(resume=tmp_path / "c"))
    assert resumed.best.noise_camera == steps
    expected = whole.best.weights()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.best.weights().items())


def test_minutes_already_spent_count(movie, tmp_path):
    settings = dataclasses.replace(QUICK, epochs=None, minutes=0.03)
    stopped = broken_off(movie, tmp_path / "c", 60, settings)
    spent = stopped._state.elapsed_s
    training = Training(movie, CAMERA, settings)
    values = list(training.run(resume=tmp_path / "c"))
    assert values[-1].elapsed_s >= 1.8
    assert min(value.elapsed_s for value in values if value.step == "training") >= spent


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"settings": dataclasses.replace(QUICK, seed=3)}, "its seed is 2, not 3"),
        ({"camera": Camera(offset_adu=100.0, electrons_per_adu=11.0, em_gain=150.0)}, "electrons_per_adu"),
        ({"movie": as_stack(np.zeros((40, 32, 32), np.uint16))}, "another movie"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(movie, tmp_path, change, word):
    broken_off(movie, tmp_path / "c", 60)
    other = Training(change.get("movie", movie), change.get("camera", CAMERA), change.get("settings", QUICK))
    with pytest.raises(BlinkspotError, match=word):
        finish(other.run(resume=tmp_path / "c"))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x10" * 400])
def test_what_is_no_checkpoint_is_refused(movie, tmp_path, content):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(BlinkspotError, match="not a checkpoint"):
        finish(Training(movie, CAMERA, QUICK).run(resume=tmp_path / "c"))


@pytest.mark.parametrize("number", ["step", "next_validation", "restarted_at"])
def test_numbers_beyond_any_training_are_refused(number):
    state = TrainingState.new(QUICK, 16, 1)
    values = state.as_dict() | {"random": np.random.default_rng(0).bit_generator.state}
    state.restore(values)
    (values if number in values else values["schedule"])[number] = 10**400
    with pytest.raises(OverflowError):
        state.restore(values)


def test_an_old_model_goes_on_learning_on_a_new_movie(movie, unbroken):
    settings = dataclasses.replace(PRESETS["low-light"], frames=40, size_px=32, density_per_um2=0.3, seed=9)
    new_movie = as_stack(np.concatenate([chunk.frames for chunk in simulate(settings)]))
    anew = Training(new_movie, CAMERA, QUICK)
    onward = Training(new_movie, CAMERA, dataclasses.replace(QUICK, context_frames=None), unbroken.best)
    before = unbroken.best.weights()
    for training in (anew, onward):
        finish(training.run())
    assert onward.context_frames == 1
    assert onward.history[0].validation_loss < anew.history[0].validation_loss - 0.01
    assert onward.best.provenance["started_from"]["steps"] == unbroken.best.provenance["steps"]
    # The old model itself stays as it was.
    assert all(torch.equal(value, before[name]) for name, value in unbroken.best.weights().items())


def test_the_line_of_an_old_calibration_is_not_carried_on(movie, unbroken):
    askew = unbroken.best.calibrated(Calibration(0.5, 1.2, 1.2))
    fresh, onward = (started_from(movie, model) for model in (unbroken.best, askew))
    assert finish(fresh.run()).provenance["calibration"] == finish(onward.run()).provenance["calibration"]
    assert [past.validation_loss for past in fresh.history] == [
        past.validation_loss for past in onward.history
    ]


def started_from(movie, model, **changes) -> Training:
    return Training(movie, CAMERA, dataclasses.replace(QUICK, **changes), model)


def test_the_network_of_an_old_model_is_kept_and_saved_as_what_it_is(movie, tmp_path):
    laine = Training(movie, CAMERA, dataclasses.replace(QUICK, network="laine", epochs=1))
    finish(laine.run())
    onward = started_from(movie, laine.best, epochs=1)
    finish(onward.run())
    onward.best.save(tmp_path / "model")
    loaded = Denoiser.load(tmp_path / "model")
    assert loaded.network_name == "laine"
    np.testing.assert_array_equal(loaded.denoise_frame(movie, 2), onward.best.denoise_frame(movie, 2))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network", "laine"),
        ("channels", 5),
        ("components", 1),
        ("context_frames", 0),
        ("blind_spot_radius_px", 1),
    ],
)
def test_settings_that_contradict_the_model_to_start_from_are_refused(movie, unbroken, name, value):
    with pytest.raises(BlinkspotError, match=f"has {name} .*but {value} is asked for"):
        started_from(movie, unbroken.best, **{name: value})


def test_a_start_from_a_model_of_another_camera_is_said(movie, unbroken):
    other = dataclasses.replace(CAMERA, electrons_per_adu=1.1 * CAMERA.electrons_per_adu, pixel_size_nm=107.0)
    for camera, n_warnings in ((CAMERA, 0), (other, 1)):
        training = Training(movie, camera, dataclasses.replace(QUICK, epochs=1), unbroken.best)
        finish(training.run())
        found = [warning for warning in training.warnings if "made for another camera" in warning]
        assert len(found) == n_warnings
    assert "its pixel_size_nm is 100, not 107, its electrons_per_adu is" in found[0]
    assert "context frames, 1;" in found[0]


def test_the_provenance_has_the_settings_that_were_used(movie, unbroken):
    start = started_from(movie, unbroken.best, epochs=1, channels=None, context_frames=None)
    used = finish(start.run()).provenance["settings"]
    assert (used["channels"], used["context_frames"], used["blind_spot_radius_px"]) == (4, 1, 0)


@pytest.mark.parametrize(("old", "new"), [("gamma-poisson", "squared-error"), ("squared-error", "gaussian")])
def test_a_model_of_another_loss_is_no_start(movie, old, new):
    model = Training(movie, CAMERA, dataclasses.replace(QUICK, loss=old, epochs=1))
    finish(model.run())
    with pytest.raises(BlinkspotError, match=f"not made for the loss '{new}'"):
        started_from(movie, model.best, loss=new)


def test_a_training_that_began_with_a_model_resumes_with_that_model_only(movie, unbroken, tmp_path):
    whole = started_from(movie, unbroken.best)
    finish(whole.run())
    run = started_from(movie, unbroken.best).run(checkpoint=tmp_path / "c")
    for _ in range(90):
        next(run)
    run.close()
    with pytest.raises(BlinkspotError, match="another model to start from"):
        finish(Training(movie, CAMERA, QUICK).run(resume=tmp_path / "c"))
    resumed = started_from(movie, unbroken.best)
    finish(resumed.run(resume=tmp_path / "c"))
    expected = whole.best.weights()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.best.weights().items())


@pytest.mark.parametrize("changes", [{}, {"network": "laine"}, {"components": 1}])
def test_the_room_told_beforehand_is_what_model_and_checkpoints_take(movie, tmp_path, changes):
    training = Training(movie, CAMERA, dataclasses.replace(QUICK, channels=16, **changes))
    run = training.run(checkpoint=tmp_path / "c")
    while training.best is None:
        next(run)
    run.close()
    training.best.save(tmp_path / "model")
    taken = (tmp_path / "model").stat().st_size + 2 * (tmp_path / "c").stat().st_size
    assert training.room_bytes == pytest.approx(taken, rel=0.1)


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(movie, tmp_path, monkeypatch):
    monkeypatch.setattr("blinkspot.denoising.training.training._CHECKPOINT_EVERY_S", 0.0)
    training = Training(movie, CAMERA, QUICK)
    finish(training.run(checkpoint=tmp_path / "no such folder" / "c"))
    assert training.best is not None
    assert sum("cannot be written" in warning for warning in training.warnings) == 1


@pytest.mark.parametrize("changes", [{"network": "laine"}, {"blind_spot_radius_px": 1}, {"components": 1}])
def test_other_networks_resume_to_the_bit(movie, tmp_path, changes):
    settings = dataclasses.replace(QUICK, epochs=2, **changes)
    whole = Training(movie, CAMERA, settings)
    finish(whole.run())
    broken_off(movie, tmp_path / "c", 50, settings)
    resumed = Training(movie, CAMERA, settings)
    finish(resumed.run(resume=tmp_path / "c"))
    expected = whole.best.weights()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.best.weights().items())


def test_a_time_limit_does_not_count_a_pause(movie, monkeypatch):
    """By a clock that goes on by 0.1 s between the values of a training, and by an hour in a pause."""
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    settings = dataclasses.replace(QUICK, epochs=None, minutes=0.1)
    for pauses in (False, True):
        training = Training(movie, CAMERA, settings)
        for number, _ in enumerate(training.run()):
            now[0] += 0.1
            if pauses and number % 20 == 0:
                with pause():
                    now[0] += 3600.0
        # How many values come while the last step is computed is up to the machine.
        assert 6.0 <= training.history[-1].elapsed_s < 12.0
