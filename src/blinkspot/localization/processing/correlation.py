r"""Localizations of neighbouring frames that are not independent.

A movie that was denoised with :math:`c` context frames on each side shows in each frame what
:math:`2c + 1` recorded frames hold. Two localizations of a molecule fitted there, :math:`d` frames apart,
share :math:`2c + 1 - d` of these, and the errors that their noise makes. With :math:`k = 2c`, the *correlated
frames*, and where all frames of a window have the same weight, the correlation of the two errors along an
axis is

.. math:: \rho(d) = \max(0, 1 - d / (k + 1)).

It is on the safe side: of all weights that a window of :math:`k + 1` frames can have, equal ones make
:math:`\sum_d \rho(d)`, and so the variance of a long mean, the greatest, since
:math:`\sum_d \rho(d) = (\sum a)^2 / \sum a^2 \le k + 1` (Cauchy-Schwarz).

The mean of localizations with uncertainties :math:`u_i`, weighted by :math:`w_i = 1 / u_i^2`, has the
variance

.. math:: u^2 = \frac{\sum_{ij} w_i w_j u_i u_j \rho_{ij}}{(\sum_i w_i)^2}
              = \frac{\sum_{ij} \rho_{ij} / (u_i u_j)}{(\sum_i 1 / u_i^2)^2},

which is :math:`1 / \sum_i u_i^{-2}` where all are independent (:math:`k = 0`).
"""

from __future__ import annotations

from typing import Any

# Of the most context frames that a denoiser has: for a denoised movie that does not tell.
MOST_CORRELATED_FRAMES = 4


def correlated_frames(provenance: dict[str, Any]) -> int:
    """Return within how many frames localizations of a table share photons, by its provenance.

    Twice the context frames of the denoiser where the fits were on the denoised movie, 4 where they were and
    the movie does not tell, else 0: fits on recorded frames share none.

    Parameters
    ----------
    provenance : dict
        Of the table, as :class:`blinkspot.localization.Localizer` writes it.
    """
    if _at(provenance, "settings", "fit_on") != "denoised":
        return 0
    context = _at(provenance, "denoised", "provenance", "model", "context_frames")
    return 2 * context if isinstance(context, int) else MOST_CORRELATED_FRAMES


def _at(content: Any, *path: str) -> Any:
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content
