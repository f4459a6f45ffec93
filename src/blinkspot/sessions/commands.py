"""The command lines that repeat what was done in a window."""

from __future__ import annotations

import dataclasses
import re
import shlex
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any

from blinkspot.camera import MAPPED, NUMBERS
from blinkspot.errors import BlinkspotError
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.provenance import package_version
from blinkspot.sessions.record import DenoisedMovie, Model, Movie, Picture, Report, SessionRecord, Table
from blinkspot.sessions.step_text import step_text

# Settings of a training by the option that sets them; those of two options, and those that are always
# given, are not here.
_TRAIN_OPTIONS = {
    "network": "--network",
    "loss": "--loss",
    "components": "--components",
    "context_frames": "--context-frames",
    "blind_spot_radius_px": "--blind-spot-radius-px",
    "channels": "--channels",
    "epochs": "--epochs",
    "minutes": "--minutes",
    "device": "--device",
}
# With what is added to it, and to that while it is written, fewer than the 255 of most file systems.
_LONGEST_STEM_BYTES = 120
_PART = ("first_frame", "last_frame", "region_px")


def command_lines(record: SessionRecord, movie: str | None = None, folder: str = "") -> list[str]:
    """Return the shell lines that repeat what was done in a window.

    Each line is a command, quoted for a POSIX shell, or a comment that says what no command repeats. Results
    bear the names that they have in the window, and are made where the lines are run.

    Parameters
    ----------
    record : SessionRecord
        What is in the window.
    movie : str, optional
        Name of the movie that it is about; all of them unless given.
    folder : str
        Of the results, seen from where the lines are run.

    Returns
    -------
    list of str
        Comments alone where nothing was done.

    Raises
    ------
    BlinkspotError
        If the record, of a file that may hold anything, says what nobody can have done.
    """
    lines = _Lines(record, folder)
    try:
        return lines.of(movie)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise BlinkspotError(
            "What was done in this session cannot be repeated, for its record is damaged: open the session "
            "that was saved."
        ) from error


