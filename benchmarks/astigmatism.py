"""Heights by astigmatism: error and bias, error over the Cramer-Rao bound, reported uncertainty over error.

    python benchmarks/astigmatism.py --picasso PICASSO_ENVIRONMENT/bin/python

First part: spots that are Gaussians with known defocus curves, background 10, windows of 15 x 15 pixels of
100 nm. 'fitted in the likelihood' is what the localizer does: z is one of five parameters. 'from two widths'
takes the two widths of a free elliptical fit (six parameters) and the height whose curves come nearest to
them, each weighted by its predicted variance. Picasso's own z fit is given the same widths and, as its
calibration, the polynomials that come nearest to the true curves. The bound is that of five parameters.

Second part: spots by diffraction, which are no Gaussians; the calibration comes from a simulated bead stack,
once fitted as it is ('bright beads'), once scaled to 2000 photons on the molecules' background ('as dim').

Errors are root mean squares of the molecules within 5 bounds (first part) or 200 nm (second part) of their
true height; 'far off' is the part beyond, or not found at all.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from scipy.special import ndtr
from support import print_table
from support.lens_spots import PIXEL_NM, lens_spot

from blinkspot import Camera, finish
from blinkspot.localization.astigmatism import (
    AstigmatismCalibration,
    CalibrationSettings,
    DefocusCurve,
    calibrate,
    fit_heights,
)
from blinkspot.localization.fitting.molecules import Fits, fit_molecules

PEER = Path(__file__).with_name("support") / "picasso_heights_peer.py"
CALIBRATION = AstigmatismCalibration(
    DefocusCurve(130.0, -220.0, 400.0, 0.1, 0.1),
    DefocusCurve(130.0, 220.0, 400.0, -0.1, 0.1),
    (-650.0, 650.0),
)
HEIGHTS_NM = (-500.0, -250.0, 0.0, 250.0, 500.0)
PHOTONS = (500.0, 1000.0, 2000.0, 5000.0)
BACKGROUND = 10.0
MOLECULES = 3000
WINDOW_PX = 15
LENS_MOLECULES = 1000
LENS_PHOTONS = (1000.0, 2000.0, 5000.0)
LENS_TYPICAL_PHOTONS = 2000.0
LENS_HEIGHTS_NM = (-400.0, -200.0, 0.0, 200.0, 400.0)
LENS_FAR_NM = 200.0
BEAD_STEP_NM, BEAD_FRAMES, BEADS_PER_SIDE, BEAD_FIELD_PX = 25.0, 61, 3, 35


def shares(centre: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the shares of Gaussians in the pixels of a window's axis, (n, pixels)."""
    edges = np.arange(WINDOW_PX + 1) - 0.5
    return np.diff(ndtr((edges - centre[:, None]) / sigma[:, None]), axis=1)


def means(truth: np.ndarray) -> np.ndarray:
    """Return the mean pixels, (n, pixels, pixels), for x, y, z, photons, background, (5, n)."""
    x, y, z, photons, background = truth
    along_x = shares(x, CALIBRATION.x.at(z) / PIXEL_NM)
    along_y = shares(y, CALIBRATION.y.at(z) / PIXEL_NM)
    light = photons[:, None, None] * along_y[:, :, None] * along_x[:, None, :]
    return background[:, None, None] + light


def bound_nm(truth: np.ndarray) -> float:
    """Return the root mean square bound of z."""
    jacobian = []
    for index, step in enumerate((1e-4, 1e-4, 1e-2, 1e-2, 1e-4)):
        shift = np.zeros((5, 1))
        shift[index] = step
        difference = (means(truth + shift) - means(truth - shift)) / (2 * step)
        jacobian.append(difference.reshape(truth.shape[1], -1))
    derivatives = np.stack(jacobian, axis=1)
    pixels = means(truth).reshape(truth.shape[1], 1, -1)
    information = (derivatives / pixels) @ derivatives.transpose(0, 2, 1)
    return float(np.sqrt(np.linalg.inv(information)[:, 2, 2].mean()))


