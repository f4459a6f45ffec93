"""Error over the Cramer-Rao bound, and reported uncertainty over true error, of isolated molecules.

Each molecule has its own picture; its width differs from the others' by 5 %. What is accepted has a
log-likelihood ratio of 10 or more, some 0.1 false molecules on an empty frame of 128 x 128 pixels. The bound
is that of five free parameters at the truth, for Poisson counts (half of the photons, with an EM register),
averaged over the molecules accepted. Asked: error over bound at most 1.03, reported over true 0.97 to 1.03.

    python benchmarks/localizer_accuracy.py --picasso PICASSO_ENVIRONMENT/bin/python

Picasso fits the same windows of the molecules that we accepted with free widths, in photons, by maximum
likelihood with one free width: as its ``localize`` does now (the Gaussian at the pixels' centres), and by
Newton's method (``gaussmle``, integrated over the pixels), which it keeps for a while and which knows no EM
gain. Fits that left the window, or report an uncertainty as large as it, are lost and not counted.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtr
from support import print_table

from blinkspot.localization.detection import find_candidates
from blinkspot.localization.fitting.molecules import fit_molecules

MOLECULES = 4000
SIZE_PX = 17
SIGMA_PX, SIGMA_STD_PX = 1.2, 0.06
PHOTONS = (50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
BACKGROUNDS = (1.0, 10.0, 100.0)
SMALLEST_RATIO = 10.0
WINDOW_PX = 7
LEAST_FOUND = 0.05
PEER = Path(__file__).with_name("support") / "picasso_fits_peer.py"


@dataclass(frozen=True)
class Pictures:
    """Pictures of one molecule each, in counts, with the truth."""

    places: np.ndarray  # x and y, pixels, (n, 2)
    sigma: np.ndarray  # pixels, (n,)
    counts: np.ndarray  # (n, size, size)
    photons: float
    background: float
    photons_per_count: float

    @classmethod
    def simulated(cls, photons: float, background: float, em: bool) -> Pictures:
        """Return pictures of molecules of other places and widths each."""
        random = np.random.default_rng(3)
        x, y = SIZE_PX // 2 + random.uniform(-0.5, 0.5, (2, MOLECULES))
        sigma = random.normal(SIGMA_PX, SIGMA_STD_PX, MOLECULES)
        mean = background + photons * shares(y, sigma)[:, :, None] * shares(x, sigma)[:, None, :]
        electrons = random.poisson(mean).astype(float)
        counts = (random.gamma(electrons) / 2 if em else electrons).astype(np.float32)
        return cls(np.stack([x, y], axis=1), sigma, counts, photons, background, 2.0 if em else 1.0)

    def figures(self, kept: np.ndarray, places: np.ndarray, variances: np.ndarray) -> list[str]:
        """Return error over bound and reported over true of some molecules' fits."""
        x, y = self.places[kept].T
        light = (self.photons / self.photons_per_count, self.background / self.photons_per_count)
        bound = bound_px2(x, y, self.sigma[kept], *light).mean()
        true = np.mean(np.square(places - self.places[kept]))
        return [f"{math.sqrt(true / bound):.3f}", f"{math.sqrt(np.mean(variances) / true):.3f}"]


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


def found(pictures: Pictures, sigma_std_px: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the pictures in which the molecule is accepted, x and y, their variances, and its pixel."""
    kept, places, variances, pixels = [], [], [], []
    for index, picture in enumerate(pictures.counts):
        candidates = find_candidates(picture, 0.3)
        x, y = pictures.places[index]
        near = np.hypot(candidates.rows - y, candidates.columns - x) < 1.5
        rows, columns = candidates.rows[near], candidates.columns[near]
        fits = fit_molecules(picture, rows, columns, initial_sigma_px=SIGMA_PX, sigma_std_px=sigma_std_px)
        ratio = fits.goodness.log_likelihood_ratio
        strong = np.flatnonzero(ratio >= SMALLEST_RATIO)
        if len(strong):
            best = strong[np.argmax(ratio[strong])]
            kept.append(index)
            places.append((fits.x[best], fits.y[best]))
            variances.append((fits.variance_x[best], fits.variance_y[best]))
            pixels.append((columns[best], rows[best]))
    return np.array(kept), np.array(places), np.array(variances), np.array(pixels)


def measured(photons: float, background: float, em: bool, picasso: Path | None) -> list[str]:
    """Return a row's figures: with free and with known widths, and Picasso's of what free widths found."""
    seen = Pictures.simulated(photons, background, em)
    row: list[str] = []
    for sigma_std_px in (math.inf, SIGMA_STD_PX):
        kept, places, variances, pixels = found(seen, sigma_std_px)
        enough = len(kept) >= LEAST_FOUND * MOLECULES
        row += [f"{len(kept) / MOLECULES:.2f}"]
        row += seen.figures(kept, places, variances) if enough else ["", ""]
        if math.isinf(sigma_std_px):
            accepted, corners = kept, pixels
    if picasso is None or len(accepted) < LEAST_FOUND * MOLECULES:
        return row
    half = WINDOW_PX // 2
    windows = [
        seen.counts[index, row_px - half : row_px + half + 1, column_px - half : column_px + half + 1]
        for index, (column_px, row_px) in zip(accepted, corners, strict=True)
    ]
    for fits in picassos(np.stack(windows) * seen.photons_per_count, em, picasso):
        inside = (np.abs(fits) < WINDOW_PX / 2).all(axis=1)
        places, variances = fits[inside, :2] + corners[inside], fits[inside, 2:] ** 2
        row += [f"{1.0 - inside.mean():.4f}", *seen.figures(accepted[inside], places, variances)]
    return row


def picassos(spots: np.ndarray, em: bool, interpreter: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return x, y, lpx and lpy, pixels, of the fit of now and of the one by Newton's method, (n, 4) each."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "spots.npz"), Path(folder, "fits.npz")
        np.savez(source, spots=spots, em=em)
        command = [str(interpreter), str(PEER), str(source), str(target)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with np.load(target) as results:
            return results["now"], results["newton"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picasso", type=Path, help="Python of an environment with Picasso")
    picasso = parser.parse_args().picasso
    header = ["camera", "background", "photons"]
    header += ["found", "error / bound", "reported / true"]
    header += ["known widths: found", "error / bound", "reported / true"]
    if picasso is not None:
        header += ["Picasso: lost", "error / bound", "reported / true"]
        header += ["Picasso's Newton: lost", "error / bound", "reported / true"]
    rows = []
    for em in (False, True):
        for background in BACKGROUNDS:
            for photons in PHOTONS:
                figures = measured(photons, background, em, picasso)
                row = ("EM" if em else "no EM", background, photons, *figures)
                rows.append((*row, *[""] * (len(header) - len(row))))
                print(*rows[-1], flush=True)
    print_table(header, rows)


if __name__ == "__main__":
    main()
