"""What a simulated movie can have beyond molecules and noise, each against its closed form."""

import dataclasses
import json
import math
import tracemalloc

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, expon, geom, kstest, poisson

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, SimulationSettings, forward_model, simulate, simulate_to_files
from blinkspot.evaluation.forward_model import spots_image
from blinkspot.evaluation.simulation import (
    Cell,
    Field,
    Filaments,
    GaussianProfile,
    MaskImage,
    SmoothField,
    Structure,
    Tubes,
)
from blinkspot.evaluation.simulation.motion import STEPS_PER_FRAME
from blinkspot.evaluation.simulation.photophysics import source_of
from blinkspot.progress import finish

CAMERA = Camera(pixel_size_nm=100.0)
QUIET = SimulationSettings(
    size_px=32,
    camera=CAMERA,
    density_per_um2=0.0,
    fwhm_nm=(250.0, 250.0),
    photons=(1000.0, 1000.0),
    background_photons=0.0,
    min_truth_photons=0.0,
)


def simulated(settings: SimulationSettings, chunk_frames=None):
    """Return frames, expectation and truth, whole."""
    chunks = []
    table = finish(simulate(settings, chunk_frames), chunks.append)
    frames, expectation = (
        np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in ("frames", "expectation")
    )
    return frames, expectation, table.data


# -- the camera


def test_clock_induced_charge_is_multiplied_as_electrons_are():
    charge = 0.2
    camera = Camera(offset_adu=200.0, electrons_per_adu=2.0, em_gain=300.0)
    dark = dataclasses.replace(QUIET, camera=camera, frames=600, clock_induced_charge_electrons=charge)
    frames, expectation, _ = simulated(dark)
    electrons = camera.photoelectrons(frames).astype(np.float64)
    assert np.unique(expectation) == pytest.approx([charge])
    # Poisson many electrons of which each gives an exponential number: the cumulants are charge * k!.
    n = electrons.size
    central = electrons - electrons.mean()
    assert electrons.mean() == pytest.approx(charge, abs=5 * math.sqrt(2 * charge / n))
    fourth = 24 * charge + 3 * (2 * charge) ** 2
    assert electrons.var() == pytest.approx(2 * charge, abs=5 * math.sqrt(fourth / n))
    assert (central**3).mean() == pytest.approx(6 * charge, rel=0.05)
    # A register gives at least one electron for one, but as a Gamma variate it may be rounded away.
    lit = math.exp(-charge) + charge * math.exp(-charge) * (1 - math.exp(-1 / 300.0))
    assert (frames == 200).mean() == pytest.approx(lit, abs=0.002)


def test_charge_neither_fades_nor_is_lit():
    settings = dataclasses.replace(
        QUIET,
        frames=30,
        background_photons=10.0,
        background_fading_frames=2.0,
        illumination=GaussianProfile(0.5),
        clock_induced_charge_electrons=0.3,
    )
    _, expectation, _ = simulated(settings)
    assert expectation[-1] == pytest.approx(0.3, rel=1e-3)
    assert expectation[0, 0, 0] == pytest.approx(0.3, rel=1e-3)


def test_a_camera_with_maps_records_each_pixel_in_its_own_way():
    random = np.random.default_rng(2)
    maps = CameraMaps(
        random.uniform(90, 120, (16, 20)), random.uniform(1, 60, (16, 20)), random.uniform(1.5, 2.5, (16, 20))
    )
    settings = dataclasses.replace(
        QUIET, size_px=(16, 20), frames=4000, camera=Camera(maps=maps), background_photons=9.0
    )
    frames, _, _ = simulated(settings)
    mean_adu = maps.offset_adu + maps.adu_per_electron * 9.0
    variance_adu2 = maps.variance_adu2 + maps.adu_per_electron**2 * 9.0 + 1 / 12
    scores = (frames.mean(axis=0) - mean_adu) / np.sqrt(variance_adu2 / 4000)
    assert np.abs(scores).max() < 5
    assert scores.std() == pytest.approx(1.0, abs=0.15)
    np.testing.assert_allclose(frames.var(axis=0), variance_adu2, rtol=0.15)


def test_maps_of_another_size_are_refused():
    maps = CameraMaps(*np.ones((3, 16, 20)))
    with pytest.raises(BlinkspotError, match="16 x 20 pixels"):
        dataclasses.replace(QUIET, camera=Camera(maps=maps))