class _Lines:
    """Collects lines, each after those whose results it needs, and none twice."""

    def __init__(self, record: SessionRecord, folder: str) -> None:
        self._record = record
        self._folder = folder
        self._lines: list[str] = []
        self._results: dict[tuple[str, str], str] = {}
        self._names: set[str] = set()

    def of(self, movie: str | None) -> list[str]:
        """Return the lines about one movie, or all."""
        record = self._record
        for model in record.models:
            if model.movie is not None and movie in (None, model.movie):
                self._model(model)
        for denoised in record.denoised:
            if denoised.shown and denoised.movie is not None and movie in (None, denoised.movie):
                self._denoised(denoised)
        for table in record.tables:
            if movie in (None, table.movie) and not table.is_truth:
                self._finished(table)
        for report in record.reports:
            if movie in (None, report.movie):
                self._compare(report)
        head = f"napari-blinkspot {package_version()}"
        if not any(line.startswith("blinkspot ") for line in self._lines):
            return [_comment(f"{head}: nothing was done yet that a command line repeats."), *self._lines]
        about = "all movies" if movie is None else repr(movie)
        said = f"{head}: repeats what was done with {about}. Run it where no result of that name lies."
        return [_comment(said), *self._lines]

    # -- writing

    def _say(self, sentence: str) -> None:
        line = _comment(sentence)
        if line not in self._lines:
            self._lines.append(line)

    def _run(self, command: str, *words: str) -> None:
        keys = ", ".join(repr(word) for word in words if word != _typed(word))
        if keys:
            self._say(
                f"A line of 'blinkspot {command}' is left out, for a terminal would obey {keys}: rename it."
            )
        else:
            self._lines.append(shlex.join(["blinkspot", command, *words]))

    def _wanted(self, name: str, suffix: str, why: str) -> str:
        """Return the name that a layer must be saved under before, and say so."""
        path = self._new(name, suffix, "")
        self._say(
            f"{why}: first save the layer {name!r} as {path}, by File > Save Selected Layers in the window."
        )
        return path

    def _new(self, name: str, suffix: str, folder: str | None = None) -> str:
        """Return a name for a result that no other one has."""
        stem = file_stem(name)
        path, number = f"{stem}{suffix}", 2
        while path.lower() in self._names:
            path, number = f"{stem}-{number}{suffix}", number + 1
        self._names.add(path.lower())
        return str(PurePosixPath(self._folder if folder is None else folder) / path)

    # -- what the lines begin with

    def _find(self, kind: str, name: str | None) -> Any:
        return next((each for each in getattr(self._record, kind) if each.name == name), None)

    def _movie(self, name: str) -> str:
        """Return where a movie's file lies, or has to be put."""
        key = ("movie", name)
        if key not in self._results:
            movie: Movie | None = self._find("movies", name)
            path = None if movie is None else movie.file or movie.path
            if path is None:
                path = self._wanted(name, ".tif", "It is in no file")
            self._results[key] = path
        return self._results[key]

    def _camera(self, camera: dict[str, Any] | None, movie: str) -> list[str]:
        """Return the options that give a camera."""
        if not camera:
            return []
        if "maps" not in camera:
            return [
                word for name in NUMBERS if name in camera for word in (_option(name), _number(camera[name]))
            ]
        entry: Movie | None = self._find("movies", movie)
        held = ((entry.camera if entry is not None else None) or {}).get("maps") or {}
        same = held.get("digest") == camera["maps"].get("digest")
        if same and entry is not None and entry.camera_file is not None:
            path = entry.camera_file
        else:
            path = f"{file_stem(movie)}_camera.toml"
            self._say(
                f"The camera of {movie!r} has maps: first save it as {path}, by its menu in the window, with "
                f"the maps of {camera['maps'].get('file') or 'that time'}."
            )
        kept = [name for name in NUMBERS if name in camera and name not in MAPPED]
        numbers = [word for name in kept for word in (_option(name), _number(camera[name]))]
        return ["--camera", path, *numbers]

    # -- training

    def _model(self, model: Model) -> str:
        """Return where a model will be, and write how it comes to be."""
        key = ("model", model.name)
        if key not in self._results:
            trained = model.movie is not None and model.provenance.get("step") == "train"
            self._results[key] = self._trained(model) if trained else self._loaded(model)
        return self._results[key]

    def _loaded(self, model: Model) -> str:
        path = model.file or model.path
        if path is None:
            path = f"{file_stem(model.name)}.blinkspot"
            self._say(
                f"How the model {model.name!r} was made is not known: first save it as {path}, in the "
                "Denoise dock."
            )
        return path

    def _trained(self, model: Model) -> str:
        assert model.movie is not None
        record = model.provenance
        asked = dict(record.get("asked_for", record.get("settings")) or {})
        words = [*self._started_from(record), *self._camera(record.get("camera"), model.movie)]
        for name, option in _TRAIN_OPTIONS.items():
            if asked.get(name) is not None:
                words += [option, _number(asked[name])]
        words += self._part(asked, model.movie)
        words += ["--seed", str(record.get("seed") or 0)]
        movie, output = self._movie(model.movie), self._new(model.name, ".blinkspot")
        self._say_what_training_cannot(model, asked)
        self._run("train", movie, "-o", output, *words)
        return output

    def _part(self, asked: dict[str, Any], movie: str) -> list[str]:
        words: list[str] = []
        first, last, region = (asked.get(name) for name in _PART)
        if first or last is not None:
            entry: Movie | None = self._find("movies", movie)
            if last is None and entry is not None:
                last = entry.shape[0] - 1
            words += ["--frames", str(first or 0), str(last)]
        if region is not None:
            words += ["--region-px", *(str(number) for number in region)]
        return words

    def _started_from(self, record: dict[str, Any]) -> list[str]:
        before = record.get("started_from")
        if before is None:
            return []
        start = next((each for each in self._record.models if each.provenance == before), None)
        if start is not None:
            return ["--start-from", self._model(start)]
        self._say(
            "It went on from a model that is not in the window: put its file in the place of OLD MODEL."
        )
        return ["--start-from", "OLD MODEL"]

    def _say_what_training_cannot(self, model: Model, asked: dict[str, Any]) -> None:
        record = model.provenance
        known = {*_TRAIN_OPTIONS, *_PART, "seed"}
        if "asked_for" not in record:
            self._say(f"The model {model.name!r} does not tell what was asked for, only what came of it.")
        idle = {name: value for name, value in asked.items() if name not in known}
        if idle and "asked_for" in record:
            listed = ", ".join(f"{name} {value}" for name, value in sorted(idle.items()))
            self._say(f"The command line has no option for {listed}: the model will be another.")
        if asked.get("minutes") is not None:
            self._say(
                f"The training of {model.name!r} was timed by the clock: its model is another each time."
            )
        elif model.stopped:
            self._say(
                f"The training of {model.name!r} was stopped after {record.get('steps')} steps: the command "
                "goes on to the end, and its model is another."
            )
        elif record.get("device") == "cpu":
            self._say(
                f"The model {model.name!r} is the same to the bit on such a processor with "
                f"OMP_NUM_THREADS={record.get('threads', 1)}; else within rounding."
            )
        else:
            self._say(f"The model {model.name!r} was trained on a GPU: it is the same within rounding only.")

    # -- denoising

    def _denoised(self, denoised: DenoisedMovie) -> str:
        """Return where a denoised movie will be, and write how it comes to be."""
        key = ("denoised", denoised.name)
        if key not in self._results:
            model: Model | None = self._find("models", denoised.model)
            if model is not None and denoised.movie is not None:
                self._results[key] = self._made(denoised, model, denoised.movie)
            else:
                self._results[key] = self._given(denoised)
        return self._results[key]

    def _made(self, denoised: DenoisedMovie, model: Model, movie: str) -> str:
        trained, source = self._model(model), self._movie(movie)
        settings = denoised.provenance.get("settings") or {}
        output = self._new(denoised.name, ".tif")
        words = []
        for name, default in (("estimate", "posterior-mean"), ("units", "adu")):
            if settings.get(name, default) != default:
                words += [_option(name), str(settings[name])]
        entry: Movie | None = self._find("movies", movie)
        start, stop = settings.get("start", 0), settings.get("stop")
        if entry is not None and stop is not None and (start, stop) != (0, entry.shape[0]):
            words += ["--frames", str(start), str(stop - 1)]
        self._run("denoise", source, "-m", trained, "-o", output, *words)
        return output

    def _given(self, denoised: DenoisedMovie) -> str:
        path = denoised.file or denoised.path
        if path is None:
            path = self._wanted(denoised.name, ".tif", "How it was made is not known")
        return path

    # -- tables

    def _finished(self, table: Table) -> None:
        """Write how a table, its steps and its picture come to be."""
        path = self._table(table)
        steps = []
        for name, settings in table.all_steps:
            try:
                steps += ["--step", step_text(name, settings)]
            except (BlinkspotError, KeyError, TypeError) as error:
                self._say(f"The step {name} of {table.name!r} cannot be repeated: {error}")
        if steps:
            output = self._new(f"{table.name} processed", ".csv")
            self._run("process", path, "-o", output, *steps)
            path = output
        if table.picture is not None:
            self._render(path, table.name, table.picture)

    def _table(self, table: Table) -> str:
        key = ("table", table.name)
        if key not in self._results:
            localized = table.movie is not None and table.provenance.get("step") == "localize"
            if localized and table.path is None:
                self._results[key] = self._localized(table)
            else:
                self._results[key] = self._read(table)
        return self._results[key]

    def _read(self, table: Table) -> str:
        path = table.file or table.path
        if path is None:
            path = self._wanted(table.name, ".csv", "How it was made is not known")
        return path

    def _localized(self, table: Table) -> str:
        assert table.movie is not None
        record = table.provenance
        settings = record.get("settings") or {}
        words = self._camera(record.get("camera"), table.movie)
        if table.denoised is not None:
            denoised: DenoisedMovie | None = self._find("denoised", table.denoised)
            words += ["--denoised", self._denoised(denoised or DenoisedMovie(table.denoised))]
            model: Model | None = self._find("models", None if denoised is None else denoised.model)
            if "uncertainty_calibration" in record and model is not None:
                words += ["--model", self._model(model)]
        if settings.get("astigmatism") is not None:
            words += ["--astigmatism", self._calibration(table)]
        for field in dataclasses.fields(LocalizerSettings):
            value = settings.get(field.name, field.default)
            if field.name == "astigmatism" or value == field.default:
                continue
            words += [_option(field.name), *([] if value is True else [_number(value)])]
        movie, output = self._movie(table.movie), self._new(table.name, ".csv")
        self._run("localize", movie, "-o", output, *words)
        return output

    def _calibration(self, table: Table) -> str:
        if table.calibration is None:
            self._say(
                f"The heights of {table.name!r} are by an astigmatism calibration whose file is not known: "
                "put it in the place of CALIBRATION.toml."
            )
        return table.calibration or "CALIBRATION.toml"

    def _render(self, table: str, name: str, picture: Picture) -> None:
        words = ["--method", picture.method, "--pixel-size-nm", _number(picture.pixel_size_nm)]
        if picture.colour_by is not None:
            words += ["--colour-by", picture.colour_by]
        self._run("render", table, "-o", self._new(f"{name} picture", ".png"), *words)

    # -- the report

    def _compare(self, report: Report) -> None:
        denoised: DenoisedMovie = self._find("denoised", report.denoised) or DenoisedMovie(report.denoised)
        words = self._camera(report.camera, report.movie)
        if report.truth is not None:
            words += ["--truth", self._table(self._find("tables", report.truth) or Table(report.truth))]
        model: Model | None = self._find("models", denoised.model)
        if model is not None:
            words += ["--model", self._model(model)]
        if report.holds_out:
            words += ["--held-out"]
        paths = self._movie(report.movie), self._denoised(denoised)
        self._run("compare", *paths, "-o", self._new(Path(report.folder).name, ""), *words)


def _comment(sentence: str) -> str:
    """Return a line that no shell runs any of, nor a terminal, whatever names are in the sentence.

    A shell that knows no comments at its prompt, as zsh, takes it for the argument of a command that it does
    not have.
    """
    plain = " ".join(_typed(sentence).split()).replace("'", '"')
    return f"# '{plain}'"


def _typed(text: str, instead: str = " ") -> str:
    """Return a text without what are keys to a terminal, or no characters at all."""
    return "".join(instead if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in text)


def file_stem(name: str) -> str:
    """Return a name without what no file's name may hold on some system."""
    stem = re.sub(r"""[<>:"'/\\|?*]""", "_", _typed(name, "_")).strip(" .")
    # File systems count bytes, of which a letter may have four; what is cut in its midst goes with the rest.
    stem = stem.encode()[:_LONGEST_STEM_BYTES].decode(errors="ignore").rstrip(" .")
    return f"_{stem[1:]}" if stem.startswith("-") else stem or "unnamed"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _number(value: Any) -> str:
    """Return a value such that reading it gives the same number."""
    return repr(value) if isinstance(value, float) else str(value)
