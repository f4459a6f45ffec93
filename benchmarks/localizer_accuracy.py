"""Error over the Cramer-Rao bound, and reported uncertainty over true error, of isolated molecules.

Each molecule has its own picture; its width differs from the others' by 5 %. What is accepted has a
log-likelihood ratio of 10 or more, some 0.1 false molecules on an empty frame of 128 x 128 pixels. The bound
is that of five free parameters at the truth, for Poisson counts (half of the photons, with an EM register),
averaged over the molecules accepted. Asked: error over bound at most 1.03, reported over true 0.97 to 1.03.
"""

import math

import numpy as np
from scipy.special import ndtr
from support import print_table

from blinkspot.localization.detection import find_candidates
from blinkspot.localization.fitting import fit_molecules

MOLECULES = 4000
SIZE_PX = 17
SIGMA_PX, SIGMA_STD_PX = 1.2, 0.06
PHOTONS = (50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
BACKGROUNDS = (1.0, 10.0, 100.0)
SMALLEST_RATIO = 10.0
WINDOW_PX = 7


def pictures(
    photons: float, background: float, em: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return true x, y and sigma, pixels, and pictures in counts, (n, size, size)."""
    random = np.random.default_rng(3)
    x, y = SIZE_PX // 2 + random.uniform(-0.5, 0.5, (2, MOLECULES))
    sigma = random.normal(SIGMA_PX, SIGMA_STD_PX, MOLECULES)
    mean = background + photons * shares(y, sigma)[:, :, None] * shares(x, sigma)[:, None, :]
    electrons = random.poisson(mean).astype(float)
    return x, y, sigma, (random.gamma(electrons) / 2 if em else electrons).astype(np.float32)


def shares(centre: np.ndarray, sigma: np.ndarray, size: int = SIZE_PX) -> np.ndarray:
    """Return the shares of Gaussians in the pixels of an axis, (n, size)."""
    edges = np.arange(size + 1) - 0.5
    return np.diff(ndtr((edges - centre[:, None]) / sigma[:, None]), axis=1)


def bound_px2(
    x: np.ndarray, y: np.ndarray, sigma: np.ndarray, counts: float, background: float
) -> np.ndarray:
    """Return the bounds of x and y, square pixels, (2, n), in the window around the middle pixel."""
    first = (SIZE_PX - WINDOW_PX) // 2

    def mean(parameters: np.ndarray) -> np.ndarray:
        x, y, sigma, counts, background = parameters
        along_y, along_x = (shares(each - first, sigma, WINDOW_PX) for each in (y, x))
        light = counts[:, None, None] * along_y[:, :, None] * along_x[:, None, :]
        return (background[:, None, None] + light).reshape(len(x), -1)

    truth = np.stack([x, y, sigma, np.full_like(x, counts), np.full_like(x, background)])
    step = 1e-4
    jacobian = []
    for index in range(5):
        shift = np.zeros((5, 1))
        shift[index] = step
        jacobian.append((mean(truth + shift) - mean(truth - shift)) / (2 * step))
    derivatives = np.stack(jacobian, axis=1)
    information = (derivatives / mean(truth)[:, None, :]) @ derivatives.transpose(0, 2, 1)
    return np.diagonal(np.linalg.inv(information), axis1=1, axis2=2)[:, :2].T


def measured(photons: float, background: float, em: bool, sigma_std_px: float) -> tuple[str, ...]:
    x, y, sigma, counts = pictures(photons, background, em)
    errors, variances, kept = [], [], []
    for index, picture in enumerate(counts):
        candidates = find_candidates(picture, 0.3)
        middle = np.hypot(candidates.rows - y[index], candidates.columns - x[index]) < 1.5
        fits = fit_molecules(
            picture,
            candidates.rows[middle],
            candidates.columns[middle],
            initial_sigma_px=SIGMA_PX,
            sigma_std_px=sigma_std_px,
        )
        strong = np.flatnonzero(fits.goodness.log_likelihood_ratio >= SMALLEST_RATIO)
        if len(strong):
            best = strong[np.argmax(fits.goodness.log_likelihood_ratio[strong])]
            errors.append((fits.x[best] - x[index], fits.y[best] - y[index]))
            variances.append((fits.variance_x[best], fits.variance_y[best]))
            kept.append(index)
    found = len(kept) / MOLECULES
    if found < 0.05:
        return f"{found:.2f}", "", ""
    factor = 2.0 if em else 1.0
    bound = bound_px2(x[kept], y[kept], sigma[kept], photons / factor, background / factor).mean()
    true = np.mean(np.square(errors))
    return f"{found:.2f}", f"{math.sqrt(true / bound):.3f}", f"{math.sqrt(np.mean(variances) / true):.3f}"


def main() -> None:
    rows = []
    for em in (False, True):
        for background in BACKGROUNDS:
            for photons in PHOTONS:
                free, known = (measured(photons, background, em, std) for std in (math.inf, SIGMA_STD_PX))
                rows.append(("EM" if em else "no EM", background, photons, *free, *known))
                print(*rows[-1], flush=True)
    header = ("camera", "background", "photons", "found", "error / bound", "reported / true")
    print_table((*header, "known widths: found", "error / bound", "reported / true"), rows)


if __name__ == "__main__":
    main()
