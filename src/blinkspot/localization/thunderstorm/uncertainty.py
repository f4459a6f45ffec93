"""ThunderSTORM's formulas for the uncertainty of a position.

They overstate the error: on EM data by some 23 %. Those of our own fits are in
:mod:`blinkspot.localization.fitting.gaussian_fit`, the formulas as they were published in
:mod:`blinkspot.localization.uncertainty`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.localization.thunderstorm.settings import ThunderstormFit, UncertaintyFormula
from blinkspot.localization.uncertainty import approximate_likelihood_factor, least_squares_factor

FloatArray = NDArray[np.float64]


def position_uncertainty(
    sigma_nm: FloatArray,
    photons: FloatArray,
    background_std_photons: FloatArray,
    camera: Camera,
    fit: ThunderstormFit = "mle",
    formula: UncertaintyFormula = "2016",
) -> FloatArray:
    """Compute the standard deviation of a position along an axis, as ThunderSTORM reports it.

    With a pixel's size a, the Gaussian's sigma s, N photons, b the standard deviation of the fit's residual,
    and g = 2 with an EM register, else 1 (Quan et al. 2010, J. Biomed. Opt. 15:066005), the variance is::

        1.3:   (g s^2 + a^2 / 12) / N + 8 pi s^4 b^2 / (a^2 N^2)
        2016:  (g s^2 + a^2 / 12) / N * (1 + 4 t + sqrt(2 t / (1 + 4 t)))      mle, wlsq
               (g s^2 + a^2 / 12) / N * (16 / 9 + 4 t)                         lsq
               t = 2 pi b^2 (s^2 + a^2 / 12) / (N a^2)

    The first after Thompson et al. 2002 (Biophysical Journal 82:2775), the others after Mortensen et al. 2010
    (Nature Methods 7:377) and Rieger & Stallinga 2014 (ChemPhysChem 15:664). In those of 2016, read noise is
    added to b where there is no EM register.

    Parameters
    ----------
    sigma_nm, photons, background_std_photons : ndarray of float64, shape (n,)
    camera : Camera
        Its pixel size, EM gain and read noise.
    fit : {"mle", "lsq", "wlsq"}
    formula : {"2016", "1.3"}

    Returns
    -------
    ndarray of float64, shape (n,)
        nm; infinite where there are no photons.
    """
    pixel2 = camera.pixel_size_nm**2
    sigma2 = sigma_nm**2
    excess = camera.excess_noise_factor
    with np.errstate(divide="ignore", invalid="ignore"):
        light = (excess * sigma2 + pixel2 / 12.0) / photons
        if formula == "1.3":
            background = 8.0 * math.pi * sigma2**2 * background_std_photons**2 / (pixel2 * photons**2)
            return np.sqrt(light + background)
        read_noise = 0.0 if camera.em_gain > 1 else camera.read_noise_electrons
        spread = background_std_photons + read_noise
        t = 2.0 * math.pi * spread**2 * (sigma2 + pixel2 / 12.0) / (photons * pixel2)
        if fit == "lsq":
            return np.sqrt(light * least_squares_factor(t))
        return np.sqrt(light * approximate_likelihood_factor(t))