# -- masks


def test_molecules_fall_on_a_mask_in_proportion_to_its_grey():
    mask = MaskImage([[0, 10, 20], [30, 40, 50]])
    settings = dataclasses.replace(
        QUIET, size_px=(32, 48), frames=1000, density_per_um2=2.0, structure=mask, fwhm_nm=(9.0, 9.0)
    )
    _, _, truth = simulated(settings)
    part_nm = 1600.0
    counts, _, _ = np.histogram2d(
        truth["y_nm"], truth["x_nm"], [np.arange(3) * part_nm, np.arange(4) * part_nm]
    )
    # The density is that where the mask is brightest.
    expected = 2.0 * 1.6**2 * 1000 * np.arange(6) / 5
    assert counts.ravel()[0] == 0
    assert (np.abs(counts.ravel() - expected) <= 4.5 * np.sqrt(expected)).all()
    assert chisquare(counts.ravel()[1:], expected[1:] * counts.sum() / expected.sum()).pvalue > 1e-3
    # Within a pixel of the mask they are spread evenly.
    for axis in ("x_nm", "y_nm"):
        assert kstest(truth[axis] % part_nm / part_nm, "uniform").pvalue > 1e-3


@given(
    own=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    new=st.tuples(st.integers(8, 20), st.integers(8, 20)),
    seed=st.integers(0, 99),
)
@settings(max_examples=50, deadline=None)
def test_a_mask_keeps_its_light_when_it_is_stretched(own, new, seed):
    mask = MaskImage(np.random.default_rng(seed).uniform(0, 5, own) + 1e-3)
    field = Field(new, 100.0)
    assert mask.values.max() == 1.0
    assert mask.on_pixels(field).mean() == pytest.approx(mask.values.mean())
    repeated = np.repeat(np.repeat(mask.values, new[0], axis=0), new[1], axis=1)
    blocks = repeated.reshape(new[0], own[0], new[1], own[1]).mean(axis=(1, 3))
    np.testing.assert_allclose(mask.on_pixels(field), blocks, atol=1e-12)


def test_the_background_is_multiplied_with_its_mask_and_fades():
    mask = SmoothField(seed=4, correlation_um=0.4, contrast=0.7)
    settings = dataclasses.replace(
        QUIET, frames=9, background_photons=40.0, background_mask=mask, background_fading_frames=5.0
    )
    _, expectation, _ = simulated(settings)
    pattern = mask.on_pixels(settings.field)
    assert (pattern.min(), pattern.max()) == pytest.approx((0.3, 1.0))
    for frame in range(9):
        np.testing.assert_allclose(expectation[frame], 40.0 * pattern * math.exp(-frame / 5.0), rtol=1e-6)


@pytest.mark.parametrize("illuminates_background", [True, False])
def test_illumination_dims_molecules_and_the_background_where_asked(illuminates_background):
    light = GaussianProfile(fwhm_um=2.0, centre_um=(1.5, 1.9))
    settings = dataclasses.replace(
        QUIET,
        frames=40,
        density_per_um2=0.5,
        background_photons=20.0,
        illumination=light,
        illuminates_background=illuminates_background,
    )
    _, _, truth = simulated(settings)
    _, dark, _ = simulated(dataclasses.replace(settings, frames=1, density_per_um2=0.0))
    squared_um2 = (truth["x_nm"] / 1e3 - 1.5) ** 2 + (truth["y_nm"] / 1e3 - 1.9) ** 2
    part = 2.0 ** -(squared_um2 / 1.0**2)  # half the light at half the width
    inside = truth["x_nm"].between(50, 3150) & truth["y_nm"].between(50, 3150)
    assert inside.sum() > 100
    np.testing.assert_allclose(truth["photons"][inside], 1000.0 * part[inside], atol=3.0)
    if illuminates_background:
        y_um, x_um = (np.arange(32) + 0.5)[:, None] / 10, (np.arange(32) + 0.5) / 10
        profile = 2.0 ** -((x_um - 1.5) ** 2 + (y_um - 1.9) ** 2)
        np.testing.assert_allclose(dark[0], 20.0 * profile, rtol=1e-6)
        np.testing.assert_allclose(truth["background_photons"][inside], 20.0 * part[inside], atol=0.1)
    else:
        assert (dark == 20.0).all()
        assert (truth["background_photons"] == 20.0).all()


