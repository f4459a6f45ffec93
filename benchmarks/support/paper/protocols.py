"""The paper's way of scoring a movie, and a fair one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from blinkspot import LocalizationTable, Localizer, LocalizerSettings, as_stack, score
from blinkspot.camera import FloatArray
from blinkspot.evaluation import Comparison, Scores, compare
from blinkspot.evaluation.scoring.matching import IndexArray, match, pairs_within
from blinkspot.evaluation.scoring.scores import DEFAULT_TOLERANCE_NM
from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.progress import finish

from ..trainings import Movie

PAPERS = LocalizerSettings(preset="thunderstorm", fit="wlsq", threshold=1.0)


MISPLACED_NM = 200.0


def paper_scores(movie: Movie, photoelectrons: FloatArray | None = None) -> tuple[Scores, int]:
    """Score as the paper does: ThunderSTORM's weighted least squares at its default threshold.

    Parameters
    ----------
    movie : Movie
    photoelectrons : (T, Y, X) float32, optional
        What is localized in place of the noisy frames.

    Returns
    -------
    Scores
    int
        How many of the false positives are molecules in the wrong place: one that is missed lies within 200
        nm.
    """
    frames = movie.stack if photoelectrons is None else as_stack(movie.camera.adu(photoelectrons))
    found = finish(Localizer(movie.camera, PAPERS).localize(frames))
    near = match(pairs_within(found, movie.truth, DEFAULT_TOLERANCE_NM))
    rest, missed = _without(found, near.found), _without(movie.truth, near.truth)
    return score(found, movie.truth), len(match(pairs_within(rest, missed, MISPLACED_NM)))


def told_f1(movie: Movie, context_frames: int = 0) -> float:
    """Return the F1 of somebody who is told what there is, and has only the noisy photons to say where.

    All that the paper's protocol finds without noise is found, and nothing else; each of those molecules is
    fitted by maximum likelihood, that starts from the noise-free picture, in the noisy frame; with context
    frames, in the sum of those among them in which it is told to shine without a break. Where its photons
    put it more than 50 nm away, it is lost. A denoiser that sees as many frames cannot return much
    more: it has learned what spots look like, but has the same photons.
    """
    found = finish(Localizer(movie.camera, PAPERS).localize(as_stack(movie.camera.adu(movie.clean))))
    pairs = match(pairs_within(found, movie.truth, DEFAULT_TOLERANCE_NM))
    pixel_nm = movie.camera.pixel_size_nm
    frame, x, y = (movie.truth.column(name)[pairs.truth] for name in ("frame", "x_nm", "y_nm"))
    shape_px = np.array([[movie.stack.height], [movie.stack.width]])
    rows, columns = np.minimum((np.array([y, x]) / pixel_nm).astype(np.int64), shape_px - 1)
    noisy, clean = (movie.camera.counts_from_photoelectrons(each) for each in (movie.noisy, movie.clean))
    first, last = _shining(movie.truth, context_frames)[pairs.truth].T
    true = 0
    # Frames in which it shines before and after: molecules with the same numbers are fitted in the same sums.
    for before in range(context_frames + 1):
        for after in range(context_frames + 1):
            (chosen,) = np.nonzero((frame - first == before) & (last - frame == after))
            if not len(chosen):
                continue
            fits = fit_molecules(
                _sums(noisy, before, after),
                rows[chosen],
                columns[chosen],
                frames=frame[chosen].astype(np.int64),
                start=_sums(clean, before, after),
            )
            x_nm, y_nm = ((each + 0.5) * pixel_nm for each in (fits.x, fits.y))
            its = chosen[fits.candidate]
            true += int(np.count_nonzero(np.hypot(x_nm - x[its], y_nm - y[its]) <= DEFAULT_TOLERANCE_NM))
    return 2.0 * true / (len(found) + len(movie.truth))


def _shining(truth: LocalizationTable, context_frames: int) -> IndexArray:
    """Return the first and the last of the frames, of one and its context, in which each molecule shines."""
    frame, x, y = (truth.column(name) for name in ("frame", "x_nm", "y_nm"))
    there = set(zip(frame.astype(int).tolist(), x.tolist(), y.tolist(), strict=True))

    def reach(index: int, step: int) -> int:
        n = 0
        while n < context_frames and (int(frame[index]) + step * (n + 1), x[index], y[index]) in there:
            n += 1
        return int(frame[index]) + step * n

    return np.array([(reach(index, -1), reach(index, 1)) for index in range(len(frame))], dtype=np.int64)


def _sums(frames: FloatArray, before: int, after: int) -> FloatArray:
    """Return each frame with those before and after it added; beyond the ends there is nothing."""
    total = frames.copy()
    for lag in range(1, before + 1):
        total[lag:] += frames[:-lag]
    for lag in range(1, after + 1):
        total[:-lag] += frames[lag:]
    return total


def _without(table: LocalizationTable, rows: IndexArray) -> LocalizationTable:
    return replace(table, data=table.data.drop(index=rows).reset_index(drop=True))


def returned(noisy: float, denoised: float, clean: float) -> float:
    """Return the part of what noise took from F1 that denoising gives back; NaN where noise took nothing."""
    return (denoised - noisy) / (clean - noisy) if clean > noisy else float("nan")


@dataclass(frozen=True)
class Fair:
    """A fair comparison: each movie at its own best threshold, our own maximum likelihood fits.

    Attributes
    ----------
    noisy, denoised_fit_raw, denoised_fit_denoised : float
        Best F1 of each way.
    noisy_held_out, denoised_held_out : float
        F1 of thresholds that were chosen on the other half of the frames; of the better denoised way.
    gain, low, high : float
        Best F1 of the better denoised way minus that of the noisy one, and its 95 % interval.
    noisy_rmse_nm, denoised_rmse_nm : float
        Root mean square error at the best thresholds.
    """

    noisy: float
    denoised_fit_raw: float
    denoised_fit_denoised: float
    noisy_held_out: float
    denoised_held_out: float
    gain: float
    low: float
    high: float
    noisy_rmse_nm: float
    denoised_rmse_nm: float


def fair_comparison(movie: Movie, photoelectrons: FloatArray) -> Fair:
    """Compare a movie with its denoised version, photoelectrons."""
    made = finish(compare(movie.stack, as_stack(movie.camera.adu(photoelectrons)), movie.camera, movie.truth))
    return _figures(made)


def _figures(made: Comparison) -> Fair:
    before, after = made.noisy.truthful, made.denoised.truthful
    assert before is not None  # there is truth
    assert after is not None
    assert after.gain is not None
    return Fair(
        noisy=made.noisy.best_f1,
        denoised_fit_raw=made.denoised_fit_raw.best_f1,
        denoised_fit_denoised=made.denoised_fit_denoised.best_f1,
        noisy_held_out=before.best_f1_held_out,
        denoised_held_out=after.best_f1_held_out,
        gain=after.gain.value,
        low=np.nan if after.gain.low is None else after.gain.low,
        high=np.nan if after.gain.high is None else after.gain.high,
        noisy_rmse_nm=before.at_best.rmse_nm,
        denoised_rmse_nm=after.at_best.rmse_nm,
    )
