"""Simulated movies against closed forms and against ThunderSTORM's own generator."""

import dataclasses
import json
import math

import numpy as np
import pytest
import tifffile
from scipy.integrate import dblquad
from scipy.stats import norm

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, SimulationSettings, simulate, simulate_to_files
from blinkspot.evaluation.forward_model import record
from blinkspot.evaluation.simulation import FWHM_PER_SIGMA
from blinkspot.localization import read_table
from blinkspot.progress import finish

UNIT_CAMERA = Camera(pixel_size_nm=100.0)


def simulated(settings, chunk_frames=None):
    """Return frames, expectation and truth, whole."""
    job = simulate(settings, chunk_frames)
    chunks = []
    while True:
        try:
            chunks.append(next(job))
        except StopIteration as stop:
            frames = np.concatenate([chunk.frames for chunk in chunks])
            return frames, np.concatenate([chunk.expectation for chunk in chunks]), stop.value.data, chunks


@pytest.mark.parametrize(
    ("preset", "movie"),
    [
        ("default", "default"),
        ("yfp3", "yfp3_bg100"),
        ("yfp4", "yfp4_bg100"),
        ("low120", "low120"),
        ("low-light", "blinking_low60"),
    ],
)
def test_the_presets_give_movies_like_the_reference(shared_data, preset, movie):
    frames, _, truth, _ = simulated(PRESETS[preset])
    camera = PRESETS[preset].camera
    reference = tifffile.imread(shared_data / "simulated" / f"{movie}.tif")
    reference_truth = read_table(shared_data / "simulated" / f"{movie}_truth.csv").data
    assert frames.shape == reference.shape
    assert frames.dtype == reference.dtype
    above_offset = reference.mean() - camera.offset_adu
    assert frames.mean() - camera.offset_adu == pytest.approx(above_offset, rel=0.01)
    assert frames.var() == pytest.approx(reference.var(), rel=0.04)
    # Blinking molecules last five frames, so their number scatters more.
    spread = 0.15 if preset == "low-light" else 0.05
    assert len(truth) == pytest.approx(len(reference_truth), rel=spread)
    assert truth["photons"].mean() == pytest.approx(reference_truth["photons"].mean(), rel=0.03)
    assert truth["sigma_nm"].mean() == pytest.approx(reference_truth["sigma_nm"].mean(), rel=0.02)
    # Above 0.3 cycles per pixel there is noise alone, below it spots: some 5,000 of them, each of its own.
    ratio = radial_spectrum(frames) / radial_spectrum(reference)
    np.testing.assert_allclose(ratio[:6], 1.0, atol=0.08)
    np.testing.assert_allclose(ratio[6:], 1.0, atol=0.015)


