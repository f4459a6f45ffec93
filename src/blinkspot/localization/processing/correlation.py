r"""Localizations of neighbouring frames that are not independent.

A movie that was denoised with :math:`c` context frames on each side shows in each frame what a window
:math:`W` of :math:`2c + 1` recorded frames holds. A molecule's photons come from those frames of a window in
which it shone, here from its first localization to its last. Where all of these have the same weight, the
errors of two localizations :math:`i, j` along an axis have the correlation

.. math:: \rho_{ij} = \frac{|W_i \cap W_j|}{\sqrt{|W_i|\,|W_j|}}.

Far from a molecule's ends this is :math:`\max(0, 1 - d / (k + 1))` for frames :math:`d` apart, with the
*correlated frames* :math:`k = 2c`; near them it is more: both localizations of a molecule that shone twice
hold the same photons, and merging gains nothing.

It is on the safe side. Noise of the background in frames in which the molecule was dark, which a denoiser may
let in, makes the correlation smaller. And of all weights that the frames of a window can have, equal ones
make the variance of a long mean the greatest: :math:`\sum_d \rho(d) = (\sum a)^2 / \sum a^2 \le k + 1`
(Cauchy-Schwarz).

Where the uncertainties were calibrated by simulation (:mod:`blinkspot.evaluation.denoised_fits`), the
correlations were measured there, and stand in place of these.

The mean of localizations with uncertainties :math:`u_i`, weighted by :math:`w_i = 1 / u_i^2`, has the
variance

.. math:: u^2 = \frac{\sum_{ij} w_i w_j u_i u_j \rho_{ij}}{(\sum_i w_i)^2}
              = \frac{\sum_{ij} \rho_{ij} / (u_i u_j)}{(\sum_i 1 / u_i^2)^2},

which is :math:`1 / \sum_i u_i^{-2}` where all are independent (:math:`k = 0`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Of the most context frames that a denoiser has: for a denoised movie that does not tell.
MOST_CORRELATED_FRAMES = 4


@dataclass(frozen=True)
class Correlated:
    """How errors of one molecule in neighbouring frames go together.

    Attributes
    ----------
    frames : int
        Farthest that frames which share photons are apart; 0: all errors are independent.
    measured : tuple of float
        Correlations one frame apart, two, up to ``frames``; empty: as the windows overlap.
    """

    frames: int
    measured: tuple[float, ...] = ()


def correlated(provenance: dict[str, Any]) -> Correlated:
    """Return how errors of a table go together, by its provenance."""
    measured = _at(provenance, "uncertainty_calibration", "correlations")
    if isinstance(measured, list):
        return Correlated(len(measured), tuple(map(float, measured)))
    return Correlated(correlated_frames(provenance))


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
