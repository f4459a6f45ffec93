"""What saving and opening a session does in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.plugin import backend
from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
from blinkspot.plugin.denoise.denoising_steps import DenoisingTask
from blinkspot.plugin.denoise.on_the_fly.steps import Prepared, prepare
from blinkspot.plugin.layers.movies import movie_layer
from blinkspot.plugin.layers.table_shown import PictureChoice
from blinkspot.plugin.localize import localizing_steps
from blinkspot.plugin.molecules import molecules_steps
from blinkspot.progress import Progress
from blinkspot.sessions import DenoisedMovie, Model, Movie, Picture, SessionContents, SessionRecord, Table

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser
    from blinkspot.localization.astigmatism import AstigmatismCalibration

LayerData = tuple[Any, dict[str, Any], str]
# No model of ours comes near it: a file that does is something else.
_LARGEST_MODEL_BYTES = 2 << 30
# Error of a camera's value; a whole number in JSON may have any number of digits.
_LARGEST = 1e300


@dataclass(frozen=True)
class Saved:
    """The folder of a session that was saved, and what else is to be said, a sentence each."""

    folder: Path
    remarks: tuple[str, ...] = ()


def save(contents: SessionContents, folder: Path, with_movies: bool) -> Generator[Progress, None, Saved]:
    """Save a session into a new folder."""
    yield Progress("preparing", 0, 1, 0.0)
    write = yield from backend.meanwhile(_writer, "preparing")
    remarks: list[str] = []
    written = yield from write(contents, folder, with_movies, remarks)
    return Saved(written, tuple(remarks))


def _writer() -> Callable[..., Any]:
    from blinkspot.sessions.folder import write_session

    return write_session


def lines_of(contents: SessionContents, movie: str | None) -> list[str]:
    """Return the command lines that repeat what was done; see :func:`blinkspot.sessions.command_lines`."""
    from blinkspot.sessions.commands import command_lines

    return command_lines(contents.record, movie)


@dataclass(frozen=True)
class Located:
    """A session, and where its movies lie now.

    Attributes
    ----------
    folder : Path
    record : SessionRecord
    movies, denoised : dict of Stack
        Those that were found, by name.
    missing : dict of str
        Names of the recorded movies that have a file, which was not found, each with why: empty where nothing
        is there.
    remarks : tuple of str
        What else is not as it was, a sentence each.
    """

    folder: Path
    record: SessionRecord
    movies: Mapping[str, Stack]
    denoised: Mapping[str, Stack]
    missing: Mapping[str, str]
    remarks: tuple[str, ...] = ()


def locate(path: Path, moved: Mapping[str, Path]) -> Generator[Progress, None, Located]:
    """Read a session, and look for its movies: within it, seen from it, and where they lay.

    Parameters
    ----------
    path : Path
        Of the session's folder.
    moved : mapping
        Where the user says that movies lie now, by name.

    Raises
    ------
    BlinkspotError
        If it is no session.
    """
    yield Progress("reading the session", 0, 1, 0.0)

    def read() -> tuple[Path, SessionRecord]:
        from blinkspot.sessions.folder import read_session

        return read_session(path)

    folder, record = yield from backend.meanwhile(read, "reading the session")
    movies, denoised, remarks = {}, {}, []
    missing: dict[str, str] = {}
    for movie in record.movies:
        if not movie.shown:
            continue
        found = yield from backend.meanwhile(
            partial(_movie, movie, folder, moved.get(movie.name)), f"looking for {movie.name}"
        )
        if isinstance(found, Stack):
            movies[movie.name] = found
        elif movie.path is None:
            remarks.append(f"The movie {movie.name!r} was in memory only.")
        else:
            missing[movie.name] = found
    for entry in record.denoised:
        if not entry.shown:
            continue
        found = yield from backend.meanwhile(
            partial(_movie, entry, folder, None), f"looking for {entry.name}"
        )
        if isinstance(found, Stack):
            denoised[entry.name] = found
        elif entry.path is not None:
            why = f" ({found})" if found else ""
            remarks.append(f"The denoised movie {entry.name!r} is not where it was{why}: denoise again.")
    return Located(folder, record, movies, denoised, missing, tuple(remarks))


def _movie(entry: Movie | DenoisedMovie, folder: Path, moved: Path | None) -> Stack | str:
    """Open a movie, where it is found and is still the same one; else return why not, if there is one."""
    candidates = [
        moved,
        None if entry.file is None else Path(entry.file),
        None if entry.relative is None else folder / entry.relative,
        None if entry.path is None else Path(entry.path),
    ]
    reason = ""
    for path in candidates:
        try:
            if path is None or not path.exists():
                continue
            stack = open_stack(path.resolve())
            if _is_of(entry, stack):
                return stack
            reason = f"{path} holds another movie now"
        except BlinkspotError as error:
            reason = str(error).rstrip(".")
        except OSError as error:
            reason = f"{path} cannot be read ({error.strerror or error})"
    return reason


def _is_of(entry: Movie | DenoisedMovie, stack: Stack) -> bool:
    """Whether a movie is the one that was saved, as far as that is known."""
    if entry.identity is not None:
        return entry.identity == movie_identity(stack)
    return not isinstance(entry, Movie) or entry.shape == stack.shape


@dataclass(frozen=True)
class RestoredTable:
    """A table, its steps, what is shown of it, and the calibration of its heights."""

    table: Table
    opened: molecules_steps.Opened
    shown: molecules_steps.Shown
    calibration: tuple[Path, AstigmatismCalibration] | None


@dataclass(frozen=True)
class Restored:
    """Everything of a session, ready for the viewer.

    Attributes
    ----------
    located : Located
    movies : list of (Movie, layer data, CameraRecord or None)
    denoised : list of (DenoisedMovie, layer data)
    models : list of (Model, Denoiser)
    anew : list of (DenoisedMovie, DenoisingTask, Prepared)
        Denoised movies that were in memory only, and are denoised as one looks at them.
    tables : list of RestoredTable
    remarks : list of str
    """

    located: Located
    movies: list[tuple[Movie, LayerData, CameraRecord | None]] = field(default_factory=list)
    denoised: list[tuple[DenoisedMovie, LayerData]] = field(default_factory=list)
    models: list[tuple[Model, Denoiser]] = field(default_factory=list)
    anew: list[tuple[DenoisedMovie, DenoisingTask, Prepared]] = field(default_factory=list)
    tables: list[RestoredTable] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def restore(located: Located, frame: int) -> Generator[Progress, None, Restored]:
    """Read what belongs to a session; what cannot be read is said, and left out.

    Parameters
    ----------
    frame : int
        That the viewer shows.
    """
    record = located.record
    lost = [
        f"The movie {name!r} was not found{f': {reason}' if reason else ''}."
        for name, reason in located.missing.items()
    ]
    restored = Restored(located, remarks=[*lost, *located.remarks])

    def try_to(step: str, work: Callable[[], Any]) -> Generator[Progress, None, Any]:
        try:
            return (yield from backend.meanwhile(work, step))
        except (BlinkspotError, OSError) as error:
            restored.remarks.append(str(error))
            return None

    for movie in record.movies:
        stack = located.movies.get(movie.name)
        if stack is not None:
            step = f"opening {movie.name}"
            layer = yield from try_to(step, partial(movie_layer, stack, movie.name))
            camera = yield from try_to(step, partial(_camera, movie, stack))
            if layer is not None:
                restored.movies.append((movie, layer, camera))
    for entry in record.denoised:
        stack = located.denoised.get(entry.name)
        if stack is not None:
            layer = yield from try_to(f"opening {entry.name}", partial(movie_layer, stack, entry.name))
            if layer is not None:
                restored.denoised.append((entry, layer))
    if any(model.file for model in record.models):
        yield from backend.loading()
    for model in record.models:
        if model.file is not None:
            loaded = yield from try_to(f"loading {model.name}", partial(_model, Path(model.file)))
            if loaded is not None:
                restored.models.append((model, loaded))
    for entry in record.denoised:
        if entry.shown and entry.path is None and entry.name not in located.denoised:
            try:
                restored.anew.append((yield from _anew(entry, restored, frame)))
            except BlinkspotError as error:
                restored.remarks.append(str(error))
    for table in record.tables:
        if table.file is not None:
            try:
                restored.tables.append((yield from _table(table, frame)))
            except (BlinkspotError, OSError) as error:
                restored.remarks.append(str(error))
    return restored


def _anew(
    entry: DenoisedMovie, restored: Restored, frame: int
) -> Generator[Progress, None, tuple[DenoisedMovie, DenoisingTask, Prepared]]:
    """Have a denoised movie that was in memory only denoised anew, as one looks at it.

    Raises
    ------
    BlinkspotError
        If what made it is not there, or it was only a part of its movie.
    """
    lost = BlinkspotError(f"The denoised movie {entry.name!r} was in memory only: denoise again.")
    source = next((each for each in restored.movies if each[0].name == entry.movie), None)
    model = next((each for record, each in restored.models if record.name == entry.model), None)
    settings = entry.provenance.get("settings")
    if source is None or model is None or not isinstance(settings, dict):
        raise lost
    movie, record = restored.located.movies[source[0].name], source[2]
    camera = None if record is None or not record.is_certain else record.camera
    task = DenoisingTask(model, movie, camera, 0, movie.n_frames, settings.get("estimate", ""))
    if settings != task.provenance["settings"] or task.estimate not in backend.denoising().noise.ESTIMATES:
        raise lost
    prepared = yield from prepare(task, min(max(frame, 0), movie.n_frames - 1))
    return entry, task, prepared


def _camera(movie: Movie, stack: Stack) -> CameraRecord | None:
    """Return a movie's camera, each of its values with where it came from."""
    if movie.camera_file is None:
        return None
    camera = Camera.load(movie.camera_file)
    note = f"Of the session's {Path(movie.camera_file).name}."
    record = CameraRecord().loaded(camera, Source(Origin.LOADED, note=note), stack.height, stack.width)
    sources = {name: found for name, said in movie.sources.items() if (found := _source(said)) is not None}
    if camera.maps is None:
        # A value that nobody has given stays such a one.
        return dataclasses.replace(record, sources=sources, remark=movie.remark)
    return dataclasses.replace(record, sources={**record.sources, **sources}, remark=movie.remark)