def test_a_cell_is_one_piece_about_the_middle_the_same_from_its_seed():
    small, large = (Cell(seed=5).on_pixels(Field((size, size), 100.0)) for size in (60, 180))
    assert (small.min(), small.max()) == (0.0, 1.0)
    # The same shape at any size.
    np.testing.assert_allclose(large.reshape(60, 3, 60, 3).mean(axis=(1, 3)), small, atol=0.03)
    assert small[30, 30] == 1.0
    assert small[[0, -1]].max() == small[:, [0, -1]].max() == 0.0
    area = math.pi * Cell().radius ** 2
    assert (small > 0.5).mean() == pytest.approx(area, rel=0.1)
    assert not np.array_equal(small, Cell(seed=6).on_pixels(Field((60, 60), 100.0)))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((4, 4)), "dark everywhere"),
        (-np.eye(3), "0 or more"),
        (np.full((2, 2), np.nan), "not finite"),
        (np.ones((2, 2, 2)), "one grey picture"),
        ([["a"]], "one grey picture of real numbers"),
        (np.ones((3, 3), complex), "one grey picture of real numbers"),
        (np.ma.masked_equal([[1, 2], [0, 1]], 0), "masked or not finite"),
    ],
)
def test_masks_that_are_none_are_refused(values, words):
    with pytest.raises(BlinkspotError, match=words):
        MaskImage(values)


def test_molecules_need_a_mask_that_is_in_the_field():
    elsewhere = GaussianProfile(fwhm_um=0.1, centre_um=(500.0, 500.0))
    job = simulate(dataclasses.replace(QUIET, structure=elsewhere))
    with pytest.raises(BlinkspotError, match="dark in all of the field"):
        next(job)


# -- blinking


def blinks_of(settings: SimulationSettings) -> np.ndarray:
    """Return all blinks of a movie, by molecule, then by time."""
    source = source_of(settings, np.random.default_rng(settings.seed))
    blinks = np.concatenate(
        [source.at_start(), *(source.switched_on(frame) for frame in range(settings.frames))]
    )
    return blinks[np.lexsort((blinks["on"], blinks["number"]))]


def returning(**changes) -> SimulationSettings:
    blinking = dataclasses.replace(
        QUIET, frames=3000, density_per_um2=2.0, mean_on_frames=2.5, mean_off_frames=30.0
    )
    return dataclasses.replace(blinking, **changes)


def test_on_and_off_times_are_exponential():
    settings = returning()
    blinks = blinks_of(settings)
    begun = blinks[(blinks["on"] > 0) & (blinks["on"] < 2700)]  # whose times are seen whole
    assert kstest(begun["off"] - begun["on"], expon(scale=2.5).cdf).pvalue > 1e-3
    same = blinks["number"][1:] == blinks["number"][:-1]
    gaps = (blinks["on"][1:] - blinks["off"][:-1])[same & (blinks["off"][:-1] < 2600)]
    assert len(gaps) > 10_000
    assert kstest(gaps, expon(scale=30.0).cdf).pvalue > 1e-3


def test_a_molecule_comes_back_to_its_place_with_its_width():
    blinks = blinks_of(returning(fwhm_nm=(200.0, 300.0), photons=(500.0, 900.0)))
    first = np.unique(blinks["number"], return_index=True)[1]
    counts = np.diff([*first, len(blinks)])
    for name in ("x_nm", "y_nm", "sigma_nm"):
        np.testing.assert_array_equal(np.repeat(blinks[name][first], counts), blinks[name])
    assert kstest(blinks["photons"], "uniform", (500.0, 400.0)).pvalue > 1e-3


def test_as_many_shine_at_every_moment_as_the_density_says():
    settings = returning()
    blinks = blinks_of(settings)
    shining = [
        ((blinks["on"] <= time) & (time < blinks["off"])).sum() for time in (0, 1, 10, 100, 1000, 2900)
    ]
    mean = settings.molecules_at_once
    assert all(abs(number - mean) < 4.5 * math.sqrt(mean) for number in shining)
    assert poisson.sf(len(np.unique(blinks["number"])), settings.fluorophores) > 1e-4
    assert mean == pytest.approx(2.0 * 3.2**2)


