"""What is to be done with a movie, and under which names: a recipe applied to it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from blinkspot.batch.opened import opened_model, opened_movie, opened_movies
from blinkspot.batch.recipe import Recipe, TrainRecipe, camera_key
from blinkspot.batch.result_folder import (
    BATCH_FILES,
    RECORD,
    ResultFolder,
    is_free,
    is_there,
    kept_warnings,
    key_of,
)
from blinkspot.batch.shared_model import SharedModel
from blinkspot.batch.steps import (
    BatchStep,
    Check,
    Compare,
    Denoise,
    Localize,
    MeasureResolution,
    Process,
    Train,
)
from blinkspot.camera import Camera
from blinkspot.camera_from_movie.finding import FoundCamera, GivenCamera, find_camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.drift import LoadedDrift
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.stack import Stack


@dataclass(frozen=True)
class MoviePlan:
    """What is to be done with one movie.

    Attributes
    ----------
    movie : Path
    n_frames : int
    folder : ResultFolder
        Of its results.
    model : Path or None
        Model that is used.
    steps : tuple of BatchStep
        In their order; those that are done already, too.
    notes : tuple of str
        What was not given of its camera, and where it comes from.
    """

    movie: Path
    n_frames: int
    folder: ResultFolder
    model: Path | None
    steps: tuple[BatchStep, ...]
    notes: tuple[str, ...]

    @property
    def to_do(self) -> tuple[BatchStep, ...]:
        """The steps whose results are not there yet."""
        return tuple(step for step in self.steps if not is_there(step.target))

    def warnings(self) -> tuple[str, ...]:
        """Return what was said against trusting the results that are there, each sentence once."""
        # The training of a model that all movies share is none of a movie's steps.
        made = [*([] if self.model is None else [self.model]), *(step.target for step in self.steps)]
        return tuple(dict.fromkeys(each for path in made for each in kept_warnings(path)))

    def result_of(self, kind: type[BatchStep]) -> Path | None:
        """Return what the step of a kind makes; None where there is none."""
        return next((step.target for step in self.steps if isinstance(step, kind)), None)


class Planner:
    """Applies a recipe to movies.

    Parameters
    ----------
    recipe : Recipe
    output : Path
        Folder of all results; it exists.
    """

    def __init__(self, recipe: Recipe, output: Path) -> None:
        self._recipe = recipe
        self._output = output
        self._given: GivenCamera = recipe.camera.given()
        self._taken: set[Path] = set()

    def shared_model(self, movies: Sequence[Path]) -> tuple[SharedModel | None, dict[Path, str]]:
        """Return the model that all movies share; None where there is none, or each has its own.

        Parameters
        ----------
        movies : sequence of Path
            All that it can be trained on, as far as their frames go.

        Returns
        -------
        shared : SharedModel or None
        left_out : dict
            A sentence on each movie that it is not trained on as its file contradicts the model's camera,
            which is that of the first one; what that does not state, the others' files may.

        Raises
        ------
        BlinkspotError
            If the movies are of different kinds, or their camera is not known.
        """
        train = self._recipe.train
        if train is None or train.models == "each":
            return None, {}
        if isinstance(train.models, Path):
            model = opened_model(train.models)
            return SharedModel(train.models, _digest(train.models), model.camera), {}
        opened_movies(tuple(movies))  # says where they cannot be joined
        notes: list[str] = []
        opened = {path: opened_movie(path) for path in movies}
        camera = find_camera(self._given, *opened.values(), say=notes.append, named=camera_key).camera
        contradictions = {path: self._contradiction(path, opened[path], camera) for path in movies}
        left_out = {path: why for path, why in contradictions.items() if why}
        known = {path: movie_identity(movie) for path, movie in opened.items() if path not in left_out}
        # In whatever order they are given, and whatever they are called, the model is the same.
        movies = sorted(known, key=lambda path: str(known[path]["pixels"]))
        content = [Train.name, [known[path] for path in movies], camera.identity(), _train_settings(train)]
        folder = ResultFolder(self._output)
        key = folder.model_key(key_of(content), self._folders())
        path = folder.claim(Train.name, key, "model.blinkspot", _train_settings(train))
        self._taken.add(path)  # on a cluster, folders are made before it is there
        training = Train(tuple(movies), camera, train.settings, train.start_from, path)
        return SharedModel(path, key, camera, training, tuple(notes)), left_out

    def _contradiction(self, path: Path, movie: Stack, camera: Camera) -> str:
        """Say why a movie is not of the camera of the model for all; empty where it may be."""
        try:
            differences = camera.differences(self._found(movie, camera, []).camera)
        except BlinkspotError as error:
            return str(error)
        if not differences:
            return ""
        return (
            f"the model for all movies is trained for another camera ({differences[0]}): give {path.name} "
            "to a batch of its own, or correct the camera."
        )

    def plan(self, path: Path, shared: SharedModel | None) -> MoviePlan:
        """Return what is to be done with a movie, and give all results their names.

        Parameters
        ----------
        path : Path
        shared : SharedModel or None
            See :meth:`shared_model`.

        Raises
        ------
        BlinkspotError
            If the movie cannot be opened, its camera is not known, or the folder cannot be written.
        """
        movie = opened_movie(path)
        identity = movie_identity(movie)
        notes: list[str] = []
        found = self._found(movie, None if shared is None else shared.camera, notes)
        folder = self._folder_of(path, identity, notes)
        folder.clear_leftovers()
        return _MoviePlanner(self._recipe, path, movie, identity, found, folder, shared).plan(notes)

    def _found(self, movie: Stack, like: Camera | None, notes: list[str]) -> FoundCamera:
        return find_camera(self._given, movie, say=notes.append, named=camera_key, like=like)

    def _folders(self) -> list[ResultFolder]:
        """Return the folders of all movies that were ever done here."""
        found = []
        for record in sorted(self._output.glob(f"*/{RECORD}")):
            with contextlib.suppress(BlinkspotError):
                found.append(ResultFolder(record.parent))
        return found

    def _of_renamed(self, identity: dict[str, Any], where: str) -> list[ResultFolder]:
        """Return the folders of a movie that had another name before: nothing else is where it was."""
        return [
            folder
            for folder in self._before
            if folder.movie is not None
            and folder.movie.get("identity") == identity
            and folder.path not in self._taken
            and (folder.movie.get("path") == where or not os.path.lexists(str(folder.movie.get("path"))))
        ]

    @cached_property
    def _before(self) -> list[ResultFolder]:
        return self._folders()

    def _folder_of(self, path: Path, identity: dict[str, Any], notes: list[str]) -> ResultFolder:
        """Return the folder that a movie has had before, or a new one; each belongs to one movie."""
        stem = path.stem if path.is_file() else path.name.removesuffix(".zarr")
        where = os.path.abspath(path)
        known: list[ResultFolder] = []
        damaged: BlinkspotError | None = None
        in_the_way: list[str] = []
        number, free = 1, None
        while free is None:
            candidate = self._output / (stem if number == 1 else f"{stem}-{number}")
            number += 1
            if candidate in self._taken or candidate.name.lower() in BATCH_FILES:
                continue
            if is_free(candidate):
                free = candidate
                break
            in_the_way.append(candidate.name)
            try:
                folder = ResultFolder(candidate)
            except BlinkspotError as error:
                damaged = damaged or error
                continue
            if folder.movie is not None and folder.movie.get("identity") == identity:
                known.append(folder)
        if damaged is not None and not known:
            raise damaged  # it may be the movie's own: hours of work that would be done again
        same_place = [folder for folder in known if folder.movie and folder.movie.get("path") == where]
        renamed = [] if known else self._of_renamed(identity, where)
        chosen = (same_place or known or renamed or [ResultFolder(free)])[0]
        self._taken.add(chosen.path)
        if renamed:
            # Another movie may get the old name.
            chosen.belong_to({"path": where, "identity": identity})
            notes.append(
                f"its results are in the folder {chosen.path.name}, after the name that it had before."
            )
        if chosen.movie is None:
            chosen.belong_to({"path": where, "identity": identity})
            if in_the_way:
                others = f"{in_the_way[-1]} is there already, and not of this movie"
                notes.append(f"its results go to the folder {chosen.path.name}: {others}.")
        return chosen


@dataclass(frozen=True)
class _MoviePlanner:
    """Gives the steps of one movie their keys and names."""

    recipe: Recipe
    path: Path
    movie: Stack
    identity: dict[str, Any]
    found: FoundCamera
    folder: ResultFolder
    shared: SharedModel | None

    _files: ClassVar[dict[str, str]] = {"csv": ".csv", "hdf5": ".hdf5"}

    def plan(self, notes: list[str]) -> MoviePlan:
        recipe = self.recipe
        steps: list[BatchStep] = []
        model, model_key = self._model(steps)
        denoised, denoised_key = self._denoised(steps, model, model_key)
        self._tables(steps, denoised, denoised_key, model, model_key)
        if recipe.compare is not None:
            assert denoised is not None
            assert model is not None  # else the recipe would not have been read
            settings = dataclasses.asdict(recipe.compare)
            target, _ = self._claim(Compare.name, "comparison", settings, denoised_key, model_key)
            steps.append(Compare(self.path, denoised, model, self.camera, recipe.compare, target))
        if recipe.check is not None:
            settings = dataclasses.asdict(recipe.check)
            target, _ = self._claim(Check.name, "check.json", settings, model_key)
            steps.append(Check(self.path, model, self.camera, recipe.check, target))
        return MoviePlan(self.path, self.movie.n_frames, self.folder, model, tuple(steps), tuple(notes))

    @property
    def camera(self) -> Camera:
        return self.found.camera

    @property
    def _frame_pixels(self) -> int:
        return self.movie.height * self.movie.width

    def _key(self, step: str, name: str, settings: Any, *made_of: str | None) -> str:
        """Return the key of a step: all that decides about the result."""
        return key_of([step, name, settings, self.identity, self.camera.identity(), *made_of])

    def _claim(self, step: str, name: str, settings: Any, *made_of: str | None) -> tuple[Path, str]:
        """Return the file of a step, and its key."""
        key = self._key(step, name, settings, *made_of)
        return self.folder.claim(step, key, name, settings, [each for each in made_of if each]), key

    def _model(self, steps: list[BatchStep]) -> tuple[Path | None, str | None]:
        train = self.recipe.train
        if self.shared is not None:
            return self.shared.path, self.shared.key
        if train is None:
            return None, None
        name, settings = "model.blinkspot", _train_settings(train)
        key = self.folder.model_key(self._key(Train.name, name, settings), [self.folder])
        target = self.folder.claim(Train.name, key, name, settings)
        steps.append(Train((self.path,), self.camera, train.settings, train.start_from, target))
        return target, key

    def _denoised(
        self, steps: list[BatchStep], model: Path | None, model_key: str | None
    ) -> tuple[Path | None, str | None]:
        denoise = self.recipe.denoise
        if denoise is None:
            return None, None
        assert model is not None  # else the recipe would not have been read
        name = f"denoised.{denoise.format}"
        target, key = self._claim(Denoise.name, name, dataclasses.asdict(denoise), model_key)
        # What is not stated comes from the model's camera: they differ only where that is contradicted.
        known = None if self.shared is None else self.camera
        n_frames, pixels = self.movie.n_frames, self._frame_pixels
        how = (denoise.estimate, denoise.units, denoise.device)
        steps.append(Denoise(self.path, n_frames, pixels, model, known, *how, target))
        return target, key

    def _tables(
        self,
        steps: list[BatchStep],
        denoised: Path | None,
        denoised_key: str | None,
        model: Path | None,
        model_key: str | None,
    ) -> None:
        recipe, localize = self.recipe, self.recipe.localize
        if localize is None:
            return
        suffix = self._files[localize.format]
        is_guided = localize.candidates_from == "denoised"
        calibrates = localize.settings.fit_on == "denoised" and localize.settings.astigmatism is None
        settings = {"candidates_from": localize.candidates_from, **dataclasses.asdict(localize.settings)}
        made_of = (denoised_key if is_guided else None, model_key if calibrates else None)
        table, key = self._claim(Localize.name, f"localizations{suffix}", settings, *made_of)
        steps.append(
            Localize(
                self.path,
                self.movie.n_frames,
                self._frame_pixels,
                denoised if is_guided else None,
                model if calibrates else None,
                self.camera,
                localize.settings,
                table,
            )
        )
        if recipe.process:
            done = [_step_settings(step) for step in recipe.process]
            source = table
            table, key = self._claim(Process.name, f"processed{suffix}", done, key)
            steps.append(Process(source, recipe.process, table))
        if recipe.resolution is not None:
            settings = dataclasses.asdict(recipe.resolution)
            target, _ = self._claim(MeasureResolution.name, "resolution.json", settings, key)
            steps.append(MeasureResolution(table, recipe.resolution, target))


def _train_settings(train: TrainRecipe) -> dict[str, Any]:
    start = None if train.start_from is None else _digest(train.start_from)
    return {**dataclasses.asdict(train.settings), "start_from": start}


def _step_settings(step: Any) -> dict[str, Any]:
    settings = {"step": step.name, **dataclasses.asdict(step)}
    if isinstance(step, LoadedDrift):
        settings["path"] = _digest(Path(step.path))
    return settings


def _digest(path: Path) -> str:
    """Return a digest of a file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BlinkspotError(f"{path} cannot be read: {error.strerror or error}.") from error