def middles(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the middles of windows that stand one below the other."""
    return WINDOW_PX // 2 + WINDOW_PX * np.arange(n), np.full(n, WINDOW_PX // 2)


def from_widths(fits: Fits) -> tuple[np.ndarray, np.ndarray]:
    """Return the likeliest heights of two widths, and the uncertainty that their variances make."""
    heights = CALIBRATION.heights_nm(1301)
    curves = [curve.at(heights) / PIXEL_NM for curve in (CALIBRATION.x, CALIBRATION.y)]
    slopes = [curve.slope(heights) / PIXEL_NM for curve in (CALIBRATION.x, CALIBRATION.y)]
    sigmas, variances = (fits.sigma_x, fits.sigma_y), (fits.variance_sigma_x, fits.variance_sigma_y)
    misfit = sum(
        (curve - sigma[:, None]) ** 2 / variance[:, None]
        for curve, sigma, variance in zip(curves, sigmas, variances, strict=True)
    )
    best = np.argmin(misfit, axis=1)
    information = sum(slope[best] ** 2 / variance for slope, variance in zip(slopes, variances, strict=True))
    return heights[best], 1.0 / np.sqrt(information)


def from_picasso(fits: Fits, interpreter: Path) -> tuple[np.ndarray, np.ndarray]:
    heights = CALIBRATION.heights_nm(131)
    cx, cy = (
        np.polyfit(heights, curve.at(heights) / PIXEL_NM, 6) for curve in (CALIBRATION.x, CALIBRATION.y)
    )
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "widths.npz"), Path(folder, "heights.npz")
        np.savez(
            source, sx=fits.sigma_x, sy=fits.sigma_y, photons=fits.amplitude, bg=fits.background, cx=cx, cy=cy
        )
        command = [str(word) for word in (interpreter, PEER, source, target, PIXEL_NM)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        with np.load(target) as found:
            return found["z"], found["lpz"]


def figures(
    errors: np.ndarray, reported: np.ndarray, far_nm: float, n: int
) -> tuple[float, float, float, float]:
    """Return the part far off, bias, error (nm), and reported over true."""
    near = np.abs(errors) < far_nm
    error = float(np.sqrt(np.mean(errors[near] ** 2)))
    far_off = 1.0 - near.sum() / n
    return far_off, float(errors[near].mean()), error, float(np.sqrt(np.mean(reported[near] ** 2))) / error


def gaussian_rows(picasso: Path | None) -> list[tuple[object, ...]]:
    rows = []
    random = np.random.default_rng(1)
    for photons in PHOTONS:
        for z_nm in HEIGHTS_NM:
            x, y = WINDOW_PX // 2 + random.uniform(-0.5, 0.5, (2, MOLECULES))
            truth = np.stack([x, y, *(np.full(MOLECULES, each) for each in (z_nm, photons, BACKGROUND))])
            frame = random.poisson(means(truth)).reshape(-1, WINDOW_PX).astype(np.float32)
            bound = bound_nm(truth)
            places = middles(MOLECULES)
            own = fit_heights(frame, *places, CALIBRATION, PIXEL_NM, window_px=WINDOW_PX)
            free = fit_molecules(frame, *places, elliptical=True, window_px=WINDOW_PX, initial_sigma_px=1.8)
            assert own.z_nm is not None
            assert own.variance_z_nm2 is not None
            found = {
                "fitted in the likelihood": (own.z_nm, np.sqrt(own.variance_z_nm2)),
                "from two widths": from_widths(free),
            }
            if picasso is not None:
                found["Picasso"] = from_picasso(free, picasso)
            for method, (heights, reported) in found.items():
                far_off, bias, error, truthful = figures(heights - z_nm, reported, 5 * bound, MOLECULES)
                rows.append(
                    (
                        f"{photons:.0f}",
                        f"{z_nm:.0f}",
                        method,
                        f"{100 * far_off:.1f} %",
                        f"{bias:.1f}",
                        f"{error:.1f}",
                        f"{bound:.1f}",
                        f"{error / bound:.3f}",
                        f"{truthful:.3f}",
                    )
                )
    return rows


def lens_calibrations() -> dict[str, AstigmatismCalibration]:
    """Calibrate by beads of the lens, as bright as they are, and as if they were as dim as molecules."""
    random = np.random.default_rng(2)
    side = BEADS_PER_SIDE * BEAD_FIELD_PX
    mean = np.full((BEAD_FRAMES, side, side), 20.0)
    for i, j in np.ndindex(BEADS_PER_SIDE, BEADS_PER_SIDE):
        x, y = random.uniform(-0.5, 0.5, 2)
        field = (
            slice(i * BEAD_FIELD_PX, (i + 1) * BEAD_FIELD_PX),
            slice(j * BEAD_FIELD_PX, (j + 1) * BEAD_FIELD_PX),
        )
        for frame in range(BEAD_FRAMES):
            z_nm = -BEAD_STEP_NM * (frame - BEAD_FRAMES // 2) + 20.0 * (i - j)
            mean[(frame, *field)] += 30000.0 * lens_spot(z_nm, x, y, BEAD_FIELD_PX)
    stack, camera = random.poisson(mean), Camera(pixel_size_nm=PIXEL_NM)
    found = {}
    for name, light in (("bright beads", (None, None)), ("as dim", (LENS_TYPICAL_PHOTONS, BACKGROUND))):
        settings = CalibrationSettings(
            BEAD_STEP_NM, molecule_photons=light[0], molecule_background_photons=light[1]
        )
        found[name] = finish(calibrate(stack, camera, settings))
        print(name, found[name].x, found[name].y, found[name].z_range_nm, found[name].findings, sep="\n")
    return found


def lens_rows() -> list[tuple[object, ...]]:
    calibrations = lens_calibrations()
    random = np.random.default_rng(3)
    rows = []
    for z_nm in LENS_HEIGHTS_NM:
        shifts = random.uniform(-0.5, 0.5, (LENS_MOLECULES // 10, 2))
        spots = np.stack([lens_spot(z_nm, *shift, WINDOW_PX) for shift in shifts])
        for photons in LENS_PHOTONS:
            mean = BACKGROUND + photons * np.repeat(spots, 10, axis=0)
            frame = random.poisson(mean).reshape(-1, WINDOW_PX).astype(np.float32)
            for name, calibration in calibrations.items():
                fits = fit_heights(frame, *middles(LENS_MOLECULES), calibration, PIXEL_NM)
                assert fits.z_nm is not None
                assert fits.variance_z_nm2 is not None
                reported = np.sqrt(fits.variance_z_nm2)
                far_off, bias, error, truthful = figures(
                    fits.z_nm - z_nm, reported, LENS_FAR_NM, LENS_MOLECULES
                )
                numbers = (f"{100 * far_off:.1f} %", f"{bias:.1f}", f"{error:.1f}", f"{truthful:.3f}")
                rows.append((f"{photons:.0f}", f"{z_nm:.0f}", name, *numbers))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picasso", type=Path, help="Python of an environment with Picasso")
    options = parser.parse_args()
    header = ("photons", "z nm", "method", "far off", "bias nm", "error nm", "bound nm", "error / bound")
    print_table((*header, "reported / true"), gaussian_rows(options.picasso))
    print()
    print_table(
        ("photons", "z nm", "calibrated by", "far off", "bias nm", "error nm", "reported / true"), lens_rows()
    )


if __name__ == "__main__":
    main()