def test_bleaching_ends_after_a_geometric_number_of_blinks():
    settings = returning(mean_blinks=3.0, density_per_um2=20.0, mean_off_frames=20.0)
    blinks = blinks_of(settings)
    _, counts = np.unique(blinks["number"], return_counts=True)
    expected = geom(1 / 3).pmf(np.arange(1, 11)) * len(counts)
    expected = np.append(expected, len(counts) - expected.sum())
    observed = np.bincount(np.minimum(counts, 11), minlength=12)[1:]
    assert chisquare(observed, expected).pvalue > 1e-3
    assert blinks["off"].max() < 2000  # the last is long over


def test_blinks_of_one_molecule_in_a_frame_are_one_row_of_the_truth():
    settings = returning(frames=60, mean_on_frames=0.2, mean_off_frames=0.3, size_px=16, density_per_um2=1.0)
    _, expectation, truth = simulated(settings)
    assert not truth.duplicated(["frame", "molecule"]).any()
    places = truth.groupby("molecule")[["x_nm", "y_nm"]].agg(np.ptp)
    assert places.to_numpy().max() < 1e-9
    image = spots_image(
        *(truth[name].to_numpy()[truth["frame"] == 7] for name in ("x_nm", "y_nm", "sigma_nm", "photons")),
        settings.shape_px,
        100.0,
    )
    np.testing.assert_allclose(expectation[7], image, rtol=1e-5, atol=1e-5)


# -- motion


def test_the_truth_follows_the_drift():
    settings = returning(
        frames=50, mean_on_frames=20.0, drift_nm_per_frame=(3.0, -7.0), density_per_um2=1.0, size_px=24
    )
    still = dataclasses.replace(settings, drift_nm_per_frame=(0.0, 0.0))
    truth, at_rest = simulated(settings)[2], simulated(still)[2]
    both = truth.merge(at_rest, on=["frame", "molecule"], suffixes=("", "_still"))
    assert len(both) == len(truth)
    np.testing.assert_allclose(both["x_nm"], both["x_nm_still"] + 3.0 * both["frame"])
    np.testing.assert_allclose(both["y_nm"], both["y_nm_still"] - 7.0 * both["frame"])
    # What has left the field is no longer present.
    gone = at_rest["y_nm"] - 7.0 * at_rest["frame"] < 0
    gone |= at_rest["x_nm"] + 3.0 * at_rest["frame"] >= 2400
    assert 0 < gone.sum() == len(at_rest) - len(truth)


def moving(**changes) -> SimulationSettings:
    lasting = dataclasses.replace(
        QUIET, size_px=64, frames=300, density_per_um2=0.4, mean_on_frames=1e9, motion_nm_per_sqrt_frame=30.0
    )
    return dataclasses.replace(lasting, **changes)


def test_molecules_diffuse_as_far_as_they_should():
    _, _, truth = simulated(moving())
    inside = truth[truth["x_nm"].between(700, 5700) & truth["y_nm"].between(700, 5700)]
    steps = np.arange(1, 2 * STEPS_PER_FRAME + 1)[::2] / (2 * STEPS_PER_FRAME)  # the middles of the parts
    times = np.concatenate([steps, steps + 1, steps + 5])
    covariance = np.minimum.outer(times, times)
    n = STEPS_PER_FRAME
    weights = {1: np.repeat([-1, 1, 0], n) / n, 5: np.repeat([-1, 0, 1], n) / n}
    for lag, weight in weights.items():
        later = inside.assign(frame=inside["frame"] - lag)
        pairs = inside.merge(later, on=["frame", "molecule"])
        moved = np.concatenate([pairs[f"{axis}_y"] - pairs[f"{axis}_x"] for axis in ("x_nm", "y_nm")])
        variance = 30.0**2 * weight @ covariance @ weight
        # Brownian motion whose mean over a frame is seen: lag - 1/3.
        assert variance == pytest.approx(30.0**2 * (lag - 1 / 3), rel=0.01)
        independent = len(moved) / lag
        assert moved.var() == pytest.approx(variance, rel=4.5 * math.sqrt(2 / independent))


