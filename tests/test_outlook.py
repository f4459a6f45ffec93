"""Whether noise limits localization, judged beforehand: against simulated movies and closed forms."""

import dataclasses
import math
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.forward_model import recorded_adu, spots_image
from blinkspot.evaluation.simulation import PRESETS, simulate
from blinkspot.localization import LocalizationTable
from blinkspot.localization.outlook import FALSE_PER_FRAME, Outlook, judge, judge_movie
from blinkspot.localization.uncertainty import closed_form_uncertainty
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, finish

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=2.0)
NEEDED = 10.0


@lru_cache
def simulated(name: str, **changes: object) -> tuple[Stack, Camera, LocalizationTable]:
    settings = dataclasses.replace(PRESETS[name], frames=80, size_px=96, seed=5, **changes)
    job = simulate(settings)
    frames = []
    while True:
        try:
            frames.append(next(job).frames)
        except StopIteration as stop:
            return as_stack(np.concatenate(frames)), settings.camera, stop.value


def table_of(frames: int, **columns: np.ndarray) -> LocalizationTable:
    """A table as the localizer gives it, of molecules that are all alike unless columns say otherwise."""
    n = len(next(iter(columns.values())))
    usual = {
        "frame": np.zeros(n),
        "x_nm": np.linspace(0.0, 1e6, n),
        "y_nm": np.zeros(n),
        "sigma_nm": np.full(n, 120.0),
        "photons": np.full(n, 500.0),
        "background_photons": np.full(n, 10.0),
        "log_likelihood_ratio": np.full(n, 1e4),
    }
    learned = {"acceptance": {"log_likelihood_ratio": NEEDED, "response": 0.5}}
    return LocalizationTable.from_columns(
        {**usual, **columns}, provenance={"movie_shape": [frames, 64, 64], "learned": learned}
    )


@pytest.mark.parametrize(("name", "limit"), [("low-light", "noise"), ("yfp3", "not noise")])
def test_what_is_said_of_a_simulated_movie_is_true(name: str, limit: str) -> None:
    movie, camera, truth = simulated(name, background_photons=5.0)
    said = finish(judge_movie(movie, camera))
    assert said.limit == limit
    assert said.frames == movie.n_frames
    assert said.background_photons == pytest.approx(5.0, rel=0.1)
    assert said.stays_on == (name == "low-light")
    if name == "yfp3":
        assert said.photons == pytest.approx(np.median(truth.column("photons")), rel=0.05)
        assert said.sigma_nm == pytest.approx(np.median(truth.column("sigma_nm")), rel=0.05)
        assert said.lost < 0.02


def test_the_share_that_noise_hides_is_that_which_is_not_found() -> None:
    movie, camera, truth = simulated("low120", density_per_um2=0.05, photons=(100.0, 160.0))
    said = finish(judge_movie(movie, camera))
    assert said.molecules / len(truth) == pytest.approx(said.found, abs=0.05)
    assert said.limit != "not noise"
    assert not said.stays_on


def test_where_little_stands_out_it_cannot_tell() -> None:
    movie, camera, _ = simulated("low120", density_per_um2=0.0)
    said = finish(judge_movie(movie, camera))
    assert said.limit == "unknown"
    assert "Too few molecules to tell" in said.sentence
    assert said.as_dict()["limit"] == "unknown"


def test_a_camera_with_maps_counts_each_pixel_s_own_noise() -> None:
    rng = np.random.default_rng(1)
    shape = (48, 48)
    maps = CameraMaps(
        rng.normal(100.0, 2.0, shape), 9.0 * np.exp(rng.normal(0.0, 0.5, shape)), np.full(shape, 2.0)
    )
    camera = Camera(pixel_size_nm=100.0, maps=maps)
    spots = rng.uniform(500.0, 4300.0, (2, 60, 3))
    clean = [
        8.0 + spots_image(x, y, np.full(3, 120.0), np.full(3, 900.0), shape, 100.0)
        for x, y in zip(*spots, strict=True)
    ]
    said = finish(judge_movie(as_stack(recorded_adu(np.stack(clean), camera, rng)), camera))
    assert said.photons == pytest.approx(900.0, rel=0.05)
    assert said.background_photons == pytest.approx(8.0, rel=0.15)
    read_variance = float(np.median(maps.variance_adu2)) / 4.0
    arguments = [np.array([value]) for value in (said.sigma_nm, said.photons, said.background_photons)]
    arguments[2] += read_variance
    assert said.bound_nm == pytest.approx(closed_form_uncertainty("mortensen-mle", *arguments, 100.0)[0])


