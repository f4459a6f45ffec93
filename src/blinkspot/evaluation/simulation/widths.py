"""Two ways to say how wide a Gaussian is."""

import math

FWHM_PER_SIGMA = math.sqrt(8.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian over its standard deviation."""
