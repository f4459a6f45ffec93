"""What is in a window, and what it was made from: plain values that can be written as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from blinkspot.errors import BlinkspotError, in_brief


@dataclass(frozen=True)
class Movie:
    """A movie as it was recorded.

    Attributes
    ----------
    name : str
        What it is called in the window.
    path : str or None
        Where its file lies; None where it is only in memory.
    shape : tuple of int
        (T, Y, X).
    camera : dict or None
        As :meth:`blinkspot.camera.Camera.as_dict` gives it.
    sources : dict
        Where each of the camera's values came from: ``{"origin": ..., "error": ..., "note": ...}`` by name.
    remark : str
        What was said of the camera as a whole.
    identity : dict or None
        As :func:`blinkspot.movies.identity.movie_identity` gives it, of its file within the session's folder
        where it has one; None where it could not be read.
    look : dict
        How it was shown.
    shown : bool
        Whether it was in the window; else something there was made from it.
    relative : str or None
        The path of its file, seen from the session's folder.
    file : str or None
        Its file within the session's folder.
    camera_file : str or None
        Its camera's file there.
    """

    name: str
    path: str | None
    shape: tuple[int, int, int]
    camera: dict[str, Any] | None = None
    sources: dict[str, Any] = field(default_factory=dict)
    remark: str = ""
    identity: dict[str, Any] | None = None
    look: dict[str, Any] = field(default_factory=dict)
    shown: bool = True
    relative: str | None = None
    file: str | None = None
    camera_file: str | None = None


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes
    ----------
    name : str
    provenance : dict
        How it was trained.
    movie : str or None
        Name of the movie that it was trained on, in this window.
    stopped : bool
        Whether the user, or an error, ended the training.
    path : str or None
        Where its file lies, if it has one.
    file : str or None
        Its file within the session's folder.
    """

    name: str
    provenance: dict[str, Any] = field(default_factory=dict)
    movie: str | None = None
    stopped: bool = False
    path: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class DenoisedMovie:
    """A denoised movie.

    Attributes
    ----------
    name : str
    movie : str or None
        Name of the movie that it was made from; None where that is not known.
    model : str or None
        Name of the model that made it, where the window has it.
    provenance : dict
        What made it; empty where that is not known.
    path : str or None
        Where its file lies; None where it is only in memory.
    identity, look, shown, relative, file
        As of a :class:`Movie`; identity where it has a file.
    """

    name: str
    movie: str | None = None
    model: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    path: str | None = None
    identity: dict[str, Any] | None = None
    look: dict[str, Any] = field(default_factory=dict)
    shown: bool = True
    relative: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Picture:
    """How a super-resolved picture was drawn; see :class:`blinkspot.localization.RenderSettings`."""

    pixel_size_nm: float
    method: str
    colour_by: str | None = None


@dataclass(frozen=True)
class Table:
    """A table of molecules, and what was done to it.

    Attributes
    ----------
    name : str
    path : str or None
        The file that it was read from; None where it was made in the window.
    movie : str or None
        Name of the movie that was localized.
    denoised : str or None
        Name of the denoised movie in which the molecules were found; None for the movie as recorded.
    calibration : str or None
        File of the astigmatism calibration.
    provenance : dict
        Of the table before the steps.
    steps : tuple of dict
        ``{"step": name, "settings": {...}}`` each, done since in this order.
    condition : str
        Of the filter that was not made a step.
    picture : Picture or None
    is_truth : bool
        Whether these are the molecules that are there.
    file, processed_file : str or None
        Within the session's folder: before the steps, and what is left after them.
    """

    name: str
    path: str | None = None
    movie: str | None = None
    denoised: str | None = None
    calibration: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    steps: tuple[dict[str, Any], ...] = ()
    condition: str = ""
    picture: Picture | None = None
    is_truth: bool = False
    file: str | None = None
    processed_file: str | None = None

    @property
    def all_steps(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and settings of the steps, with the filter that was not made one.

        Raises
        ------
        BlinkspotError
            If a step, of a file that may hold anything, is none.
        """
        try:
            steps = [(str(step["step"]), dict(step["settings"])) for step in self.steps]
        except (KeyError, TypeError, ValueError) as error:
            raise BlinkspotError(
                f"The session is damaged: a step of the table {in_brief(self.name, 40)!r} is none."
            ) from error
        return [*steps, ("filter", {"expression": self.condition})] if self.condition.strip() else steps


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes
    ----------
    movie, denoised : str
        Names of the two movies.
    folder : str
        Where it is.
    camera : dict
        Camera that was used.
    truth : str or None
        Name of the table of the molecules that are there.
    holds_out : bool
        Whether photons were held out.
    """

    movie: str
    denoised: str
    folder: str
    camera: dict[str, Any]
    truth: str | None = None
    holds_out: bool = False


@dataclass(frozen=True)
class SessionRecord:
    """Everything in a window, and what was done there.

    Attributes
    ----------
    movies, models, denoised, tables, reports : tuple
        In the order in which they came.
    docks : dict
        Settings of each dock by its title.
    """

    movies: tuple[Movie, ...] = ()
    models: tuple[Model, ...] = ()
    denoised: tuple[DenoisedMovie, ...] = ()
    tables: tuple[Table, ...] = ()
    reports: tuple[Report, ...] = ()
    docks: dict[str, Any] = field(default_factory=dict)