@given(
    sigma_nm=st.floats(80.0, 250.0),
    photons=st.floats(20.0, 5000.0),
    background=st.floats(0.0, 500.0),
    em_gain=st.sampled_from([1.0, 100.0]),
    read_noise=st.floats(0.0, 30.0),
)
def test_the_signal_to_noise_is_that_of_the_brightest_pixel(
    sigma_nm: float, photons: float, background: float, em_gain: float, read_noise: float
) -> None:
    camera = Camera(100.0, 100.0, 2.0, em_gain, read_noise)
    like = {"sigma_nm": sigma_nm, "photons": photons, "background_photons": background}
    said = judge(table_of(4, **{name: np.full(3, value) for name, value in like.items()}), camera, 4)
    middle = np.array([550.0])
    spot = spots_image(middle, middle, np.array([sigma_nm]), np.array([photons]), (11, 11), 100.0)
    variance = camera.excess_noise_factor * (spot.max() + background) + (read_noise / em_gain) ** 2
    assert said.signal_to_noise == pytest.approx(spot.max() / math.sqrt(variance), rel=1e-3)


def test_molecules_far_above_the_limit_are_all_found_and_those_at_it_are_half() -> None:
    ratios = np.array([1e4, 1e4])
    assert judge(table_of(4, log_likelihood_ratio=ratios), CAMERA, 4).found == pytest.approx(1.0)
    at_limit = np.array([NEEDED, NEEDED])
    assert judge(table_of(4, log_likelihood_ratio=at_limit), CAMERA, 4).found == pytest.approx(0.5)
    one_above = np.full(2, (math.sqrt(2.0 * NEEDED) + 1.0) ** 2 / 2.0)
    said = judge(table_of(4, log_likelihood_ratio=one_above), CAMERA, 4)
    assert said.found == pytest.approx(norm.cdf(1.0))


def test_the_share_placed_is_that_of_a_normal_error_of_the_bound() -> None:
    said = judge(table_of(4, photons=np.full(2, 60.0)), CAMERA, 4)
    errors = np.random.default_rng(0).normal(0.0, said.bound_nm, (2, 400_000))
    assert said.placed == pytest.approx(np.mean(np.hypot(*errors) < 50.0), abs=0.003)
    assert said.lost == pytest.approx(1.0 - said.found * said.placed)


def test_the_share_that_stays_is_told_apart_from_places_that_shine_again() -> None:
    rng = np.random.default_rng(3)
    frames, per_frame = 80, 25
    here = rng.uniform(0.0, 1e5, (frames, per_frame, 2))
    for first in range(0, frames, 4):
        # 10 of 25 shine through a run of frames; 5 places shine in every frame of the movie.
        here[first : first + 4, :10] = here[first, :10]
    here[:, 10:15] = here[0, 10:15]
    columns = {"frame": np.repeat(np.arange(frames), per_frame)}
    columns |= {name: here[..., axis].ravel() for axis, name in enumerate(("x_nm", "y_nm"))}
    said = judge(table_of(frames, **columns), CAMERA, 4)
    assert said.staying == pytest.approx(10 / 20, abs=0.01)
    assert said.stays_on
    # Too short a movie has no frames far off to compare with.
    assert math.isnan(judge(table_of(8, frame=np.arange(8.0)), CAMERA, 4).staying)


def test_the_limits_and_their_words() -> None:
    typical = Outlook(400, 80, 180.4, 12.3, 120.0, 3.14, 15.0, found=0.8, placed=0.95, staying=0.0)
    assert typical.limit == "noise"
    assert typical.sentence == (
        "Noise limits here: a typical molecule of 180 photons on 12 per pixel is 3.1 times its noise; "
        "denoising can find more."
    )
    assert "context frames" in dataclasses.replace(typical, staying=0.5).sentence
    assert dataclasses.replace(typical, found=0.97, placed=0.97).limit == "noise in part"
    bright = dataclasses.replace(typical, photons=1574.0, found=0.99, placed=0.99)
    assert bright.sentence.startswith("Molecules are bright: a typical molecule of 1574 photons")
    assert bright.sentence.endswith("denoising will change little.")
    false_ones = round(FALSE_PER_FRAME * 80)
    assert dataclasses.replace(typical, molecules=49 + false_ones).limit == "unknown"
    assert "15 nm along an axis" in typical.details


def test_it_says_how_far_it_is_and_can_be_closed_at_any_time() -> None:
    movie, camera, _ = simulated("low120")
    job = judge_movie(movie, camera)
    assert isinstance(next(job), Progress)
    job.close()


def test_a_long_movie_is_read_in_runs_of_frames() -> None:
    read = set()

    class Watched:
        shape, dtype = (100_000, 64, 64), np.dtype(np.uint16)

        def __getitem__(self, key: slice) -> np.ndarray:
            read.update(range(key.start, key.stop))
            rng = np.random.default_rng(key.start)
            return rng.poisson(200.0, (key.stop - key.start, 64, 64)).astype(np.uint16)

    said = finish(judge_movie(Stack(Watched()), CAMERA))
    assert said.frames == 80
    assert len(read) < 200
    assert max(read) == 99_999


def test_a_movie_that_is_none_is_refused_in_a_sentence() -> None:
    with pytest.raises(BlinkspotError, match="is empty: all its pixels are 7"):
        finish(judge_movie(as_stack(np.full((8, 32, 32), 7, np.uint16)), CAMERA))