def radial_spectrum(frames):
    """Return the mean power of frames by spatial frequency, in steps of 0.05 cycles per pixel."""
    height, width = frames.shape[1:]
    transformed = np.fft.rfft2(frames - frames.mean(axis=(1, 2), keepdims=True))
    power = np.mean(np.abs(transformed) ** 2, axis=0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    band = np.floor(frequency / 0.05).astype(int)
    return np.array([power[band == number].mean() for number in range(12)])


def test_molecules_per_frame_follow_the_density():
    settings = SimulationSettings(frames=400, size_px=(64, 96), camera=UNIT_CAMERA, density_per_um2=0.2)
    _, _, truth, _ = simulated(settings)
    per_frame = np.bincount(truth["frame"], minlength=400)
    mean = 0.2 * 6.4 * 9.6
    assert per_frame.mean() == pytest.approx(mean, abs=4 * math.sqrt(mean / 400))
    assert per_frame.var() == pytest.approx(mean, rel=0.3)
    assert truth["x_nm"].between(0, 9600).all()
    assert truth["x_nm"].max() > 9500
    assert truth["y_nm"].between(0, 6400).all()
    assert truth["y_nm"].max() > 6300


def test_photons_and_widths_are_uniform_over_their_ranges():
    _, _, truth, _ = simulated(SimulationSettings(frames=300))
    for values, (low, high) in (
        (truth["photons"], (700.0, 900.0)),
        (truth["sigma_nm"] * FWHM_PER_SIGMA, (200.0, 350.0)),
    ):
        assert values.between(low, high).all()
        assert values.mean() == pytest.approx((low + high) / 2, rel=0.01)
        assert values.std() == pytest.approx((high - low) / math.sqrt(12), rel=0.05)


def test_a_spot_is_an_integrated_gaussian_at_the_place_the_truth_says():
    settings = SimulationSettings(
        frames=40, size_px=24, camera=UNIT_CAMERA, density_per_um2=0.3, background_photons=2.0
    )
    _, expectation, truth, _ = simulated(settings)
    alone = truth.groupby("frame").filter(lambda rows: len(rows) == 1)
    molecule = alone[alone["x_nm"].between(900, 1500) & alone["y_nm"].between(900, 1500)].iloc[0]
    image = expectation[int(molecule["frame"])] - 2.0
    assert image.sum() == pytest.approx(molecule["photons"], rel=1e-4)
    sigma, x, y = molecule["sigma_nm"], molecule["x_nm"], molecule["y_nm"]
    for row in range(int(y // 100) - 2, int(y // 100) + 3):
        for column in range(int(x // 100) - 2, int(x // 100) + 3):
            share, _ = dblquad(
                lambda v, u: math.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma**2)) / (2 * math.pi * sigma**2),  # noqa: E501
                column * 100, column * 100 + 100, row * 100, row * 100 + 100,
            )  # fmt: skip
            assert image[row, column] == pytest.approx(share * molecule["photons"], rel=1e-3, abs=1e-3)


def test_light_that_falls_beyond_the_border_is_lost():
    settings = SimulationSettings(frames=3000, size_px=16, camera=UNIT_CAMERA, density_per_um2=0.3)
    _, expectation, truth, _ = simulated(settings)
    alone = truth.groupby("frame").filter(lambda rows: len(rows) == 1)
    at_border = alone[(alone["x_nm"] < 100) & alone["y_nm"].between(600, 1000)]
    assert len(at_border) > 5
    light = (expectation[at_border["frame"]] - 30.0).sum(axis=(1, 2))
    inside = norm.cdf(at_border["x_nm"] / at_border["sigma_nm"])
    np.testing.assert_allclose(light, inside * at_border["photons"], rtol=1e-3)


@pytest.mark.parametrize("mean", [0.3, 7.0, 150.0])
def test_noise_without_em_gain_is_poisson(mean):
    camera = Camera(offset_adu=100.0, electrons_per_adu=0.05)  # steps much finer than an electron
    adu = record(np.full((400, 500), mean), camera, np.random.default_rng(3))
    photoelectrons = camera.photoelectrons(adu)
    error = 5 / math.sqrt(adu.size)
    assert photoelectrons.mean() == pytest.approx(mean, abs=error * math.sqrt(mean))
    assert photoelectrons.var() == pytest.approx(mean, rel=error * math.sqrt(2 + 1 / mean))


@pytest.mark.parametrize("mean", [0.5, 5.0, 80.0])
def test_an_em_register_doubles_the_variance(mean):
    camera = Camera(offset_adu=200.0, electrons_per_adu=12.0, em_gain=150.0)
    adu = record(np.full((400, 500), mean), camera, np.random.default_rng(4))
    photoelectrons = camera.photoelectrons(adu).astype(np.float64)
    assert photoelectrons.mean() == pytest.approx(mean, rel=0.02)
    assert photoelectrons.var() == pytest.approx(2 * mean, rel=0.03)
    # What the Poisson likelihoods work on has variance = mean.
    assert camera.counts(adu).var() == pytest.approx(camera.counts(adu).mean(), rel=0.03)


def test_read_noise_adds_its_variance():
    camera = Camera(offset_adu=500.0, electrons_per_adu=0.5, read_noise_electrons=3.0)
    adu = record(np.full((400, 500), 4.0), camera, np.random.default_rng(5))
    rounding_adu2 = 1 / 12
    assert adu.var() == pytest.approx((4.0 + 3.0**2) / 0.5**2 + rounding_adu2, rel=0.02)


def test_what_16_bits_cannot_hold_is_clipped():
    random = np.random.default_rng(6)
    bright = record(np.full((4, 4), 1e6), Camera(), random)
    dark = record(np.zeros((50, 50)), Camera(read_noise_electrons=5.0), random)
    assert (bright == 65535).all()
    assert 0.3 < (dark == 0).mean() < 0.7


def blinking(**changes) -> SimulationSettings:
    settings = SimulationSettings(
        frames=2000,
        size_px=48,
        camera=UNIT_CAMERA,
        density_per_um2=0.5,
        fwhm_nm=(250.0, 250.0),
        photons=(60.0, 120.0),
        background_photons=5.0,
        mean_on_frames=4.0,
        min_truth_photons=0.0,
    )
    return dataclasses.replace(settings, **changes)


def test_blinking_molecules_shine_for_their_mean_time_and_brightness():
    _, _, truth, _ = simulated(blinking())
    whole = truth[truth["frame"].between(0, 1999)].groupby("x_nm")
    begins, ends = whole["frame"].min(), whole["frame"].max()
    inside = (begins > 100) & (begins < 1900)
    light = whole["photons"].sum()[inside]
    n = len(light)
    # The time T is exponential of mean 4, the photons p per frame uniform in 60-120: E[pT] = 90 * 4, over
    # T + 1 frames on average.
    assert light.mean() == pytest.approx(360, abs=4 * light.std() / math.sqrt(n))
    touched = (ends - begins + 1)[inside]
    assert touched.mean() == pytest.approx(5.0, abs=4 * touched.std() / math.sqrt(n))
    # P(T > t) = exp(-t / 4): a molecule that touches more than 9 frames shone at least 8.
    assert (touched > 9).mean() == pytest.approx(
        4 * (math.exp(-8 / 4) - math.exp(-9 / 4)), abs=4 * math.sqrt(0.1 / n)
    )


def test_blinking_is_steady_from_the_first_frame_on():
    settings = blinking(frames=3)
    at_once = settings.molecules_at_once
    light = np.array(
        [
            simulated(dataclasses.replace(settings, seed=seed))[2]
            .groupby("frame")["photons"]
            .sum()
            .to_numpy()
            for seed in range(200)
        ]
    ).mean(axis=0)
    assert light == pytest.approx(np.full(3, 90 * at_once), rel=0.06)


def test_a_molecule_too_faint_in_a_frame_is_not_in_the_truth_but_in_the_picture():
    _, all_expectation, everything, _ = simulated(blinking(frames=100))
    _, expectation, truth, _ = simulated(blinking(frames=100, min_truth_photons=15.0))
    np.testing.assert_array_equal(expectation, all_expectation)
    assert truth["photons"].min() >= 15.0
    assert len(truth) == (everything["photons"] >= 15.0).sum() < len(everything)


@pytest.mark.parametrize("preset", ["default", "low-light"])
def test_the_movie_does_not_depend_on_the_chunk_but_on_the_seed(preset):
    settings = dataclasses.replace(PRESETS[preset], frames=11, size_px=(20, 30))
    frames, expectation, truth, chunks = simulated(settings, chunk_frames=1)
    others = simulated(settings, chunk_frames=4)
    np.testing.assert_array_equal(frames, others[0])
    np.testing.assert_array_equal(expectation, others[1])
    assert truth.equals(others[2])
    assert [chunk.start for chunk in others[3]] == [0, 4, 8]
    assert chunks[-1].progress.fraction == 1.0
    assert not np.array_equal(frames, simulated(dataclasses.replace(settings, seed=2))[0])


def test_another_background_leaves_the_molecules_in_place():
    settings = dataclasses.replace(PRESETS["low120"], frames=5)
    truth = simulated(settings)[2]
    other = simulated(dataclasses.replace(settings, background_photons=50.0))[2]
    assert truth["x_nm"].equals(other["x_nm"])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"frames": 0}, "frame"),
        ({"size_px": 4}, "8 pixels"),
        ({"density_per_um2": -1.0}, "density_per_um2"),
        ({"background_photons": math.nan}, "background_photons"),
        ({"photons": (900.0, 700.0)}, "photons"),
        ({"photons": (900.0, 1e30)}, "photons"),
        ({"background_photons": 1e30}, "background_photons"),
        ({"density_per_um2": 1e6}, "molecules in a frame"),
        ({"mean_on_frames": 1e-9}, "longer mean_on_frames"),
        ({"fwhm_nm": (0.0, 100.0)}, "fwhm_nm"),
        ({"seed": -1}, "seed"),
        ({"frames": 10**8}, "10,000,000 frames"),
        ({"camera": {"pixel_size_nm": 100.0}}, "camera must be a Camera, not"),
        ({"illuminates_background": "no"}, "illuminates_background must be True or False"),
        ({"size_px": 10_000, "density_per_um2": 0.0}, "67,108,864 pixels, as any that is read"),
        ({"motion_nm_per_sqrt_frame": 1e308}, "motion_nm_per_sqrt_frame must be at most"),
        ({"mean_on_frames": 1e308}, "mean_on_frames must be at most"),
        ({"mean_blinks": math.nan}, "mean_blinks"),
        ({"mean_blinks": math.inf, "mean_on_frames": 2.0, "mean_off_frames": 9.0}, "mean_blinks"),
    ],
)
def test_settings_out_of_range_are_refused(changes, word):
    with pytest.raises(BlinkspotError, match=word):
        SimulationSettings(**changes)


