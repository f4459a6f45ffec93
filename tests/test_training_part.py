"""Learning from some frames, and from a part of the frames, alone."""

import dataclasses

import numpy as np
import pytest
import torch

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.denoising import Training, TrainingSettings, signals_of_frames
from blinkspot.denoising.batches import CropSource
from blinkspot.denoising.frames import choose_frames
from blinkspot.denoising.training.checkpoint import identity_of
from blinkspot.denoising.training.crop_choice import choose_crops
from blinkspot.denoising.workers import Workers
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import as_stack
from blinkspot.progress import finish

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.0)


def labelled(frames=100, height=40, width=48):
    """A movie whose pixels tell frame, row and column."""
    t, y, x = np.indices((frames, height, width))
    return as_stack((t * 10_000 + y * 100 + x).astype(np.int32))


ALL = TrainingSettings(min_relative_signal=0.0)


def test_only_frames_of_the_range_are_learned_from():
    settings = dataclasses.replace(ALL, first_frame=20, last_frame=59)
    chosen = finish(choose_frames(labelled(), settings, 0))
    assert sorted(np.concatenate((chosen.training, chosen.validation))) == list(range(20, 60))
    sparse = dataclasses.replace(settings, max_frames=20)
    looked_at = finish(signals_of_frames(labelled(), sparse))
    assert (looked_at.frames.min(), looked_at.frames.max()) == (20, 39)
    sparse = dataclasses.replace(settings, max_frames=20, last_frame=None)
    assert len(finish(signals_of_frames(labelled(), sparse)).frames) == 20


def test_only_pixels_of_the_region_are_learned_from():
    settings = dataclasses.replace(ALL, region_px=(5, 7, 20, 17), crop_size_px=64)
    movie = labelled()
    chosen = finish(choose_frames(movie, settings, 1))
    assert chosen.pixels.shape == (100, 20, 17)
    np.testing.assert_array_equal(chosen.pixels[chosen.rows[30]], movie.frame(30)[5:25, 7:24])
    assert CropSource(chosen, 100, CAMERA, settings, 1).size == 17


def test_validation_of_a_small_movie_sees_most_of_it_and_little_twice():
    chosen = finish(choose_frames(labelled(), ALL, 0))
    source = CropSource(chosen, 100, CAMERA, dataclasses.replace(ALL, crop_size_px=24), 0)
    crops = torch.cat(source.validation_batches(np.random.default_rng(1)))
    pixels = len(chosen.validation) * 40 * 48
    assert len(np.unique(crops.numpy())) > 0.8 * pixels
    assert crops.numel() < 4.1 * pixels


def test_a_region_has_the_maps_of_its_own_pixels():
    maps = CameraMaps(
        offset_adu=np.zeros((40, 48)),
        variance_adu2=np.arange(40.0 * 48).reshape(40, 48),
        adu_per_electron=np.ones((40, 48)),
    )
    camera = dataclasses.replace(CAMERA, maps=maps)
    settings = dataclasses.replace(ALL, region_px=(5, 7, 20, 17), crop_size_px=17, epochs=1)
    used = dataclasses.replace(settings, context_frames=0)
    device = torch.device("cpu")
    with Workers(device) as workers:
        source, _ = finish(choose_crops(labelled(), camera, settings, used, workers, device))
    assert source._camera.maps.variance_adu2[0, 0] == 5 * 48 + 7


def test_frames_with_signal_are_chosen_by_the_signal_in_the_region():
    pixels = np.random.default_rng(0).poisson(100.0, (60, 40, 48)).astype(np.uint16)
    pixels[::2, 30:34, 30:34] += 2000  # molecules outside the region
    pixels[1::2, 5:9, 5:9] += 2000  # and within
    for region, chosen in (((0, 0, 20, 20), 1), ((20, 20, 20, 28), 0)):
        looked_at = finish(signals_of_frames(as_stack(pixels), TrainingSettings(region_px=region)))
        np.testing.assert_array_equal(looked_at.is_chosen, np.arange(60) % 2 == chosen)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"first_frame": -1}, "first_frame must be 0 or more"),
        ({"first_frame": 9, "last_frame": 8}, "must not lie before first_frame"),
        ({"region_px": (0, 0, 15, 20)}, "16 or more"),
        ({"region_px": (-1, 0, 20, 20)}, "region_px must be"),
        ({"region_px": (0, 0, 20)}, "region_px must be"),
    ],
)
def test_a_part_that_is_none_is_refused(values, said):
    with pytest.raises(BlinkspotError, match=said):
        TrainingSettings(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"last_frame": 100}, "Frames 0 to 100 cannot be learned from: the movie has frames 0 to 99"),
        ({"first_frame": 96}, "Frames 96 to 99 cannot be learned from"),
        ({"first_frame": 200}, "cannot be learned from"),
        ({"region_px": (30, 0, 16, 20)}, "16 x 20 pixels from row 30, column 0 reaches beyond"),
    ],
)
def test_a_part_beyond_the_movie_is_refused(values, said):
    with pytest.raises(BlinkspotError, match=said):
        Training(labelled(), CAMERA, TrainingSettings(**values))


def test_the_part_is_in_the_models_record_and_a_checkpoint_of_it_resumes(tmp_path):
    preset = dataclasses.replace(PRESETS["low-light"], frames=40, size_px=40, seed=8)
    movie = as_stack(np.concatenate([chunk.frames for chunk in simulate(preset)]))
    settings = TrainingSettings(
        epochs=3,
        crop_size_px=16,
        batch_size=4,
        channels=4,
        context_frames=0,
        device="cpu",
        first_frame=3,
        last_frame=30,
        region_px=(2, 4, 24, 20),
    )
    path = tmp_path / "part.checkpoint"
    begun = Training(movie, preset.camera, settings)
    run = begun.run(checkpoint=path)
    while not begun.history:
        next(run)
    run.close()
    training = Training(movie, preset.camera, settings)
    best = finish(training.run(resume=path))
    record = best.provenance["settings"]
    assert (record["first_frame"], record["last_frame"]) == (3, 30)
    assert tuple(record["region_px"]) == (2, 4, 24, 20)
    assert TrainingSettings(**identity_of(movie, preset.camera, settings, None)["settings"]) == settings
