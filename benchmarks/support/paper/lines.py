"""What is measured of each data set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from blinkspot.camera import FloatArray
from blinkspot.denoising.noise import ESTIMATES, Estimate
from blinkspot.evaluation import movie_signal_to_background
from blinkspot.evaluation.scoring.picture_scores import psnr_db
from blinkspot.progress import finish

from ..trainings import Movie
from .data_sets import DataSet, movie_of
from .models import Models, denoised
from .peers import peers
from .protocols import fair_comparison, paper_scores, returned, told_f1
from .results import Figures, Results

# It settles in as many steps as ours, each some ten times as long.
LAINE_MINUTES = 10.0


@dataclass(frozen=True)
class Run:
    """One run: how much of everything, and where it is kept.

    Attributes
    ----------
    results : Results
    models : Models
    frames : int
        Of each simulated movie.
    seed : int
        Of the simulations.
    threads : int
        That compute.
    careamics, bm3d : Path or None
        Interpreters of the peers' environments.
    """

    results: Results
    models: Models
    frames: int
    seed: int
    threads: int
    careamics: Path | None
    bm3d: Path | None

    def movie(self, data_set: DataSet, *, blinking: bool = False) -> Movie:
        """Simulate a data set at this run's length."""
        return movie_of(data_set, self.frames, self.seed, blinking=blinking)


def paper_line(run: Run, data_set: DataSet, *, blinking: bool = False, **settings: object) -> Figures:
    """Train on a data set; score it by the paper's protocol and a fair one.

    Parameters
    ----------
    run : Run
    data_set : DataSet
    blinking : bool
        Its blinking version, with context frames.
    **settings
        :class:`TrainingSettings` that are not the defaults.
    """

    def measure() -> Figures:
        movie = run.movie(data_set, blinking=blinking)
        trained = run.models.trained(
            movie.name, movie.stack, movie.camera, context_frames=None if blinking else 0, **settings
        )
        frames = denoised(movie.stack, trained.model)
        figures = _of_paper(movie, frames, trained.model.context_frames)
        figures |= {
            "molecules": len(movie.truth),
            "steps": trained.steps,
            "settled": trained.settled,
            "cpu_s": trained.cpu_s,
            "context_frames": trained.model.context_frames,
        }
        return figures | _fair(movie, frames)

    chosen = "".join(f" {name}={value}" for name, value in settings.items())
    return run.results.of(f"{data_set.preset}{' blinking' if blinking else ''}{chosen}", measure)


def cross_line(run: Run, trained_on: DataSet, applied_to: DataSet) -> Figures:
    """Denoise a data set with the model of another, as the paper's Table 2 does."""

    def measure() -> Figures:
        own, movie = run.movie(trained_on), run.movie(applied_to)
        other = run.models.trained(own.name, own.stack, own.camera, context_frames=0).model
        return _of_paper(movie, denoised(movie.stack, other.for_camera(movie.camera)))

    return run.results.of(f"{trained_on.preset} applied to {applied_to.preset}", measure)


def contrast_line(run: Run, data_set: DataSet) -> Figures:
    """Signal-to-background ratio by iterative threshold selection, which the paper reports."""

    def measure() -> Figures:
        movie = run.movie(data_set)
        model = run.models.trained(movie.name, movie.stack, movie.camera, context_frames=0).model
        versions = {"noisy": movie.noisy, "denoised": denoised(movie.stack, model), "clean": movie.clean}
        return {name: finish(movie_signal_to_background(frames)).mean for name, frames in versions.items()}

    return run.results.of(f"{data_set.preset} contrast", measure)


def ablation_lines(run: Run, data_set: DataSet) -> dict[str, Figures]:
    """Leave out, one at a time, what the paper names; by the paper's protocol."""
    movie = run.movie(data_set)
    lines = {}
    for estimate in ESTIMATES:
        if estimate != "posterior-variance":
            lines[f"estimate: {estimate}"] = _ablation(run, movie, {}, estimate)
    others: dict[str, dict[str, object]] = {
        "loss: Gaussian, its variance the mean": {"loss": "gaussian"},
        f"network: laine (16 channels), {LAINE_MINUTES:g} minutes": {
            "network": "laine",
            "channels": 16,
            "minutes": LAINE_MINUTES,
        },
        "frames: all": {"min_relative_signal": 0.0},
        "frames: of average signal or more": {"min_relative_signal": 1.0},
    }
    for name, settings in others.items():
        lines[name] = _ablation(run, movie, settings, "posterior-mean")
    return lines


def _ablation(run: Run, movie: Movie, settings: dict[str, object], estimate: Estimate) -> Figures:
    def measure() -> Figures:
        trained = run.models.trained(movie.name, movie.stack, movie.camera, context_frames=0, **settings)
        figures = _of_paper(movie, denoised(movie.stack, trained.model, estimate))
        return figures | {"steps": trained.steps, "settled": trained.settled, "cpu_s": trained.cpu_s}

    chosen = " ".join(f"{name}={value}" for name, value in settings.items())
    return run.results.of(f"{movie.name} {estimate} {chosen}".strip(), measure)


def peer_lines(run: Run, data_set: DataSet, cpu_s: float) -> dict[str, Figures]:
    """Denoise a data set with each peer; the paper's protocol and the fair one."""
    lines = {}
    for peer in peers(run.careamics, run.bm3d, cpu_s, run.threads):

        def measure() -> Figures:
            movie = run.movie(data_set)
            frames = peer.denoised(movie)  # noqa: B023, called before the next peer comes
            return _of_paper(movie, frames) | _fair(movie, frames)

        lines[peer.name] = run.results.of(f"{data_set.preset} {peer.name.split(',')[0]}", measure)
    return lines


def _of_paper(movie: Movie, frames: FloatArray, context_frames: int = 0) -> Figures:
    figures: Figures = {}
    scores = {
        "noisy": paper_scores(movie),
        "denoised": paper_scores(movie, frames),
        "clean": paper_scores(movie, movie.clean),
    }
    for name, (each, misplaced) in scores.items():
        figures |= {
            f"{name}_f1": each.f1,
            f"{name}_precision": each.precision,
            f"{name}_recall": each.recall,
            f"{name}_false": each.false_positives,
            f"{name}_misplaced": misplaced,
            f"{name}_rmse_nm": each.rmse_nm,
        }
    figures["returned"] = returned(*(figures[f"{name}_f1"] for name in ("noisy", "denoised", "clean")))
    figures["told_f1"] = told_f1(movie, context_frames)
    figures["noisy_psnr_db"] = psnr_db(movie.noisy, movie.clean)
    figures["denoised_psnr_db"] = psnr_db(frames, movie.clean)
    return figures


def _fair(movie: Movie, frames: FloatArray) -> Figures:
    made = dataclasses.asdict(fair_comparison(movie, frames))
    return {f"fair_{name}": value for name, value in made.items()}
