"""What a batch does with every movie: read from a TOML file.

A table is a command, and a key one of its options or a setting of its settings' dataclass.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from blinkspot.batch.recipe_values import RecipeTable, shown
from blinkspot.camera import NUMBERS
from blinkspot.camera_from_movie.finding import GivenCamera, given_camera
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import ComparisonSettings, held_out_settings
from blinkspot.evaluation.held_out import HeldOutSettings
from blinkspot.evaluation.resolution import ResolutionSettings
from blinkspot.files.whole_files import read_small_text
from blinkspot.localization import LocalizerSettings
from blinkspot.localization.astigmatism import AstigmatismCalibration
from blinkspot.localization.fitting.molecules import FitMethod
from blinkspot.localization.processing import STEPS, Step
from blinkspot.localization.processing.drift import LoadedDrift

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import TrainingSettings

Pixels = Literal["raw", "denoised"]
TABLES = ("camera", "train", "denoise", "localize", "process", "resolution", "compare", "check")
"""Tables that a recipe may have."""
_PROCESS = "[[process]]"


@dataclass(frozen=True)
class CameraRecipe:
    """Where the movies' camera comes from; what is left out, each movie's own file tells.

    Attributes
    ----------
    file : Path or None
        Camera file.
    pixel_size_nm, offset_adu, electrons_per_adu, em_gain, read_noise_electrons : float or None
        As of :class:`~blinkspot.camera.Camera`; they go before the file.
    maps : Path or None
        Maps of an sCMOS camera.
    maps_window : tuple of int, or None
        Row and column of the maps at which the movies begin.
    transpose_maps : bool
        Exchange the maps' rows and columns.
    """

    file: Path | None = None
    pixel_size_nm: float | None = None
    offset_adu: float | None = None
    electrons_per_adu: float | None = None
    em_gain: float | None = None
    read_noise_electrons: float | None = None
    maps: Path | None = None
    maps_window: tuple[int, int] | None = None
    transpose_maps: bool = False

    def given(self) -> GivenCamera:
        """Return what is given; see :func:`~blinkspot.camera_from_movie.finding.given_camera`."""
        return given_camera(
            {name: getattr(self, name) for name in NUMBERS},
            self.file,
            self.maps,
            self.maps_window,
            transposed=self.transpose_maps,
            named=camera_key,
        )


def camera_key(name: str) -> str:
    """Return what a setting of the camera is called in a recipe."""
    return "a camera file" if name == "camera" else name


@dataclass(frozen=True)
class TrainRecipe:
    """How the models come to be.

    Attributes
    ----------
    models : "each", "all" or Path
        One model for each movie, one that is trained on frames of all of them, or a model file.
    settings : TrainingSettings
        How they are trained.
    start_from : Path or None
        Trained model to go on from.
    """

    models: Literal["each", "all"] | Path
    settings: TrainingSettings
    start_from: Path | None = None


@dataclass(frozen=True)
class DenoiseRecipe:
    """How every movie is denoised; see :func:`.denoise_to_file`.

    Attributes
    ----------
    estimate, units
        As of the command.
    format : {"tif", "zarr"}
        Of the denoised movie.
    device : {"auto", "cpu", "cuda", "mps"}
        Where it is done.
    """

    estimate: Literal["posterior-mean", "map", "blind", "posterior-variance"] = "posterior-mean"
    units: Literal["adu", "photons"] = "adu"
    format: Literal["tif", "zarr"] = "tif"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    @property
    def can_be_localized(self) -> bool:
        """Whether molecules can be looked for in what is made."""
        return self.units == "adu" and self.estimate != "posterior-variance"


@dataclass(frozen=True)
class LocalizeRecipe:
    """How every movie is localized.

    Attributes
    ----------
    settings : LocalizerSettings
    candidates_from : {"raw", "denoised"}
        Movie in which candidates are looked for.
    format : {"csv", "hdf5"}
        Of the tables, also of the processed ones.
    """

    settings: LocalizerSettings
    candidates_from: Pixels
    format: Literal["csv", "hdf5"] = "csv"


@dataclass(frozen=True)
class Recipe:
    """What is done with every movie; what is None is not done.

    Attributes
    ----------
    path : Path
        The file.
    camera : CameraRecipe
    train : TrainRecipe or None
    denoise : DenoiseRecipe or None
    localize : LocalizeRecipe or None
    process : tuple of Step
        Steps after the fits.
    resolution : ResolutionSettings or None
        Measure the resolution of the last table.
    compare : ComparisonSettings or None
        Write the page that compares noisy and denoised.
    check : HeldOutSettings or None
        Check by photons held out.
    text : str
        All of the file.
    """

    path: Path
    camera: CameraRecipe = field(default=CameraRecipe())
    train: TrainRecipe | None = None
    denoise: DenoiseRecipe | None = None
    localize: LocalizeRecipe | None = None
    process: tuple[Step, ...] = ()
    resolution: ResolutionSettings | None = None
    compare: ComparisonSettings | None = None
    check: HeldOutSettings | None = None
    text: str = ""


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe from a TOML file.

    Parameters
    ----------
    path : path
        Paths within it are seen from its folder.

    Raises
    ------
    BlinkspotError
        If the file cannot be read, or is no recipe: file, table and key are named.
    """
    path = Path(path)
    try:
        text = read_small_text(path)
        content = tomllib.loads(text)
    except OSError as error:
        raise BlinkspotError(f"The recipe {path} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BlinkspotError(f"The recipe {path} is not valid TOML: {error}.") from error
    for name in content:
        if name not in TABLES:
            raise BlinkspotError(f"{path}: there is no table [{name}]; known are {', '.join(TABLES)}.")
    steps = content.pop("process", [])
    for name, value in content.items():
        if not isinstance(value, dict):
            raise BlinkspotError(f"{path}: {name} must be a table, [{name}], not {shown(value)}.")
    tables = {name: RecipeTable(path, f"[{name}]", value) for name, value in content.items()}
    recipe = Recipe(
        path,
        _read_camera(tables.get("camera")),
        _read_train(tables.get("train")),
        None if "denoise" not in tables else tables["denoise"].read(DenoiseRecipe),
        _read_localize(tables.get("localize"), "denoise" in tables),
        _read_steps(path, steps),
        _read_resolution(tables.get("resolution")),
        _read_compare(tables.get("compare")),
        _read_check(tables.get("check")),
        text,
    )
    _check_whole(recipe)
    return recipe


def _read_camera(table: RecipeTable | None) -> CameraRecipe:
    if table is None:
        return CameraRecipe()
    camera = table.read(CameraRecipe)
    try:
        camera.given().camera_alone()
    except BlinkspotError as error:
        raise table.error(str(error)) from error
    return camera


def _read_train(table: RecipeTable | None) -> TrainRecipe | None:
    if table is None:
        return None
    from blinkspot.denoising import Denoiser, TrainingSettings

    own = ("models", "start_from")
    models = table.values.get("models", "each")
    if not isinstance(models, str) or not models:
        raise table.error(
            f"must be 'each', 'all' or the path of a model file, not {shown(models)}.", "models"
        )
    table.check_keys((*own, *(each.name for each in dataclasses.fields(TrainingSettings))))
    if models not in ("each", "all"):
        for key in table.without("models").values:
            raise table.error("has no effect where models is a file: leave it out.", key)
        file = table.file(models)
        try:
            Denoiser.load(file)
        except BlinkspotError as error:
            raise table.error(str(error), "models") from error
        return TrainRecipe(file, TrainingSettings())
    settings = table.without(*own).read(TrainingSettings)
    start_from = table.take("start_from").read(_StartFrom).start_from
    if start_from is not None:
        try:
            Denoiser.load(start_from).check_keeps(settings.chosen)
        except BlinkspotError as error:
            raise table.error(str(error), "start_from") from error
    return TrainRecipe("all" if models == "all" else "each", settings, start_from)


@dataclass(frozen=True)
class _StartFrom:
    start_from: Path | None = None


@dataclass(frozen=True)
class _LocalizeKeys:
    candidates_from: Pixels | None = None
    format: Literal["csv", "hdf5"] = "csv"
    astigmatism: Path | None = None


def _read_localize(table: RecipeTable | None, denoises: bool) -> LocalizeRecipe | None:
    if table is None:
        return None
    own = [each.name for each in dataclasses.fields(_LocalizeKeys)]
    table.check_keys(dict.fromkeys((*own, *(each.name for each in dataclasses.fields(LocalizerSettings)))))
    keys = table.take(*own).read(_LocalizeKeys)
    calibration = None
    if keys.astigmatism is not None:
        try:
            calibration = AstigmatismCalibration.load(keys.astigmatism)
        except BlinkspotError as error:
            raise table.error(str(error), "astigmatism") from error
    settings = table.without(*own).read(LocalizerSettings, astigmatism=calibration)
    if settings.false_per_frame is not None:
        table.refuse_idle("beside false_per_frame", "threshold")
    if settings.preset == "thunderstorm":
        table.refuse_idle("with ThunderSTORM's analysis, whose widths are free", "widths")
    if calibration is not None:
        table.refuse_idle("beside astigmatism", "initial_sigma_px", "fit_window_px")
    candidates_from = keys.candidates_from or ("denoised" if denoises else "raw")
    if settings.fit_on == "denoised" and candidates_from == "raw":
        key = "fit_on" if keys.candidates_from is None else "candidates_from"
        raise table.error("fits on the denoised movie need candidates from it, and a [denoise] table.", key)
    return LocalizeRecipe(settings, candidates_from, keys.format)


def _read_resolution(table: RecipeTable | None) -> ResolutionSettings | None:
    if table is None:
        return None
    settings = table.read(ResolutionSettings)
    if settings.split == "odd-even":
        table.refuse_idle("with the split 'odd-even'", "splits", "seed")
    if settings.split == "localizations":
        table.refuse_idle("with the split 'localizations'", "frames_per_block")
    return settings


def _read_steps(path: Path, entries: Any) -> tuple[Step, ...]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BlinkspotError(f"{path}: process must be a list of tables: begin each with {_PROCESS}.")
    return tuple(_read_step(path, number, entry) for number, entry in enumerate(entries, start=1))


def _read_step(path: Path, number: int, entry: dict[str, Any]) -> Step:
    table = RecipeTable(path, f"{_PROCESS} number {number}", entry)
    name = entry.get("step")
    if not isinstance(name, str) or name not in STEPS:
        raise table.error(f"must be one of {', '.join(STEPS)}, not {shown(name)}.", "step")
    step = table.without("step").read(STEPS[name])
    if isinstance(step, LoadedDrift):
        step = dataclasses.replace(step, path=str(table.file(step.path)))
        if not Path(step.path).is_file():
            raise table.error(f"there is no file {step.path}.", "path")
    return step


@dataclass(frozen=True)
class _CompareKeys:
    fit: FitMethod = "mle"
    held_out: bool = False
    held_out_minutes: float | None = None


def _read_compare(table: RecipeTable | None) -> ComparisonSettings | None:
    if table is None:
        return None
    keys = table.read(_CompareKeys)
    if not keys.held_out:
        table.refuse_idle("without held_out = true", "held_out_minutes")
    localizer = LocalizerSettings(fit=keys.fit)
    try:
        held_out = held_out_settings(localizer, keys.held_out_minutes) if keys.held_out else None
    except BlinkspotError as error:
        raise table.error(str(error), "held_out_minutes") from error
    return ComparisonSettings(localizer=localizer, held_out=held_out)


@dataclass(frozen=True)
class _Threshold:
    threshold: float = 1.0

    def __post_init__(self) -> None:
        LocalizerSettings(threshold=self.threshold)


def _read_check(table: RecipeTable | None) -> HeldOutSettings | None:
    if table is None:
        return None
    table.check_keys(("minutes", "threshold", "tolerance_nm", "seed"))
    threshold = table.take("threshold").read(_Threshold).threshold
    rest = table.without("threshold")
    hidden = HeldOutSettings().kept_shares
    return rest.read(HeldOutSettings, localizer=LocalizerSettings(threshold=threshold), kept_shares=hidden)


def _check_whole(recipe: Recipe) -> None:
    """Check that the tables go together."""

    def refuse(table: str, what: str) -> BlinkspotError:
        return BlinkspotError(f"{recipe.path}, {table}: {what}")

    denoise, localize = recipe.denoise, recipe.localize
    if denoise is not None and recipe.train is None:
        raise refuse("[denoise]", "there is no model: add a table [train], with models = 'each', say.")
    if localize is not None and localize.candidates_from == "denoised":
        if denoise is None:
            raise refuse("[localize] candidates_from", "there is no denoised movie: add a table [denoise].")
        if not denoise.can_be_localized:
            raise refuse(
                "[localize] candidates_from",
                "molecules are found in denoised movies in ADU: leave units and a variance out of [denoise], "
                "or take candidates from 'raw'.",
            )
    for table, wanted in ((_PROCESS, bool(recipe.process)), ("[resolution]", recipe.resolution is not None)):
        if wanted and localize is None:
            raise refuse(table, "there is no table of molecules: add a table [localize].")
    if recipe.compare is not None and (denoise is None or denoise.estimate != "posterior-mean"):
        raise refuse("[compare]", "it needs a [denoise] table, with the estimate 'posterior-mean'.")
    if recipe.compare is not None and denoise is not None and denoise.units != "adu":
        raise refuse("[compare]", "it needs a denoised movie in ADU: leave units out of [denoise].")
    trains = recipe.train is not None and not isinstance(recipe.train.models, Path)
    if not (trains or denoise or localize or recipe.check):
        raise BlinkspotError(
            f"{recipe.path}: there is nothing to do; add one of the tables {', '.join(TABLES[1:])}."
        )
