"""p-values: the tabulated laws against simulation, and those of single and of double molecules."""

import numpy as np
import pytest
import tifffile
from molecules import mean_counts, snapshots
from scipy.spatial import cKDTree
from scipy.special import gammaincc, xlogy

from blinkspot.camera import Camera
from blinkspot.localization import Localizer, LocalizerSettings, read_table
from blinkspot.localization.fitting.goodness import judge_fits
from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.localization.fitting.p_value import (
    FIRST_LOG_MEAN,
    NODES_PER_LOG,
    deviance_moments,
    fitted_parameters,
    p_values,
)
from blinkspot.progress import finish

N = 4000


def deviances(counts, means):
    return 2.0 * (means - counts + xlogy(counts, counts / means))


def through_register(random, mean, size=None):
    """Return the counts of variance equal to mean that an EM register makes."""
    electrons = random.poisson(2.0 * np.asarray(mean), size)
    return np.where(electrons > 0, random.gamma(np.maximum(electrons, 1)), 0.0) / 2.0


def fitted(pictures, **more):
    """Fit the molecule in the middle of each picture; as one tall frame, so that it is one call."""
    size = pictures.shape[1]
    rows = size // 2 + size * np.arange(len(pictures))
    columns = np.full(len(pictures), size // 2)
    return fit_molecules(pictures.reshape(-1, size).astype(np.float32), rows, columns, **more)


# -- the tables


@pytest.mark.parametrize("has_register", [False, True])
def test_moments_are_those_of_simulated_pixels(has_register):
    random = np.random.default_rng(1)
    for mean in (0.01, 0.3, 1.0, 4.0, 30.0, 1000.0):
        node = round((np.log(mean) - FIRST_LOG_MEAN) * NODES_PER_LOG)
        mean = np.exp(FIRST_LOG_MEAN + node / NODES_PER_LOG)
        n = 200_000
        counts = through_register(random, mean, n) if has_register else random.poisson(mean, n)
        deviance = deviances(counts.astype(float), mean)
        expected, variance = deviance_moments(has_register)[:, node]
        assert deviance.mean() == pytest.approx(expected, abs=5 * deviance.std() / np.sqrt(n))
        of_squares = ((deviance - deviance.mean()) ** 2).std()
        assert deviance.var() == pytest.approx(variance, abs=5 * of_squares / np.sqrt(n))


@pytest.mark.parametrize("has_register", [False, True])
def test_many_counts_are_chi_squared(has_register):
    np.testing.assert_allclose(deviance_moments(has_register)[:, -1], [1.0, 2.0], rtol=2e-4)


def test_p_values_of_many_counts_are_those_of_chi_squared():
    deviance = np.array([20.0, 44.0, 80.0])
    given = p_values(deviance, np.full(3, 49.0), np.full(3, 98.0), 5.0)
    np.testing.assert_allclose(given, gammaincc(22.0, deviance / 2.0))


def test_no_p_value_where_nothing_is_left_to_judge_by():
    assert np.isnan(p_values(np.ones(1), np.array([4.0]), np.array([50.0]), 5.0))[0]
    assert np.isnan(p_values(np.ones(1), np.array([40.0]), np.array([9.0]), 5.0))[0]


@pytest.mark.parametrize("extra", [None, np.random.default_rng(5).uniform(0, 4, (9, 9)).astype(np.float32)])
@pytest.mark.parametrize("has_register", [False, True])
def test_the_window_adds_up_the_moments_at_its_means(has_register, extra):
    truth = np.array([4.2, 3.9, 1.2, 40.0, 0.3])
    means = mean_counts(truth, (9, 9)) + (0.0 if extra is None else extra)
    counts = np.random.default_rng(2).poisson(means).astype(np.float32)
    fit = np.array([[4.2, 3.9, 1.2, 1.2, 40.0, 0.3]])
    middle = np.array([4])
    goodness = judge_fits(counts, extra, middle, middle, 7, fit, has_register=has_register)
    place = (np.log(means[1:8, 1:8]) - FIRST_LOG_MEAN) * NODES_PER_LOG
    table = deviance_moments(has_register)
    summed = [np.interp(place, np.arange(table.shape[1]), row).sum() for row in table]
    assert goodness.expected_deviance[0] == pytest.approx(summed[0], rel=1e-6)
    assert goodness.deviance_variance[0] == pytest.approx(summed[1], rel=1e-6)
    assert goodness.deviance[0] == pytest.approx(
        deviances(counts.astype(float), means)[1:8, 1:8].sum(), rel=1e-6
    )


def test_parameters_that_are_known_beforehand_count_in_part():
    variance = np.array([0.0001, 0.02, 0.04])
    np.testing.assert_allclose(fitted_parameters(False, np.inf, variance), 5.0)
    np.testing.assert_allclose(fitted_parameters(True, np.inf, variance), 6.0)
    np.testing.assert_allclose(fitted_parameters(False, 0.0, variance), 4.0)
    np.testing.assert_allclose(fitted_parameters(False, 0.2, variance), [4.9975, 4.5, 4.0])


# -- molecules

# Photons and background per pixel; with a register, counts are half of them.
SINGLE = [
    (100.0, 0.5, False),
    (150.0, 2.0, False),
    (400.0, 10.0, False),
    (2000.0, 100.0, False),
    (200.0, 1.0, True),
    (300.0, 4.0, True),
    (1000.0, 20.0, True),
    (4000.0, 200.0, True),
]


@pytest.mark.parametrize(("photons", "background", "em"), SINGLE)
def test_p_values_of_single_molecules_are_uniform(photons, background, em):
    _, _, pictures = snapshots(3, N, photons=photons, background=background, sigma=1.3, em=em)
    p = fitted(pictures, has_register=em).goodness.p_value
    assert len(p) > 0.99 * N
    for level, allowed in ((0.01, 0.006), (0.1, 0.02), (0.5, 0.04)):
        assert np.mean(p < level) == pytest.approx(level, abs=allowed)
    assert np.abs(np.sort(p) - (np.arange(len(p)) + 0.5) / len(p)).max() < 0.06


@pytest.mark.parametrize("sigma_std_px", [0.0, 0.1])
def test_p_values_with_a_width_that_is_known_are_uniform(sigma_std_px):
    random = np.random.default_rng(4)
    widths = 1.2 + sigma_std_px * random.normal(size=N)
    means = np.stack([mean_counts(np.array([6.2, 5.9, width, 400.0, 5.0]), (13, 13)) for width in widths])
    fits = fitted(random.poisson(means), initial_sigma_px=1.2, sigma_std_px=sigma_std_px)
    p = fits.goodness.p_value
    for level, allowed in ((0.01, 0.006), (0.1, 0.02), (0.5, 0.03)):
        assert np.mean(p < level) == pytest.approx(level, abs=allowed)


@pytest.mark.parametrize("em", [False, True])
def test_two_molecules_taken_for_one_have_small_p_values(em):
    random = np.random.default_rng(6)
    pair = mean_counts(np.array([4.9, 6.0, 1.3, 500.0, 5.0]), (13, 13)) + mean_counts(
        np.array([7.4, 6.3, 1.3, 500.0, 0.0]), (13, 13)
    )
    means = np.broadcast_to(pair, (400, 13, 13))
    pictures = through_register(random, means) if em else random.poisson(means)
    p = fitted(pictures, initial_sigma_px=1.3, sigma_std_px=0.1, has_register=em).goodness.p_value
    assert np.mean(p < 0.01) > 0.9


@pytest.mark.parametrize("em_gain", [1.0, 150.0])
def test_the_table_has_the_p_values_of_its_cameras_law(em_gain):
    """Dim, where the laws differ most; taken for the other law, the median would be elsewhere."""
    random = np.random.default_rng(7)
    mean = 0.6 + np.zeros((5, 130, 130))
    for row in range(10, 130, 20):
        for column in range(10, 130, 20):
            mean[:, row - 6 : row + 7, column - 6 : column + 7] += mean_counts(
                np.array([6.1, 5.8, 1.3, 120.0, 0.0]), (13, 13)
            )
    counts = through_register(random, mean) if em_gain > 1 else random.poisson(mean)
    camera = Camera(em_gain=em_gain, electrons_per_adu=em_gain)
    movie = (counts * camera.excess_noise_factor).astype(np.float32)
    localizer = Localizer(camera, LocalizerSettings(threshold=3.0, initial_sigma_px=1.3, widths="fixed"))
    found = [localizer.localize_frame(frame) for frame in movie]
    bright = [
        table.column("p_value")[table.column("photons") > 60.0 * camera.excess_noise_factor]
        for table in found
    ]
    p = np.concatenate(bright)
    assert len(p) > 150
    assert np.median(p) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("default", Camera(pixel_size_nm=80.0, offset_adu=414.0, electrons_per_adu=3.6)),
        ("low120", Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)),
        ("yfp3_bg100", Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)),
    ],
)
def test_p_values_of_thunderstorms_simulated_molecules_are_uniform(shared_data, name, camera):
    """Of those that are alone; another generator, other widths than ours."""
    movie = tifffile.imread(shared_data / "simulated" / f"{name}.tif", key=range(200))
    found = finish(Localizer(camera).localize(movie))
    truth = read_table(shared_data / "simulated" / f"{name}_truth.csv")

    def places(table):
        # Frames lie so far apart that none is near another.
        return np.column_stack([1e6 * table.column("frame"), table.column("x_nm"), table.column("y_nm")])

    tree = cKDTree(places(truth))
    is_found, around = (tree.query_ball_point(places(found), r, return_length=True) for r in (50, 1000))
    p = found.column("p_value")[(is_found == 1) & (around == 1)]
    assert len(p) > 1000
    for level, allowed in ((0.01, 0.007), (0.1, 0.025), (0.5, 0.06)):
        assert np.mean(p < level) == pytest.approx(level, abs=allowed)
