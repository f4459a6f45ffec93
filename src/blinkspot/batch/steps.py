"""The steps of a batch: what each is made of, and how it is made.

Every step is a frozen dataclass that can be sent to another machine. It knows the files that it reads, and
the one that it makes; ``run`` is a generator that yields progress. What speaks against trusting the result is
kept beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from blinkspot.batch.opened import opened_denoised, opened_model, opened_movie, opened_movies
from blinkspot.batch.result_folder import checkpoint_path, keep_warnings
from blinkspot.camera import Camera
from blinkspot.camera_from_movie.estimate import noise_contradiction
from blinkspot.evaluation import (
    ComparisonSettings,
    TooFewMolecules,
    calibrate_uncertainties,
    check_can_calibrate,
    check_held_out,
    compare,
    write_report,
)
from blinkspot.evaluation.held_out import HeldOutSettings, picture_sentence, sentence
from blinkspot.evaluation.resolution import ResolutionSettings, measure_resolution
from blinkspot.files.whole_files import written_whole
from blinkspot.localization import LocalizationTable, LocalizedFile, Localizer, LocalizerSettings, read_table
from blinkspot.localization.processing import Step as TableStep
from blinkspot.localization.processing import process
from blinkspot.localization.processing.step import RECORD
from blinkspot.movies.checks import check_camera, check_movie
from blinkspot.movies.stack import Stack
from blinkspot.paced import waited_for
from blinkspot.plain_values import encodable
from blinkspot.progress import Progress, Stopwatch

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser, Estimate, TrainingSettings, Units


class BatchStep(Protocol):
    """A step of a batch.

    Attributes
    ----------
    name : str
        As the command is called.
    target : Path
        What it makes.
    """

    name: ClassVar[str]

    @property
    def target(self) -> Path:
        """What it makes."""
        ...

    @property
    def needs(self) -> tuple[Path, ...]:
        """Results of other steps that it is made of."""
        ...

    @property
    def movies_read(self) -> tuple[Path, ...]:
        """Movies, as recorded, that it reads."""
        ...

    def run(self) -> Generator[Progress, None, None]:
        """Make it; what was begun before and can be gone on with is gone on with."""
        ...


@dataclass(frozen=True)
class Train:
    """Train a model on a movie, or on the frames of several."""

    name: ClassVar[str] = "train"

    movies: tuple[Path, ...]
    camera: Camera
    settings: TrainingSettings
    start_from: Path | None
    target: Path

    @property
    def movies_read(self) -> tuple[Path, ...]:
        """Movies, as recorded, that it reads."""
        return self.movies

    @property
    def needs(self) -> tuple[Path, ...]:
        """Results of other steps, or models, that it is made of."""
        return () if self.start_from is None else (self.start_from,)

    @property
    def checkpoint(self) -> Path:
        """Where the training is kept until it has ended."""
        return checkpoint_path(self.target)

    def run(self) -> Generator[Progress, None, None]:
        """Train, from the checkpoint on where there is one of this training."""
        from blinkspot.denoising import Denoiser, Training
        from blinkspot.denoising.training.checkpoint import identity_of, is_of_training
        from blinkspot.denoising.training.kept_training import discard
        from blinkspot.denoising.training.learner import load_optimiser

        yield from _waited(load_optimiser)
        movie = yield from _waited(partial(opened_movies, self.movies))
        start = None if self.start_from is None else Denoiser.load(self.start_from)
        training = Training(movie, self.camera, self.settings, start)
        resume = None
        if self.checkpoint.exists():
            identity = yield from _waited(partial(identity_of, movie, self.camera, self.settings, start))
            resume = self.checkpoint if is_of_training(self.checkpoint, identity) else None
        model = yield from training.run(self.checkpoint, resume)
        keep_warnings(self.target, training.warnings)
        model.save(self.target)
        discard(self.checkpoint)


@dataclass(frozen=True)
class Denoise:
    """Denoise a movie into a file."""

    name: ClassVar[str] = "denoise"

    movie: Path
    n_frames: int
    frame_pixels: int
    model: Path
    camera: Camera | None
    """The movie's camera, where the model was not made for it alone, and must be the model's."""
    estimate: Estimate
    units: Units
    device: str
    target: Path

    @property
    def movies_read(self) -> tuple[Path, ...]:
        """Movies, as recorded, that it reads."""
        return (self.movie,)

    @property
    def needs(self) -> tuple[Path, ...]:
        """Results of other steps that it is made of."""
        return (self.model,)

    def opened(self) -> tuple[Denoiser, Stack]:
        """Return model and movie."""
        return opened_model(self.model, self.device), opened_movie(self.movie)

    def checked(self) -> Generator[Progress, None, tuple[Denoiser, Stack]]:
        """Return model and movie, once they are found to suit each other; keep what speaks against that."""
        from blinkspot.denoising import likeness_of

        model, movie = yield from _waited(self.opened)
        yield from _waited(partial(model.check_matches, movie, self.camera))
        unlike = (yield from likeness_of(model, movie)).warning
        keep_warnings(self.target, [] if unlike is None else [unlike])
        return model, movie

    def run(self) -> Generator[Progress, None, None]:
        """Denoise, from where an earlier run ended."""
        from blinkspot.denoising import denoise_to_file

        model, movie = yield from self.checked()
        yield from denoise_to_file(model, movie, self.target, self.estimate, self.units)


@dataclass(frozen=True)
class Localize:
    """Find the molecules of a movie."""

    name: ClassVar[str] = "localize"

    movie: Path
    n_frames: int
    frame_pixels: int
    denoised: Path | None
    model: Path | None
    camera: Camera
    settings: LocalizerSettings
    target: Path

    @property
    def movies_read(self) -> tuple[Path, ...]:
        """Movies, as recorded, that it reads."""
        return (self.movie,)

    @property
    def needs(self) -> tuple[Path, ...]:
        """Results of other steps that it is made of."""
        return tuple(each for each in (self.denoised, self.model) if each is not None)

    @property
    def localizer(self) -> Localizer:
        """What finds them."""
        return Localizer(self.camera, self.settings)

    def opened(self) -> tuple[Stack, Stack | None]:
        """Return the movie, and the denoised one if candidates come from there."""
        return opened_movie(self.movie), None if self.denoised is None else opened_denoised(self.denoised)

    def checked(self) -> Generator[Progress, None, list[str]]:
        """Check that the movie can be localized; return what speaks against its camera."""
        movie, denoised = self.opened()
        yield from _waited(partial(check_movie, movie))
        yield from _waited(partial(check_camera, movie, self.camera))
        if self.model is not None:
            check_can_calibrate(denoised, opened_model(self.model), self.localizer)
        if self.settings.false_per_frame is None:
            return []
        contradiction = yield from _waited(partial(noise_contradiction, movie, self.camera))
        return [] if contradiction is None else [contradiction]

    def finish(
        self,
        table: LocalizationTable,
        warnings: list[str],
        save: Callable[[LocalizationTable], None] | None = None,
    ) -> Generator[Progress, None, None]:
        """Make the uncertainties of fits on a denoised movie true, and write the table.

        Parameters
        ----------
        table : LocalizationTable
        warnings : list of str
            What is kept beside it.
        save : callable, optional
            Writes the table; as ``target`` by default.
        """
        if self.model is not None:
            denoised = self.opened()[1]
            try:
                table = yield from calibrate_uncertainties(
                    table, denoised, opened_model(self.model), self.localizer
                )
            except TooFewMolecules as error:
                warnings = [*warnings, str(error)]
        keep_warnings(self.target, warnings)
        written = partial(table.save, self.target) if save is None else partial(save, table)
        yield from _waited(written, "writing the table")

    def run(self) -> Generator[Progress, None, None]:
        """Localize, from where an earlier run ended."""
        warnings = yield from self.checked()
        movie, denoised = self.opened()
        with LocalizedFile(self.localizer, movie, self.target, denoised) as file:
            table = yield from file.localize()
            yield from self.finish(table, warnings, file.save)


@dataclass(frozen=True)
class Process:
    """Work on a table after the fits."""

    name: ClassVar[str] = "process"

    table: Path
    steps: tuple[TableStep, ...]
    target: Path

    @property
    def movies_read(self) -> tuple[Path, ...]:
        """Movies, as recorded, that it reads."""
        return ()

    @property
    def needs(self) -> tuple[Path, ...]:
        """Results of other steps that it is made of."""
        return (self.table,)

    def run(self) -> Generator[Progress, None, None]:
        """Apply the steps."""
        before = yield from _waited(partial(read_table, self.table), "reading the table")
        after = yield from process(before, self.steps)
        made = after.provenance[RECORD][-len(self.steps) :]
        warnings = [str(warning) for entry in made for warning in entry.get("warnings", ())]
        keep_warnings(self.target, warnings)
        yield from _waited(partial(after.save, self.target), "writing the table")


@dataclass(frozen=True)
class MeasureResolution:
    """Measure the resolution of a table."""

    name: ClassVar[str] = "resolution"

    table: Path
    settings: ResolutionSettings
    target: Path

    @property
    def movies_read(self) -> tuple[Path, ...]:
        """Movies, as recorded, that it reads."""
        return ()

    @property
    def needs(self) -> tuple[Path, ...]:
        """Results of other steps that it is made of."""
        return (self.table,)

    def run(self) -> Generator[Progress, None, None]:
        """Measure, and write the figures as JSON."""
        table = yield from _waited(partial(read_table, self.table), "reading the table")
        found = yield from measure_resolution(table, self.settings)
        reason = found.ring_correlation.reason
        keep_warnings(self.target, [*found.warnings, *([] if reason is None else [reason])])
        _write_json(self.target, found.as_dict())


@dataclass(frozen=True)
class Compare:
    """Write the page that compares the noisy and the denoised movie."""

    name: ClassVar[str] = "compare"

    movie: Path
    denoised: Path
    model: Path
    camera: Camera
    settings: ComparisonSettings
    target: Path

    @property
    def movies_read(self) -> tuple[Path, ...]:
        """Movies, as recorded, that it reads."""
        return (self.movie,)

    @property
    def needs(self) -> tuple[Path, ...]:
        """Results of other steps that it is made of."""
        return (self.denoised, self.model)

    def run(self) -> Generator[Progress, None, None]:
        """Compare, and write."""
        movie, denoised = opened_movie(self.movie), opened_denoised(self.denoised)
        yield from _waited(partial(check_movie, movie))
        yield from _waited(partial(check_camera, movie, self.camera))
        contradiction = yield from _waited(partial(noise_contradiction, movie, self.camera))
        keep_warnings(self.target, [] if contradiction is None else [contradiction])
        model = yield from _waited(partial(opened_model, self.model))
        found = yield from compare(movie, denoised, self.camera, None, self.settings, model)
        yield from write_report(found, self.target)


@dataclass(frozen=True)
class Check:
    """Check a movie, and its denoising, by photons held out."""

    name: ClassVar[str] = "check"

    movie: Path
    model: Path | None
    camera: Camera
    settings: HeldOutSettings
    target: Path

    @property
    def movies_read(self) -> tuple[Path, ...]:
        """Movies, as recorded, that it reads."""
        return (self.movie,)

    @property
    def needs(self) -> tuple[Path, ...]:
        """Results of other steps that it is made of."""
        return () if self.model is None else (self.model,)

    def run(self) -> Generator[Progress, None, None]:
        """Check, and write words and figures as JSON."""
        movie = opened_movie(self.movie)
        model = None if self.model is None else (yield from _waited(partial(opened_model, self.model)))
        found = yield from check_held_out(movie, self.camera, model, self.settings)
        keep_warnings(self.target, list(found.warnings))
        words = {each.name: sentence(each) for each in found.routes}
        _write_json(self.target, {"words": {**words, "pictures": picture_sentence(found)}, **found.as_dict()})


def _waited(job: Any, saying: str = "opening") -> Generator[Progress, None, Any]:
    return waited_for(job, Stopwatch(saying, 1.0))


def _write_json(target: Path, content: dict[str, Any]) -> None:
    with written_whole(target) as temporary:
        text = json.dumps(encodable(content), indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
