r"""A denoised movie against the clean one, pixel by pixel.

With the denoised movie :math:`d`, the clean one :math:`c` and its range :math:`L = \max c - \min c`, all over
the whole movie:

- PSNR: :math:`20 \log_{10} (L / \sqrt{\langle (d - c)^2 \rangle})`.
- Scale-invariant PSNR: the same of :math:`a d + b`, with the :math:`a, b` that make it largest, by least
  squares (Weigert et al. 2018, Nature Methods 15:1090). One pair for the movie, not one for each frame, which
  would forgive flicker.
- SSIM: structural similarity, the mean over all frames, with Gaussian weights of 1.5 pixels and the constants
  0.01 and 0.03 (Wang, Bovik, Sheikh & Simoncelli 2004, IEEE Transactions on Image Processing 13:600), of
  values without the camera's offset.

None of them depends on the unit. An offset that both movies share is nothing to the first two.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]

# Half the side of the window of structural similarity, 3.5 standard deviations of 1.5 pixels.
_MARGIN_PX = 5
_PIXELS_AT_ONCE = 2**16


@dataclass(frozen=True)
class PictureScores:
    """A denoised movie against the clean one.

    Attributes
    ----------
    psnr_db, scale_invariant_psnr_db : float
        See :mod:`~blinkspot.evaluation.scoring.picture_scores`; infinite where nothing differs.
    ssim : float
        Up to 1; NaN where frames are smaller than 11 x 11 pixels.
    data_range : float
        Highest minus lowest value of the clean movie, which all three refer to.
    light : float
        Sum of the denoised movie over that of the clean one, both without the offset; NaN where the clean
        movie has none.
    contrast : float
        Slope of the denoised values over the clean ones, by least squares: below 1 where the denoiser
        flattens molecules into the background, though the sum of the light be right.
    """

    psnr_db: float
    scale_invariant_psnr_db: float
    ssim: float
    data_range: float
    light: float
    contrast: float

    def as_dict(self) -> dict[str, float | None]:
        """Return all figures by name, JSON-ready: None stands for what is not finite."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def psnr_db(pictures: NDArray[Any], clean: NDArray[Any]) -> float:
    """Return the range of the clean pictures over the root mean square error against them, decibels.

    Parameters
    ----------
    pictures, clean : ndarray
        Of the same shape, in the same unit.
    """
    error = np.sqrt(np.mean(np.square(np.subtract(pictures, clean, dtype=np.float64))))
    with np.errstate(divide="ignore"):
        return float(20.0 * np.log10(np.ptp(clean) / error))


def picture_scores(
    denoised: Any, clean: Any, *, offset: float = 0.0
) -> Generator[Progress, None, PictureScores]:
    """Compare a denoised movie with the clean one, a strip of a frame per yielded progress value.

    Movies are read a frame at a time, twice.

    Parameters
    ----------
    denoised, clean : Stack or array-like, (T, Y, X)
        In the same unit.
    offset : float
        Value of a pixel without light in both: the camera's offset in ADU, 0 in photoelectrons.

    Returns
    -------
    PictureScores

    Raises
    ------
    BlinkspotError
        If the two differ in shape, a value is not finite, or the clean movie is the same everywhere.
    """
    restored, target = as_stack(denoised), as_stack(clean)
    if restored.shape != target.shape:
        raise BlinkspotError(
            f"{restored.name} has the shape {restored.shape} and {target.name_within} {target.shape}: "
            "give the clean movie of the same frames."
        )
    clock = Stopwatch("comparing pictures", 2 * target.n_frames)
    sums = _Moments()
    for index, picture, truth in _pairs(restored, target):
        for rows in _strips(0, target.height, target.width):
            sums.add(picture[rows], truth[rows])
            yield clock.at(index + rows.stop / target.height)
    if sums.data_range == 0.0:
        raise BlinkspotError(
            f"{target.name} is the same everywhere, so nothing can be compared with it: "
            "give a movie with molecules."
        )
    similarity = pixels = 0.0
    for index, picture, truth in _pairs(restored, target):
        for done, of_strip in _similarities(picture - offset, truth - offset, sums.data_range):
            similarity += float(np.sum(of_strip))
            pixels += of_strip.size
            yield clock.at(target.n_frames + index + done)
    return PictureScores(
        psnr_db=_decibels(sums.data_range, sums.squared_error),
        scale_invariant_psnr_db=_decibels(sums.data_range, sums.squared_error_of_best_fit),
        ssim=similarity / pixels if pixels else math.nan,
        data_range=sums.data_range,
        light=_ratio(sums.mean[0] - offset, sums.mean[1] - offset),
        contrast=_ratio(sums.products[0, 1], sums.products[1, 1]),
    )


