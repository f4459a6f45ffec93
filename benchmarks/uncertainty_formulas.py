"""Published formulas for the uncertainty, and ours, over the true error of isolated molecules.

Maximum likelihood and unweighted least squares, free widths, sigma 1.3 pixels of 100 nm; each formula gets
what was fitted of each molecule, as it would from a table. The figure is the root mean square of what is
reported over the root mean square error of x and y.
"""

import numpy as np
from scipy.special import ndtr
from support import print_table

from blinkspot import Camera
from blinkspot.localization.fitting.molecules import FitMethod, Fits, fit_molecules
from blinkspot.localization.thunderstorm.uncertainty import position_uncertainty
from blinkspot.localization.uncertainty import Formula, closed_form_uncertainty

MOLECULES = 8_000
SIZE_PX = 13
SIGMA_PX = 1.3
PIXEL_NM = 100.0
METHODS: tuple[FitMethod, ...] = ("mle", "lsq")
FORMULAS: tuple[Formula, ...] = ("thompson", "mortensen-lsq", "mortensen-mle", "rieger")
LIGHT = ((1.0, 200.0), (10.0, 500.0), (10.0, 5000.0), (100.0, 1000.0))


def fitted(camera: Camera, background: float, photons: float, fit: FitMethod) -> tuple[Fits, np.ndarray]:
    """Return fits, and the errors of x and y, pixels, (n, 2)."""
    random = np.random.default_rng(2)
    centres = SIZE_PX // 2 + random.uniform(-0.5, 0.5, (2, MOLECULES))
    edges = np.arange(SIZE_PX + 1) - 0.5
    along_x, along_y = (np.diff(ndtr((edges - centre[:, None]) / SIGMA_PX)) for centre in centres)
    light = random.poisson(background + photons * along_y[:, :, None] * along_x[:, None, :]).astype(float)
    if camera.em_gain > 1:
        light = random.gamma(light)
    middles = SIZE_PX // 2 + SIZE_PX * np.arange(MOLECULES)
    frame = camera.counts_from_photoelectrons(light.reshape(-1, SIZE_PX))
    fits = fit_molecules(frame, middles, np.full(MOLECULES, SIZE_PX // 2), method=fit)
    x, y = centres[:, fits.candidate]
    return fits, np.stack([fits.x - x, fits.y - SIZE_PX * fits.candidate - y], axis=1)


def main() -> None:
    rows = []
    for name, camera in (("no EM", Camera()), ("EM", Camera(em_gain=150.0))):
        for background, photons in LIGHT:
            for fit in METHODS:
                fits, errors = fitted(camera, background, photons, fit)
                true_nm = PIXEL_NM * np.sqrt(np.mean(errors**2))
                factor = camera.excess_noise_factor
                found = (fits.sigma * PIXEL_NM, fits.amplitude * factor)
                reported = {"ours": PIXEL_NM * np.sqrt(0.5 * (fits.variance_x + fits.variance_y))}
                for formula in FORMULAS:
                    reported[formula] = closed_form_uncertainty(
                        formula, *found, fits.background * factor, PIXEL_NM, factor
                    )
                residual = fits.goodness.residual_std * factor
                reported["ThunderSTORM's"] = position_uncertainty(*found, residual, camera, fit)
                ratios = [f"{np.sqrt(np.mean(each**2)) / true_nm:.2f}" for each in reported.values()]
                rows.append((name, background, photons, fit, f"{true_nm:.1f}", *ratios))
    names = ("ours", *FORMULAS, "ThunderSTORM's")
    print_table(("camera", "background", "photons", "fit", "true error, nm", *names), rows)


if __name__ == "__main__":
    main()
