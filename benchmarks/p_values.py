"""p-values of single molecules: how many lie below 1, 10 and 50 %, which should be as many.

Beside ours, those of the same deviances by a chi-squared law of pixels minus parameters. Isolated molecules
of sigma 1.3 pixels, 7 x 7 pixels, maximum likelihood with free widths. The last column: of two molecules of
so many photons each, 2.5 pixels apart and fitted as one, the part with a p-value below 1 %.
"""

import numpy as np
from scipy.special import gammaincc, ndtr
from support import print_table

from blinkspot import Camera
from blinkspot.localization.fitting.goodness import Goodness
from blinkspot.localization.fitting.molecules import fit_molecules

MOLECULES = 20_000
SIZE_PX = 13
SIGMA_PX = 1.3
APART_PX = 2.5
PARAMETERS = 5
LEVELS = (0.01, 0.1, 0.5)
EMCCD, SCMOS, IDEAL = Camera(em_gain=150.0), Camera(read_noise_electrons=1.6), Camera()
CASES = [
    (name, camera, background, photons)
    for name, camera in (("no noise of its own", IDEAL), ("EMCCD", EMCCD), ("sCMOS, 1.6 e", SCMOS))
    for background, photons in ((0.5, 100.0), (1.0, 200.0), (5.0, 300.0), (20.0, 1000.0), (100.0, 2000.0))
]


def spot(x: float, y: float) -> np.ndarray:
    edges = np.arange(SIZE_PX + 1) - 0.5
    along_x, along_y = (np.diff(ndtr((edges - centre) / SIGMA_PX)) for centre in (x, y))
    return np.outer(along_y, along_x)


def judged(camera: Camera, mean: np.ndarray) -> Goodness:
    """Fit a molecule in the middle of each of many pictures of this mean, photoelectrons."""
    random = np.random.default_rng(1)
    light = random.poisson(mean, (MOLECULES, SIZE_PX, SIZE_PX)).astype(float)
    if camera.em_gain > 1:
        light = random.gamma(light)
    light += random.normal(0.0, camera.read_noise_electrons / camera.em_gain, light.shape)
    middles = SIZE_PX // 2 + SIZE_PX * np.arange(MOLECULES)
    return fit_molecules(
        camera.counts_from_photoelectrons(light.reshape(-1, SIZE_PX)),
        middles,
        np.full(MOLECULES, SIZE_PX // 2),
        initial_sigma_px=SIGMA_PX,
        has_register=camera.em_gain > 1,
    ).goodness


def main() -> None:
    rows = []
    for name, camera, background, photons in CASES:
        goodness = judged(camera, background + photons * spot(6.2, 5.9))
        pair = spot(6.0 - APART_PX / 2, 5.9) + spot(6.0 + APART_PX / 2, 6.2)
        double = judged(camera, background + photons * pair).p_value
        chi_squared = gammaincc(0.5 * (goodness.n_pixels - PARAMETERS), 0.5 * goodness.deviance)
        ours, plain = (
            [f"{np.mean(p < level):.3f}" for level in LEVELS] for p in (goodness.p_value, chi_squared)
        )
        rows.append((name, background, photons, *ours, *plain, f"{np.mean(double < 0.01):.2f}"))
    ours, plain = ([f"{name} < {level:g}" for level in LEVELS] for name in ("p", "chi-squared"))
    print_table(("camera", "background", "photons", *ours, *plain, "two as one: p < 0.01"), rows)


if __name__ == "__main__":
    main()