class _Moments:
    """Means and central products of the pixels of both movies, gathered part by part.

    Combined as Chan, Golub & LeVeque 1983 (The American Statistician 37:242), so that a large mean costs no
    digits.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(2)
        self.products = np.zeros((2, 2))
        self.lowest, self.highest = math.inf, -math.inf

    def add(self, picture: FloatArray, truth: FloatArray) -> None:
        both = np.stack([picture.ravel(), truth.ravel()])
        mean = both.mean(axis=1)
        both -= mean[:, np.newaxis]
        count = self.count + picture.size
        step = mean - self.mean
        self.products += both @ both.T + np.outer(step, step) * (self.count * picture.size / count)
        self.mean = self.mean + step * (picture.size / count)
        self.count = count
        self.lowest = min(self.lowest, float(truth.min()))
        self.highest = max(self.highest, float(truth.max()))

    @property
    def data_range(self) -> float:
        return self.highest - self.lowest

    @property
    def squared_error(self) -> float:
        spread = self.products[0, 0] - 2.0 * self.products[0, 1] + self.products[1, 1]
        return float(max(spread, 0.0) / self.count + (self.mean[0] - self.mean[1]) ** 2)

    @property
    def squared_error_of_best_fit(self) -> float:
        if self.products[0, 0] == 0.0:
            return float(self.products[1, 1] / self.count)
        left = self.products[1, 1] - self.products[0, 1] ** 2 / self.products[0, 0]
        return float(max(left, 0.0) / self.count)


def _pairs(restored: Stack, target: Stack) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    for index in range(target.n_frames):
        picture, truth = (stack.frame(index).astype(np.float64) for stack in (restored, target))
        for stack, values in ((restored, picture), (target, truth)):
            if not np.isfinite(values).all():
                raise BlinkspotError(
                    f"{stack.name} has pixels in frame {index + 1} that are no finite numbers: "
                    "make the movie again."
                )
        yield index, picture, truth


def _strips(first: int, last: int, width: int) -> Iterator[slice]:
    """Yield the rows from ``first`` to just before ``last``, a few at a time."""
    rows_at_once = max(1, _PIXELS_AT_ONCE // width)
    for start in range(first, last, rows_at_once):
        yield slice(start, min(start + rows_at_once, last))


def _similarities(
    picture: FloatArray, truth: FloatArray, data_range: float
) -> Iterator[tuple[float, FloatArray]]:
    """Yield, strip by strip, which part of the frame is done and the structural similarity of its pixels.

    Pixels whose window leaves the frame are left out, and the strips overlap by as much, so that together
    they give what the whole frame gives.
    """
    # Slow to import, and needed here only.
    from skimage.metrics import structural_similarity

    height, width = picture.shape
    if min(height, width) <= 2 * _MARGIN_PX:
        return
    inside = slice(_MARGIN_PX, -_MARGIN_PX)
    for rows in _strips(_MARGIN_PX, height - _MARGIN_PX, width):
        strip = slice(rows.start - _MARGIN_PX, rows.stop + _MARGIN_PX)
        _, similar = structural_similarity(  # type: ignore[no-untyped-call]
            picture[strip],
            truth[strip],
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        yield (rows.stop - _MARGIN_PX) / (height - 2 * _MARGIN_PX), similar[inside, inside]


def _decibels(data_range: float, squared_error: float) -> float:
    return 10.0 * math.log10(data_range**2 / squared_error) if squared_error else math.inf


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0.0 else math.nan