def test_a_chunk_has_a_frame():
    with pytest.raises(BlinkspotError, match="chunk_frames must be 1 or more, not -5"):
        next(simulate(SimulationSettings(), -5))


def test_files_hold_what_was_simulated(tmp_path):
    settings = dataclasses.replace(PRESETS["low-light"], frames=70, size_px=(40, 48))
    frames, expectation, truth, _ = simulated(settings)
    steps = []
    files = finish(simulate_to_files(settings, tmp_path / "dim.tif", keep_clean=True), steps.append)
    assert steps[-1].fraction == 1.0
    assert {path.name for path in tmp_path.iterdir()} == {
        "dim.tif", "dim_clean.tif", "dim_truth.csv", "dim_truth.provenance.json", "dim_camera.toml",
    }  # fmt: skip
    with tifffile.TiffFile(files.movie) as tif:
        np.testing.assert_array_equal(tif.asarray(), frames)
        assert json.loads(tif.imagej_metadata["Info"])["seed"] == settings.seed
    clean = tifffile.imread(files.clean)
    assert clean.dtype == np.float32
    np.testing.assert_array_equal(clean, settings.camera.adu(expectation))
    np.testing.assert_allclose(read_table(files.truth).data, truth, rtol=1e-9)
    assert Camera.load(files.camera) == settings.camera


def test_a_simulation_that_is_stopped_leaves_no_files(tmp_path):
    job = simulate_to_files(dataclasses.replace(PRESETS["default"], frames=200), tmp_path / "movie.tif")
    next(job)
    job.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existing", ["movie.tif", "movie_truth.csv", "movie_camera.toml"])
def test_files_are_never_overwritten(tmp_path, existing):
    (tmp_path / existing).write_text("precious")
    with pytest.raises(BlinkspotError, match="exists"):
        finish(simulate_to_files(SimulationSettings(frames=2), tmp_path / "movie.tif"))
    assert [path.name for path in tmp_path.iterdir()] == [existing]


def test_a_movie_is_a_tiff(tmp_path):
    with pytest.raises(BlinkspotError, match=r"\.tif"):
        finish(simulate_to_files(SimulationSettings(frames=2), tmp_path / "movie.png"))
