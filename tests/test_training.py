"""Training on movies whose truth is known, and the models that come of it."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from blinkspot.camera import Camera
from blinkspot.denoising import Denoiser, Training, TrainingProgress, TrainingSettings, denoise_to_file
from blinkspot.denoising.calibration import Calibration
from blinkspot.denoising.frame_stream import _PIXELS_AT_ONCE
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import as_stack, open_stack
from blinkspot.progress import Stopwatch, finish

CAMERA = PRESETS["low120"].camera
QUICK = TrainingSettings(
    epochs=25, crop_size_px=32, batch_size=8, channels=12, context_frames=1, device="cpu", seed=5
)


@pytest.fixture(scope="module")
def scene():
    """A dim movie (ADU) and its clean expectation (photoelectrons)."""
    settings = dataclasses.replace(PRESETS["low-light"], frames=60, size_px=48, density_per_um2=0.3, seed=4)
    chunks = list(simulate(settings))
    return as_stack(np.concatenate([c.frames for c in chunks])), np.concatenate(
        [c.expectation for c in chunks]
    )


@pytest.fixture(scope="module")
def trained(scene):
    training = Training(scene[0], CAMERA, QUICK)
    values = list(training.run())
    return training, values


def denoised(model, movie, **options):
    return np.concatenate([chunk.frames for chunk in model.denoise(movie, **options)])


def test_denoising_comes_nearer_to_the_truth_without_a_bias(trained, scene):
    movie, expectation = scene
    noisy = CAMERA.photoelectrons(movie.frames(0, 60))
    for estimate, least_gain_db in (("posterior-mean", 13), ("map", 8), ("blind", 12)):
        frames = denoised(trained[0].best, movie, estimate=estimate)
        gain_db = 10 * np.log10(np.mean((noisy - expectation) ** 2) / np.mean((frames - expectation) ** 2))
        assert gain_db > least_gain_db, estimate
    frames = denoised(trained[0].best, movie)
    assert frames.mean() == pytest.approx(noisy.mean(), rel=0.01)


def test_progress_tells_losses_and_time(trained):
    training, values = trained
    assert values[-1].fraction == 1.0
    steps = [value for value in values if isinstance(value, TrainingProgress)]
    assert all(a.done <= b.done for a, b in itertools.pairwise(steps))
    validated = [value for value in steps if value.validated]
    assert training.history == validated
    best = min(value.validation_loss for value in validated)
    assert training.best.provenance["validation_loss"] == best
    assert [v.improved for v in validated] == [
        i == 0 or v.validation_loss < min(w.validation_loss for w in validated[:i])
        for i, v in enumerate(validated)
    ]
    assert validated[-1].train_loss < validated[0].train_loss
    # So few short epochs are too few to settle, and nothing else is wrong.
    assert len(training.warnings) == 1
    assert "before its validation loss had settled" in training.warnings[0]
    assert not training.settled


def test_a_training_that_loses_its_way_goes_on_from_its_best(scene, monkeypatch):
    from blinkspot.denoising.training import schedule
    from blinkspot.denoising.training.learner import Learner

    monkeypatch.setattr(schedule, "_LEAST_STEPS_TO_LOSE", 50)
    take_step, taken = Learner.step, itertools.count(1)

    def spoiling(self, *arguments):
        loss = yield from take_step(self, *arguments)
        if next(taken) == 100:
            with torch.no_grad():
                for weights in (self.model, self.averaged):
                    for parameter in weights.parameters():
                        parameter.mul_(3.0)
        return loss

    monkeypatch.setattr(Learner, "step", spoiling)
    training = Training(scene[0], CAMERA, dataclasses.replace(QUICK, epochs=16))
    validated = [value for value in training.run() if getattr(value, "validated", False)]
    losses = {round(value.done): value.validation_loss for value in validated}
    before = min(loss for step, loss in losses.items() if step < 100)
    spoilt = next(step for step in sorted(losses) if step > 100)
    assert losses[spoilt] > before + 0.1
    after = next(step for step in sorted(losses) if step > spoilt)
    assert losses[after] < before + 0.02
    assert training.best.provenance["steps"] > spoilt
    assert min(losses.values()) < before


def test_same_seed_same_model_and_another_seed_another(scene):
    quick = dataclasses.replace(QUICK, epochs=1)
    first, again = (finish(Training(scene[0], CAMERA, quick).run()) for _ in range(2))
    other = finish(Training(scene[0], CAMERA, dataclasses.replace(quick, seed=6)).run())
    frames = [model.denoise_frame(scene[0], 3) for model in (first, again, other)]
    np.testing.assert_array_equal(frames[0], frames[1])
    assert np.abs(frames[0] - frames[2]).max() > 0


def test_stopping_keeps_the_best_model_so_far_calibrated_and_says_that_it_is_undertrained(scene):
    movie = scene[0]
    training = Training(movie, CAMERA, dataclasses.replace(QUICK, channels=8, context_frames=0))
    run = training.run()
    for _ in range(2):
        while not getattr(next(run), "improved", False):
            pass
    run.close()
    assert training.best.provenance["steps"] == 20
    assert not training.best.provenance["settled"]
    assert "before its validation loss had settled" in training.warnings[0]
    light = CAMERA.photoelectrons(movie.frames(0, 60)).mean()
    uncalibrated = training.best.calibrated(Calibration(0.0, 1.0, None))
    assert denoised(uncalibrated, movie).mean() != pytest.approx(light, rel=0.02)
    assert denoised(training.best, movie).mean() == pytest.approx(light, rel=0.01)


def test_minutes_count_from_the_first_step(scene, monkeypatch):
    clock = [0.0]

    class Watch(Stopwatch):
        def __init__(self, step, total):
            super().__init__(step, total, clock[0])

        @property
        def elapsed_s(self):
            return clock[0] - self.started

    monkeypatch.setattr("blinkspot.denoising.training.training.Stopwatch", Watch)
    settings = dataclasses.replace(QUICK, epochs=None, minutes=1.0, channels=4, context_frames=0)
    training = Training(scene[0], CAMERA, settings)
    for value in training.run():
        clock[0] += 30.0 if value.step == "choosing frames" else 1.0
    assert value.done == 60.0
    assert training._state.step > 5


def test_minutes_are_kept(scene):
    settings = dataclasses.replace(QUICK, epochs=None, minutes=0.02)
    training = Training(scene[0], CAMERA, settings)
    values = list(training.run())
    assert values[-1].total == pytest.approx(1.2)
    assert values[-1].done >= 1.2
    assert training.best is not None


def test_a_model_that_has_learned_nothing_yet_says_so_and_can_be_loaded(tmp_path):
    settings = dataclasses.replace(PRESETS["yfp4"], frames=60, size_px=48, seed=4)
    movie = as_stack(np.concatenate([chunk.frames for chunk in simulate(settings)]))
    one_step = dataclasses.replace(
        QUICK, epochs=1, crop_size_px=48, batch_size=54, channels=8, context_frames=0
    )
    training = Training(movie, settings.camera, one_step)
    model = finish(training.run())
    assert model.provenance["steps"] == 1
    assert not 0.8 <= model.provenance["calibration"]["measured_slope"] <= 1.25
    assert any("has not learned the movie" in warning for warning in training.warnings)
    model.save(tmp_path / "model")
    frames = denoised(Denoiser.load(tmp_path / "model"), movie, estimate="blind")
    noisy = settings.camera.photoelectrons(movie.frames(0, 60))
    assert frames.mean() == pytest.approx(noisy.mean(), rel=0.01)


def test_a_model_that_could_not_be_loaded_is_not_saved(trained, tmp_path):
    model = trained[0].best
    absurd = model.calibrated(Calibration(0.0, -8.0, None))
    with pytest.raises(BlinkspotError, match="not saved"):
        absurd.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_paper_network_trains_through_the_same_interface(scene):
    settings = dataclasses.replace(QUICK, network="laine", channels=4, epochs=2)
    training = Training(scene[0], CAMERA, settings)
    finish(training.run())
    losses = [value.validation_loss for value in training.history]
    assert losses[-1] < losses[0]
    assert training.best.denoise_frame(scene[0], 1).shape == (48, 48)


def test_a_wrong_gain_is_named(scene):
    forgotten = Camera(offset_adu=100.0, electrons_per_adu=12.0)
    training = Training(scene[0], forgotten, dataclasses.replace(QUICK, epochs=1))
    finish(training.run())
    assert "EM gain" in training.warnings[0]
    assert sum("variance" in warning for warning in training.warnings) == 1


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"network": "unet"}, "network"),
        ({"loss": "l1"}, "loss"),
        ({"blind_spot_radius_px": 3}, "blind_spot_radius_px"),
        ({"context_frames": 3}, "context_frames"),
        ({"epochs": 3, "minutes": 1.0}, "not both"),
        ({"minutes": 0.0}, "minutes"),
        ({"device": "tpu"}, "device"),
        ({"channels": 513}, "channels"),  # more than a model file may have
        ({"seed": 2**63}, "seed"),  # more than torch takes
    ],
)
def test_settings_out_of_range_are_refused(settings, word):
    with pytest.raises(BlinkspotError, match=word):
        TrainingSettings(**settings)


def test_no_gpu_is_said(monkeypatch, scene):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BlinkspotError, match="no device 'cuda'"):
        Training(scene[0], CAMERA, TrainingSettings(device="cuda"))


def test_a_model_sees_counts_whatever_the_camera(trained, scene):
    model, movie = trained[0].best, scene[0]
    other = Camera(pixel_size_nm=80.0, offset_adu=400.0, electrons_per_adu=0.5)
    counts = CAMERA.counts(movie.frames(0, 20))
    same = as_stack(other.adu(other.photoelectrons_from_counts(counts)))
    frame = model.for_camera(other).denoise_frame(same, 7)
    expected = CAMERA.counts_from_photoelectrons(model.denoise_frame(movie, 7))
    off = np.abs(other.counts_from_photoelectrons(frame) / expected - 1.0)
    # The same counts but for float32's rounding, which now and then tips one of bfloat16's, 0.4 %.
    assert off.max() < 0.01
    assert np.median(off) < 1e-4
    assert model.camera == CAMERA


def test_a_saved_model_denoises_the_same(trained, scene, tmp_path):
    model = trained[0].best
    model.save(tmp_path / "a.blinkspot")
    loaded = Denoiser.load(tmp_path / "a.blinkspot")
    assert loaded.camera == model.camera
    assert loaded.provenance == json.loads(json.dumps(model.provenance))
    assert loaded.provenance["settings"]["seed"] == 5
    np.testing.assert_array_equal(loaded.denoise_frame(scene[0], 7), model.denoise_frame(scene[0], 7))
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.blinkspot").stat().st_mode == (tmp_path / "plain").stat().st_mode
    with pytest.raises(BlinkspotError, match="exists already"):
        model.save(tmp_path / "a.blinkspot")


def test_frames_in_a_stream_are_those_one_by_one(trained, scene):
    model, movie = trained[0].best, scene[0]
    chunks = list(model.denoise(movie, 10, 37))
    assert chunks[0].start == 10
    assert chunks[-1].progress.fraction == 1.0
    together = np.concatenate([chunk.frames for chunk in chunks])
    assert together.shape == (27, 48, 48)
    for index in (10, 36):
        np.testing.assert_allclose(together[index - 10], model.denoise_frame(movie, index), atol=2e-3)


def test_large_frames_are_tiled_without_a_seam(trained, monkeypatch):
    movie = as_stack(np.random.default_rng(0).poisson(300, (3, 150, 170)).astype(np.uint16))
    model = trained[0].best
    whole = model.denoise_frame(movie, 1)
    monkeypatch.setitem(_PIXELS_AT_ONCE, "cpu", 80 * 80)
    chunks = list(model.denoise(movie, 1, 2))
    assert len(chunks) > 4
    # Two shapes may be summed in two orders: bfloat16 is exact to about 1 in 256.
    np.testing.assert_allclose(chunks[-1].frames[0], whole, rtol=5e-3)


def test_progress_never_goes_back(trained, monkeypatch):
    monkeypatch.setitem(_PIXELS_AT_ONCE, "cpu", 60 * 60)
    movie = as_stack(np.full((6, 150, 150), 110, np.uint16))
    chunks = list(trained[0].best.denoise(movie, 1, 5))
    done = [chunk.progress.done for chunk in chunks]
    assert done == sorted(done)
    assert done[-1] == chunks[-1].progress.total == 4
    assert [chunk.start for chunk in chunks if len(chunk.frames)] == [1, 2, 3, 4]
    assert all(1 <= chunk.start <= 5 for chunk in chunks)


def test_frames_that_are_not_there_are_refused(trained, scene):
    with pytest.raises(BlinkspotError, match="frames 0 to 59"):
        trained[0].best.denoise_frame(scene[0], 60)
    with pytest.raises(BlinkspotError, match="no estimate 'median'"):
        trained[0].best.denoise_frame(scene[0], 0, "median")


def test_a_model_of_another_camera_is_refused(trained, scene):
    movie, _ = scene
    model = trained[0].best
    model.check_matches(movie)
    model.check_matches(movie, CAMERA)
    with pytest.raises(BlinkspotError, match="em_gain is 150, not 100"):
        model.check_matches(movie, dataclasses.replace(CAMERA, em_gain=100.0))
    brighter = as_stack(4 * (movie.frames(0, 60) - 100) + 100)
    with pytest.raises(BlinkspotError, match="made for another camera"):
        model.check_matches(brighter)
    with pytest.raises(BlinkspotError, match="less than no light"):
        model.check_matches(as_stack(movie.frames(0, 60) // 8))


def test_a_denoised_file_has_the_movies_units_and_its_story(trained, scene, tmp_path):
    model, movie = trained[0].best, scene[0]
    finish(denoise_to_file(model, movie, tmp_path / "adu.tif"))
    finish(denoise_to_file(model, movie, tmp_path / "photons.tif", "blind", "photons"))
    adu, photons = open_stack(tmp_path / "adu.tif"), open_stack(tmp_path / "photons.tif")
    assert adu.shape == movie.shape
    assert adu.dtype == np.float32
    np.testing.assert_allclose(CAMERA.photoelectrons(adu.frames(0, 60)), denoised(model, movie), atol=1e-4)
    np.testing.assert_allclose(photons.frames(0, 60), denoised(model, movie, estimate="blind"), atol=1e-4)
    story = adu.metadata["provenance"]
    assert story["camera"]["em_gain"] == 150.0
    assert story["model"]["settings"]["seed"] == 5
    assert adu.camera_hints["pixel_size_nm"] == pytest.approx(100.0)


def test_damaged_model_files_are_refused(trained, tmp_path):
    good = tmp_path / "good.blinkspot"
    trained[0].best.save(good)
    (tmp_path / "text").write_text("no model")
    (tmp_path / "short").write_bytes(good.read_bytes()[:-100])
    save_file(load_file(good), tmp_path / "nameless")
    weights = load_file(good)
    weights.popitem()
    header = json.dumps({"format": 5, "network": "dilated", "context_frames": 9})
    save_file(weights, tmp_path / "absurd", metadata={"napari-blinkspot": header})
    save_file(weights, tmp_path / "future", metadata={"napari-blinkspot": json.dumps({"format": 99})})
    for name, word in [
        ("text", "not a model"),
        ("short", "not a model"),
        ("nameless", "not a model"),
        ("absurd", "damaged"),
        ("future", "format 99"),
        ("missing", "no model file"),
    ]:
        with pytest.raises(BlinkspotError, match=word):
            Denoiser.load(tmp_path / name)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        (None, [1]),
        (None, "text"),
        ("camera", {"em_gain": 0.5}),
        ("scaling", {"root_mean": 1.0, "root_std": 0.0, "mean_counts": 1.0}),
        ("scaling", {"root_mean": float("nan"), "root_std": 1.0, "mean_counts": 1.0}),
        ("provenance", {"noise_ratio": "much"}),
        ("provenance", {"noise_ratio": 0.0}),
    ],
)
def test_models_with_an_impossible_description_are_refused(trained, tmp_path, entry, value):
    trained[0].best.save(tmp_path / "good")
    with safe_open(tmp_path / "good", framework="pt") as file:
        header = json.loads(file.metadata()["napari-blinkspot"])
    header = value if entry is None else {**header, entry: value}
    weights = load_file(tmp_path / "good")
    save_file(weights, tmp_path / "wrong", metadata={"napari-blinkspot": json.dumps(header)})
    with pytest.raises(BlinkspotError, match=r"wrong is (damaged|not a model)|wrong is .* damaged"):
        Denoiser.load(tmp_path / "wrong")


def test_a_model_with_weights_that_are_no_numbers_is_refused(trained, tmp_path):
    trained[0].best.save(tmp_path / "good")
    with safe_open(tmp_path / "good", framework="pt") as file:
        header = file.metadata()
    weights = load_file(tmp_path / "good")
    next(iter(weights.values())).view(-1)[0] = torch.nan
    save_file(weights, tmp_path / "wrong", metadata=header)
    with pytest.raises(BlinkspotError, match="damaged"):
        Denoiser.load(tmp_path / "wrong")


def test_a_model_that_cannot_be_saved_leaves_nothing(trained, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(BlinkspotError, match=r"could not be written .*No space left"):
        trained[0].best.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_frame_that_is_not_finite_is_named_when_it_is_denoised(trained, scene):
    movie = scene[0].frames(0, 60).astype(np.float32)
    movie[7, 3, 4] = np.nan
    stream = trained[0].best.denoise(as_stack(movie))
    with pytest.raises(BlinkspotError, match=r"Frame 8 \(counting from 1\)"):
        list(stream)


def test_the_posterior_variance_is_in_squared_units_of_the_file(trained, scene, tmp_path):
    movie, _ = scene
    model = trained[0].best
    told = denoised(model, movie, estimate="posterior-variance")
    assert told.min() > 0
    for units, factor in (("photons", 1.0), ("adu", 1.0 / CAMERA.photoelectrons_per_adu**2)):
        path = tmp_path / f"{units}.tif"
        finish(denoise_to_file(model, movie, path, "posterior-variance", units))
        np.testing.assert_allclose(open_stack(path).frames(0, 60), told * factor, rtol=1e-4)


def test_a_model_of_squared_error_has_no_posterior_variance(scene):
    training = Training(scene[0], CAMERA, dataclasses.replace(QUICK, epochs=1, loss="squared-error"))
    finish(training.run())
    np.testing.assert_array_equal(
        denoised(training.best, scene[0]), denoised(training.best, scene[0], estimate="blind")
    )
    with pytest.raises(BlinkspotError, match="no posterior variance"):
        denoised(training.best, scene[0], estimate="posterior-variance")


def test_the_smallest_movie_trains(scene):
    movie = as_stack(scene[0].frames(0, 5)[:, :16, :16])
    training = Training(movie, CAMERA, TrainingSettings(epochs=1, device="cpu"))
    finish(training.run())
    assert training.context_frames == 0  # too little to tell
    assert np.isfinite(training.best.denoise_frame(movie, 4)).all()