def _source(said: Any) -> Source | None:
    origin = said.get("origin") if isinstance(said, dict) else None
    if not isinstance(origin, str) or origin not in Origin.__members__:
        return None
    error, note = said.get("error"), said.get("note")
    return Source(
        Origin[origin],
        float(error) if isinstance(error, int | float) and abs(error) < _LARGEST else None,
        note if isinstance(note, str) else "",
    )


def _model(path: Path) -> Denoiser:
    if path.is_file() and path.stat().st_size > _LARGEST_MODEL_BYTES:
        raise BlinkspotError(f"{path} is larger than any model: it is not loaded.")
    model: Denoiser = backend.denoising().Denoiser.load(path)
    return model


def _table(table: Table, frame: int) -> Generator[Progress, None, RestoredTable]:
    """Read a table; its steps are done anew, so that each can be taken back, and end with what was saved."""
    assert table.file is not None
    opened = yield from molecules_steps.read(Path(table.file), None)
    history = opened.history
    if table.steps and table.processed_file is not None:
        saved = yield from molecules_steps.read(Path(table.processed_file), None)
        tables: list[Any] = []
        # A step's file may be gone: then the steps are taken back together.
        with contextlib.suppress(BlinkspotError, KeyError, TypeError, ValueError):
            steps = [(str(step["step"]), dict(step["settings"])) for step in table.steps]
            tables = yield from molecules_steps.apply(history.source, steps)
        history.add([*tables[:-1], saved.history.source])
    shown = yield from molecules_steps.show(history.table, "", opened, frame, _choice(table.picture))
    calibration = None
    if table.calibration is not None:
        read = partial(localizing_steps.read_calibration, Path(table.calibration))
        calibration = yield from backend.meanwhile(read, "reading the calibration")
    return RestoredTable(table, opened, shown, calibration)


def _choice(picture: Picture | None) -> PictureChoice | None:
    if picture is None:
        return None
    return PictureChoice(picture.pixel_size_nm, picture.method, picture.colour_by)