def test_a_moving_molecules_light_is_spread_along_its_way():
    settings = moving(density_per_um2=0.02, motion_nm_per_sqrt_frame=120.0, frames=1500)
    _, expectation, truth = simulated(settings)
    alone = truth.groupby("frame").filter(lambda rows: len(rows) == 1)
    alone = alone[alone["x_nm"].between(1500, 4900) & alone["y_nm"].between(1500, 4900)]
    images = expectation[alone["frame"]].astype(np.float64)
    centres_nm = (np.arange(64) + 0.5) * 100.0
    widths = []
    for axis, name in ((1, "x_nm"), (2, "y_nm")):
        profile = images.sum(axis=axis) / images.sum(axis=(1, 2))[:, None]
        mean = profile @ centres_nm
        np.testing.assert_allclose(mean, alone[name], atol=0.1)
        widths.append(profile @ centres_nm**2 - mean**2)
    # A sixth of the motion's variance is within a frame (a hundredth of it lost to the steps); a pixel adds
    # its own.
    own = truth["sigma_nm"].iloc[0] ** 2 + 100.0**2 / 12
    spread = 120.0**2 / 6 * (1 - 1 / STEPS_PER_FRAME**2)
    assert len(alone) > 100
    error = np.std(widths) / math.sqrt(2 * len(alone))
    assert np.mean(widths) - own == pytest.approx(spread, abs=4.5 * error)
    assert error < 0.06 * spread


def test_molecules_diffuse_in_the_dark_too():
    settings = returning(
        frames=400, mean_on_frames=0.5, mean_off_frames=40.0, motion_nm_per_sqrt_frame=20.0, size_px=64
    )
    _, _, truth = simulated(settings)
    inside = truth[truth["x_nm"].between(900, 5500) & truth["y_nm"].between(900, 5500)]
    rows = inside.sort_values(["molecule", "frame"])
    same = rows["molecule"].diff() == 0
    elapsed = rows["frame"].diff()[same]
    moved = (rows["x_nm"].diff()[same] / np.sqrt(elapsed))[elapsed.between(10, 60)]
    assert len(moved) > 1000
    assert moved.var() == pytest.approx(20.0**2, rel=4.5 * math.sqrt(2 / len(moved)))


def test_the_border_throws_molecules_back():
    in_a_corner = MaskImage(np.outer([1, 0, 0, 0], [1, 0, 0, 0]))
    settings = moving(
        motion_nm_per_sqrt_frame=300.0, frames=800, size_px=24, density_per_um2=80.0, structure=in_a_corner
    )
    _, _, truth = simulated(settings)
    assert truth.groupby("frame").size().nunique() == 1
    assert truth["x_nm"][truth["frame"] == 0].max() < 2000
    # So far apart in time that nothing is left of where they were: spread evenly.
    far_apart = truth[(truth["frame"] % 40 == 39)]
    counts = np.histogram2d(far_apart["x_nm"], far_apart["y_nm"], 3, ((0, 2400), (0, 2400)))[0]
    assert chisquare(counts.ravel()).pvalue > 1e-3


# -- the whole


EVERYTHING = SimulationSettings(
    frames=13,
    size_px=(24, 40),
    camera=Camera(offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0, read_noise_electrons=20.0),
    density_per_um2=1.0,
    mean_on_frames=2.0,
    mean_off_frames=9.0,
    mean_blinks=4.0,
    structure=Tubes(seed=3),
    background_mask=SmoothField(correlation_um=0.5),
    illumination=MaskImage(np.linspace(1, 2, 12).reshape(3, 4), "light.png"),
    background_fading_frames=20.0,
    drift_nm_per_frame=(2.0, 1.0),
    motion_nm_per_sqrt_frame=15.0,
    clock_induced_charge_electrons=0.01,
)


def test_the_movie_does_not_depend_on_the_chunk():
    one, other = simulated(EVERYTHING, 1), simulated(EVERYTHING, 5)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert one[2].equals(other[2])
    assert len(one[2]) > 50


def test_the_truth_of_a_long_movie_is_whole():
    settings = dataclasses.replace(QUIET, frames=1203, size_px=8, density_per_um2=1.0)
    _, expectation, truth = simulated(settings)
    present = np.bincount(truth["frame"], minlength=1203)
    np.testing.assert_array_equal(expectation.any(axis=(1, 2)), present > 0)
    assert truth["frame"].is_monotonic_increasing
    assert "molecule" not in truth


