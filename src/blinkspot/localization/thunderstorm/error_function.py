"""The error function as ThunderSTORM computes it, whose digits decide where its fits end."""

from __future__ import annotations

import math

from blinkspot.localization._compiling import compiled


@compiled
def error_function(z: float) -> float:
    """Approximate erf to 1.2e-7 (Press et al. 1992, Numerical Recipes in C, section 6.2)."""
    t = 1.0 / (1.0 + 0.5 * abs(z))
    polynomial = 0.17087277
    polynomial = -0.82215223 + t * polynomial
    polynomial = 1.48851587 + t * polynomial
    polynomial = -1.13520398 + t * polynomial
    polynomial = 0.27886807 + t * polynomial
    polynomial = -0.18628806 + t * polynomial
    polynomial = 0.09678418 + t * polynomial
    polynomial = 0.37409196 + t * polynomial
    polynomial = 1.00002368 + t * polynomial
    return math.copysign(1.0 - t * math.exp(-z * z - 1.26551223 + t * polynomial), z)
