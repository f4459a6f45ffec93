"""What is learned of the width of the molecules, against simulations in which it is known."""

import numpy as np
import pytest
from molecules import mean_counts

from blinkspot import Camera
from blinkspot.localization import Localizer, LocalizerSettings
from blinkspot.localization.psf import FEWEST_MOLECULES, PsfWidth, population_width
from blinkspot.progress import finish

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.0)


def simulated(seed, sigma_std_px, n_frames=24, photons=400.0):
    """Frames of 4 x 4 molecules each, far apart; returns the movie in ADU and the true sigmas, pixels."""
    random = np.random.default_rng(seed)
    frames, sigmas = [], []
    for _ in range(n_frames):
        mean = np.full((72, 72), 3.0)
        for row in range(9, 72, 18):
            for column in range(9, 72, 18):
                sigma = random.normal(1.2, sigma_std_px)
                x, y = np.array([column, row]) + random.uniform(-0.5, 0.5, 2)
                mean += mean_counts(np.array([x, y, sigma, photons, 0.0]), mean.shape)
                sigmas.append(sigma)
        frames.append(random.poisson(mean))
    return CAMERA.adu(np.array(frames, dtype=np.float32)), np.array(sigmas)


@pytest.mark.parametrize("sigma_std_px", [0.0, 0.08, 0.2])
def test_width_and_spread_of_a_movie_are_found(sigma_std_px):
    movie, sigmas = simulated(3, sigma_std_px)
    learned = finish(Localizer(CAMERA).localize(movie)).provenance["learned"]["psf"]
    assert learned["molecules"] >= 200
    assert learned["sigma_px"] == pytest.approx(np.median(sigmas), abs=0.03)
    # Where all are the same, the least spread that is assumed is 2 %.
    assert learned["std_px"] == pytest.approx(max(sigmas.std(), 0.024), abs=0.03)


def test_the_errors_of_the_fits_are_not_taken_for_a_spread():
    random = np.random.default_rng(5)
    error = random.uniform(0.05, 0.2, 4000)
    sigma = 1.3 * np.exp(random.normal(0.0, 0.08, 4000) + random.normal(0.0, error))
    width = population_width(sigma, (error * sigma) ** 2)
    assert np.log(sigma).std() > 0.14
    assert width.sigma_px == pytest.approx(1.3, abs=0.01)
    assert width.std_px == pytest.approx(0.08 * 1.3, abs=0.01)


def test_pairs_taken_for_one_molecule_hardly_count():
    random = np.random.default_rng(6)
    sigma = random.normal(1.3, 0.05, 2000)
    sigma[:100] = 2.5
    width = population_width(sigma, np.full(2000, 1e-4))
    assert width.sigma_px == pytest.approx(1.3, abs=0.01)
    assert width.std_px == pytest.approx(0.05, abs=0.01)


def test_where_too_few_are_seen_nothing_is_known():
    few = FEWEST_MOLECULES - 1
    assert population_width(np.full(few, 1.2), np.full(few, 0.01)).std_px == np.inf
    assert population_width(np.empty(0), np.empty(0)) == PsfWidth()
    movie, _ = simulated(1, 0.1, n_frames=2)
    table = finish(Localizer(CAMERA).localize(movie[:, :36, :36]))
    free = finish(
        Localizer(CAMERA, LocalizerSettings(widths="free", initial_sigma_px=1.3)).localize(movie[:, :36, :36])
    )
    np.testing.assert_allclose(table.column("x_nm"), free.column("x_nm"), atol=0.1)
    assert table.provenance["learned"]["psf"]["std_px"] is None


def test_a_learned_width_makes_dim_molecules_surer():
    movie, _ = simulated(7, 0.05, photons=120.0)
    free, learned = (
        finish(Localizer(CAMERA, LocalizerSettings(threshold=1.5, widths=widths)).localize(movie))
        for widths in ("free", "learned")
    )
    assert learned.column("sigma_nm").std() < 0.5 * free.column("sigma_nm").std()
    # Photons and width hang together: the surer width leaves the photons nearer to the truth.
    errors = [np.abs(np.log(table.column("photons") / 120.0)).mean() for table in (free, learned)]
    assert errors[1] < 0.9 * errors[0]


def test_fixed_widths_are_the_one_that_was_learned_or_given():
    movie, _ = simulated(8, 0.1)
    fixed = finish(Localizer(CAMERA, LocalizerSettings(widths="fixed")).localize(movie))
    np.testing.assert_allclose(
        fixed.column("sigma_nm"), 100.0 * fixed.provenance["learned"]["psf"]["sigma_px"], rtol=1e-5
    )
    given = finish(Localizer(CAMERA, LocalizerSettings(widths="fixed", initial_sigma_px=1.1)).localize(movie))
    np.testing.assert_allclose(given.column("sigma_nm"), 110.0, rtol=1e-5)
    assert given.provenance["learned"] == {}


def test_an_ellipse_has_its_axes_in_the_table():
    mean = 3.0 + mean_counts(np.array([15.2, 14.9, 1.1, 1.7, 2000.0, 0.0]), (31, 31))
    movie = CAMERA.adu(np.repeat(mean[None], 2, axis=0))
    table = finish(Localizer(CAMERA, LocalizerSettings(widths="elliptical")).localize(movie))
    row = table.in_frame(0).data.iloc[0]
    assert row["sigma_x_nm"] == pytest.approx(110.0, abs=0.5)
    assert row["sigma_y_nm"] == pytest.approx(170.0, abs=0.5)
    assert row["uncertainty_x_nm"] < row["uncertainty_y_nm"]
    both = 0.5 * (row["uncertainty_x_nm"] ** 2 + row["uncertainty_y_nm"] ** 2)
    assert row["uncertainty_nm"] == pytest.approx(np.sqrt(both))
