"""The prior of each pixel, as a network tells it from the pixel's neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blinkspot.denoising.networks import WHOLE, BlindSpotNetwork
from blinkspot.denoising.noise import Prior

# alpha from 0.02 (nothing known: the pixel speaks for itself) to 2e6 (the neighbours know the rate).
_LOG_ALPHA_MIDDLE = 0.5 * (math.log(2e6) + math.log(0.02))
_LOG_ALPHA_REACH = 0.5 * (math.log(2e6) - math.log(0.02))
_LEAST_MEAN = 1e-6
# At the start, a mixture's second law is brighter and rarer than its first, and so on.
_BRIGHTER, _RARER = 1.5, 1.0
_STABILISED_ZERO = 2.0 * math.sqrt(0.375)
_LOG_ALPHA_OF_CERTAINTY = math.log(1e15)
# At the start, alpha is about 10, whatever the data.
_LOG_ALPHA_START = math.atanh((math.log(10.0) - _LOG_ALPHA_MIDDLE) / _LOG_ALPHA_REACH) * _LOG_ALPHA_REACH


@dataclass(frozen=True)
class InputScaling:
    """Brings counts to the network's scale.

    Attributes
    ----------
    root_mean, root_std : float
        Mean and standard deviation of the variance-stabilised counts, 2 sqrt(z + 3/8) (Anscombe 1948).
    mean_counts : float
        Mean of the counts.
    offset, slope : float
        Of the line that corrects the prior's means; see :mod:`blinkspot.denoising.calibration`.
    """

    root_mean: float
    root_std: float
    mean_counts: float
    offset: float = 0.0
    slope: float = 1.0

    def neutral_counts(self, read_counts: Tensor | None = None) -> Tensor:
        """Return the counts that the network sees as 0, in pixels of that read variance where it differs."""
        root = torch.tensor(self.root_mean)
        if read_counts is not None:
            root = root + _stabilised(read_counts) - _STABILISED_ZERO
        return (root / 2.0).square() - 0.375

    def with_line(self, offset: float = 0.0, slope: float = 1.0) -> InputScaling:
        """Return the scaling with another line, by default none, applied to the prior's means."""
        return replace(self, offset=offset, slope=slope)

    @classmethod
    def of(cls, counts: Tensor) -> InputScaling:
        """Measure the scaling on counts of any shape; for maps, on counts less their read variance."""
        # By numpy: torch's sums depend on the number of its threads.
        roots = _stabilised(counts).cpu().numpy()
        light = counts.clamp_min(0.0).cpu().numpy()
        return cls(
            float(roots.mean(dtype=np.float64)),
            max(float(roots.std(dtype=np.float64)), 1e-3),
            max(float(light.mean(dtype=np.float64)), 1e-3),
        )


def _stabilised(counts: Tensor) -> Tensor:
    return 2.0 * torch.sqrt(counts.clamp_min(0.0) + 0.375)


class PriorNetwork(nn.Module):
    """A blind-spot network with its scaling: counts in, prior out.

    Parameters
    ----------
    network : BlindSpotNetwork
        Gives the unbounded numbers of :func:`outputs_for` for each pixel.
    scaling : InputScaling
        Measured on a sample of the movie.
    components : int
        Gamma laws in the prior.
    mean_only : bool
        Whether only the mean is learnt, as by squared error; alpha is then so large that a pixel's own count
        adds nothing to its estimate.
    """

    def __init__(
        self,
        network: BlindSpotNetwork,
        scaling: InputScaling,
        components: int = 1,
        mean_only: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.scaling = scaling
        self.components = components
        self.mean_only = mean_only

    def forward(self, counts: Tensor, read_counts: Tensor | None = None, rows: slice = WHOLE) -> Prior:
        """Return the prior of the centre frame's pixels, in float32 also under autocast.

        Parameters
        ----------
        counts : Tensor, (N, 2c + 1, Y, X)
            Counts.
        read_counts : Tensor, (N, Y, X), optional
            Read variance that the counts include, where it differs from pixel to pixel. A pixel's neighbours
            cannot tell it, so the network predicts the light alone, from counts stabilised pixel by pixel,
            and the prior of the count is that of the light moved up by the read variance: Gamma laws of the
            same variances.
        rows : slice, optional
            Rows of which the prior is wanted; the others are only looked at.
        """
        scaling, laws = self.scaling, self.components
        stabilised = _stabilised(counts)
        if read_counts is not None:
            stabilised = stabilised - _stabilised(read_counts)[:, None] + _STABILISED_ZERO
        raw = self.network((stabilised - scaling.root_mean) / scaling.root_std, rows).float()
        order = torch.arange(laws, device=raw.device).view(1, laws, 1, 1)
        mean = scaling.mean_counts * F.softplus(raw[:, :laws] + _BRIGHTER * order)
        mean = (scaling.offset + scaling.slope * mean).clamp_min(_LEAST_MEAN)
        log_alpha = self._log_alpha(raw[:, laws : 2 * laws])
        if laws == 1:
            log_share = torch.zeros_like(mean)
            single_log_alpha = log_alpha[:, 0]
        else:
            # The first law's share is what the others leave.
            shares = F.pad(raw[:, 2 * laws : -1], (0, 0, 0, 0, 1, 0))
            log_share = F.log_softmax(shares - _RARER * order, dim=1)
            single_log_alpha = self._log_alpha(raw[:, -1])
        prior = Prior(mean, log_alpha, log_share, single_log_alpha)
        return prior if read_counts is None else _moved_up(prior, read_counts[..., rows, :])

    def _log_alpha(self, raw: Tensor) -> Tensor:
        if self.mean_only:
            return torch.full_like(raw, _LOG_ALPHA_OF_CERTAINTY)
        return _LOG_ALPHA_MIDDLE + _LOG_ALPHA_REACH * torch.tanh((raw + _LOG_ALPHA_START) / _LOG_ALPHA_REACH)


def _moved_up(prior: Prior, read_counts: Tensor) -> Prior:
    """Move Gamma laws up by the read variance of their pixels; their variances mean^2 / alpha stay."""
    each = read_counts[:, None]
    return Prior(
        prior.mean + each,
        prior.log_alpha + 2.0 * torch.log1p(each / prior.mean),
        prior.log_share,
        prior.single_log_alpha + 2.0 * torch.log1p(read_counts / prior.single_mean),
    )


def outputs_for(components: int) -> int:
    """Return how many numbers a pixel's prior takes.

    Mean and alpha of each law; of a mixture also a share of all laws but one, and the single law's alpha.
    """
    return 2 if components == 1 else 3 * components