@pytest.mark.parametrize("preset", ["default", "low-light"])
def test_what_is_not_asked_for_changes_no_bit(preset):
    # Figures of movies that were made before there were masks, structures and motion.
    frames, _, truth = simulated(dataclasses.replace(PRESETS[preset], frames=4, size_px=32))
    expected = {
        "default": (1730564, 421, 2, 873.817637151023),
        "low-light": (673703, 195, 9, 2671.9573458550267),
    }[preset]
    assert (int(frames.astype(np.int64).sum()), int(frames[3, 7, 5]), len(truth)) == expected[:3]
    assert truth["x_nm"].iloc[-1] == expected[3]


def test_settings_are_kept_with_the_files(tmp_path):
    files = finish(simulate_to_files(EVERYTHING, tmp_path / "movie.tif"))
    with tifffile.TiffFile(files.movie) as tif:
        kept = json.loads(tif.imagej_metadata["Info"])["settings"]
    assert kept == json.loads(json.dumps(EVERYTHING.as_dict()))
    assert kept["structure"]["kind"] == "Tubes"
    assert kept["structure"]["seed"] == 3
    assert kept["illumination"]["file"] == "light.png"
    assert kept["illumination"]["shape"] == [3, 4]


def test_maps_are_kept_with_the_files_and_not_written_over(tmp_path):
    camera = Camera(maps=CameraMaps(*np.full((3, 16, 16), 2.0)))
    settings = dataclasses.replace(QUIET, size_px=16, frames=3, camera=camera)
    files = finish(simulate_to_files(settings, tmp_path / "movie.tif", keep_clean=True))
    assert Camera.load(files.camera) == camera
    (tmp_path / "other_camera_maps.npy").write_text("precious")
    job = simulate_to_files(settings, tmp_path / "other.tif")
    with pytest.raises(BlinkspotError, match="exists"):
        next(job)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean_off_frames": 5.0}, "need a mean_on_frames"),
        ({"mean_on_frames": 5.0, "mean_blinks": 3.0}, "need a mean_off_frames"),
        ({"mean_on_frames": 5.0, "mean_off_frames": 5.0, "mean_blinks": 0.5}, "1 or more"),
        ({"mean_on_frames": 1.0, "mean_off_frames": 1e9, "density_per_um2": 1.0}, "shorter mean_off_frames"),
        ({"drift_nm_per_frame": (math.inf, 0.0)}, "two finite numbers"),
        ({"clock_induced_charge_electrons": -1.0}, "0 or more"),
        ({"motion_nm_per_sqrt_frame": math.nan}, "0 or more"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, words):
    with pytest.raises(BlinkspotError, match=words):
        dataclasses.replace(QUIET, **changes)


def test_many_spots_are_drawn_as_few_are(monkeypatch):
    random = np.random.default_rng(1)
    spots = [random.uniform(low, high, 5000) for low, high in ((-900, 7000), (-900, 5000), (40, 170), (1, 9))]
    many = spots_image(*spots, (40, 60), 100.0)
    monkeypatch.setattr(forward_model, "_FEW_SPOTS", 10_000)
    np.testing.assert_allclose(many, spots_image(*spots, (40, 60), 100.0), atol=1e-11)


@pytest.mark.parametrize("widest_nm", [170.0, 3900.0, 6000.0, 1e9])
def test_many_spots_however_wide_take_little_memory(monkeypatch, widest_nm):
    random = np.random.default_rng(1)
    limits = ((-900, 7000), (-900, 5000), (40, widest_nm), (1, 9))
    spots = [random.uniform(low, high, 3000) for low, high in limits]
    tracemalloc.start()
    many = spots_image(*spots, (400, 600), 100.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 30
    monkeypatch.setattr(forward_model, "_FEW_SPOTS", 10_000)
    np.testing.assert_allclose(many, spots_image(*spots, (400, 600), 100.0), atol=1e-10)


def test_many_spots_in_a_strip_are_drawn_from_windows():
    """A window higher than the strip is still far smaller than all of it."""
    random = np.random.default_rng(1)
    spots = [random.uniform(low, high, 3000) for low, high in ((0, 204_800), (0, 1200), (130, 131), (1, 9))]
    tracemalloc.start()
    spots_image(*spots, (12, 2048), 100.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 26


def test_structures_are_the_same_in_every_movie():
    field = Field((64, 64), 100.0)
    for structure in (Tubes(seed=2), Filaments(seed=2)):
        assert isinstance(structure, Structure)
        one, other = (structure.places_in(field).draw(50, np.random.default_rng(1)) for _ in range(2))
        np.testing.assert_array_equal(one, other)
