"""The reported uncertainty against the true error, and against the Cramer-Rao bound in float64."""

import numpy as np
import pytest
from molecules import cramer_rao_std, deviance_half, mean_counts, snapshots

from blinkspot.localization.fitting.molecules import fit_molecules

N = 3000


def fit_all(pictures, method):
    """Fit the molecule of each picture; as one tall frame, so that it is one call."""
    size = pictures.shape[1]
    frame = pictures.reshape(-1, size)
    rows = size // 2 + size * np.arange(len(pictures))
    fits = fit_molecules(frame, rows, np.full(len(pictures), size // 2), method=method)
    return fits, fits.candidate, fits.y - size * fits.candidate


def errors_and_variances(method, kind):
    x, y, pictures = snapshots(11, N, **kind)
    fits, index, fitted_y = fit_all(pictures, method)
    errors = np.concatenate([fits.x - x[index], fitted_y - y[index]])
    return errors, np.concatenate([fits.variance_x, fits.variance_y]), len(index) / N


def molecule(photons, background, sigma, *, em):
    return {"photons": photons, "background": background, "sigma": sigma, "em": em}


MOLECULES = [
    molecule(1000.0, 5.0, 1.3, em=False),
    molecule(1000.0, 100.0, 1.3, em=False),
    molecule(5000.0, 30.0, 1.1, em=False),
    molecule(300.0, 20.0, 1.3, em=False),
    molecule(180.0, 5.0, 1.06, em=False),
    molecule(180.0, 0.2, 1.06, em=False),
    molecule(1000.0, 5.0, 1.3, em=True),
    molecule(1000.0, 100.0, 1.3, em=True),
    molecule(5000.0, 30.0, 1.1, em=True),
    molecule(180.0, 5.0, 1.06, em=True),
]


def named(kind):
    return "{photons:g} on {background:g}{gain}".format(**kind, gain=" EM" if kind["em"] else "")


@pytest.mark.parametrize("kind", MOLECULES, ids=named)
def test_the_true_error_of_mle_is_the_reported_uncertainty(kind):
    errors, variances, found = errors_and_variances("mle", kind)
    assert found > 0.97
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(len(errors))
    assert errors.std() / np.sqrt(variances.mean()) == pytest.approx(1.0, abs=0.05)
    assert (errors / np.sqrt(variances)).std() == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize("kind", MOLECULES, ids=named)
def test_the_true_error_of_mle_is_the_cramer_rao_bound(kind):
    errors, _, _ = errors_and_variances("mle", kind)
    factor = 2.0 if kind["em"] else 1.0
    x, y, _ = snapshots(11, 50, **kind)
    bounds = [
        cramer_rao_std(
            np.array(
                [
                    each_x - 3,
                    each_y - 3,
                    kind["sigma"],
                    kind["photons"] / factor,
                    kind["background"] / factor,
                ]
            )
        )[:2]
        for each_x, each_y in zip(x, y, strict=True)
    ]
    # An estimate from 90 counts is a few percent worse than the bound, which holds for many.
    few = kind["photons"] / factor < 200
    assert errors.std() / np.sqrt(np.mean(np.square(bounds))) == pytest.approx(1.0, abs=0.08 if few else 0.05)


@pytest.mark.parametrize(
    "kind",
    [each for each in MOLECULES if each["background"] >= 5 and each["photons"] >= 300],
    ids=named,
)
def test_the_true_error_of_least_squares_is_the_reported_uncertainty(kind):
    errors, variances, found = errors_and_variances("wlsq", kind)
    assert found > 0.97
    assert (errors / np.sqrt(variances)).std() == pytest.approx(1.0, abs=0.06)


def test_the_variances_of_mle_are_the_inverse_second_derivatives_of_the_likelihood():
    _, _, pictures = snapshots(2, 20, photons=400.0, background=8.0, sigma=1.2, em=False)
    fits, index, fitted_y = fit_all(pictures, "mle")
    for k, number in enumerate(index):
        window = pictures[number][3:10, 3:10].astype(float)
        optimum = np.array(
            [fits.x[k] - 3, fitted_y[k] - 3, fits.sigma[k], fits.amplitude[k], fits.background[k]]
        )
        steps = np.diag(1e-3 * np.array([1.0, 1.0, 1.0, optimum[3], optimum[4]]))
        second = np.empty((5, 5))
        for i in range(5):
            for j in range(5):
                corners = [
                    sign * deviance_half(optimum + a * steps[i] + b * steps[j], window)
                    for a, b, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
                ]
                second[i, j] = sum(corners) / (4 * steps[i, i] * steps[j, j])
        covariance = np.linalg.inv(second)
        assert fits.variance_x[k] == pytest.approx(covariance[0, 0], rel=2e-3)
        assert fits.variance_y[k] == pytest.approx(covariance[1, 1], rel=2e-3)


@pytest.mark.parametrize("method", ["mle", "wlsq"])
def test_without_noise_the_variances_are_the_cramer_rao_bound(method):
    """Where pixels equal their means, weights are the inverse variances, so both fits reach the bound."""
    truth = np.array([6.1, 5.8, 1.2, 2000.0, 10.0])
    fits = fit_molecules(
        mean_counts(truth, (13, 13)).astype(np.float32), np.array([6]), np.array([6]), method=method
    )
    bound = cramer_rao_std(truth - np.array([3.0, 3.0, 0.0, 0.0, 0.0]))
    assert np.sqrt(fits.variance_x[0]) == pytest.approx(bound[0], rel=1e-3)
    assert np.sqrt(fits.variance_y[0]) == pytest.approx(bound[1], rel=1e-3)
