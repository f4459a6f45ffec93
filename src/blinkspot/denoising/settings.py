"""Settings of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from blinkspot.denoising.networks import NETWORKS, NetworkName, default_channels
from blinkspot.denoising.noise import LOSSES, LossName
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import SMALLEST_SIDE_PX
from blinkspot.plain_values import check_kinds, make_plain

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)
MAX_CONTEXT_FRAMES = 2
MAX_BLIND_SPOT_RADIUS_PX = 2
MAX_CHANNELS = 512
MAX_COMPONENTS = 3
_MAX_SEED = 2**63 - 1
_WHOLE = (
    "components",
    "context_frames",
    "blind_spot_radius_px",
    "channels",
    "epochs",
    "crop_size_px",
    "batch_size",
    "max_frames",
    "first_frame",
    "last_frame",
    "seed",
)
# Those that are typed as 1e4, too.
_LARGE = ("epochs", "max_frames", "first_frame", "last_frame")
_NUMBERS = ("minutes", "learning_rate", "min_relative_signal")


@dataclass(frozen=True)
class TrainingSettings:
    """How a denoiser is trained.

    Attributes
    ----------
    network : {"dilated", "laine"}
        The light network, or the paper's.
    loss : {"gamma-poisson", "gaussian", "squared-error"}
        The exact likelihood, or one of the two it is compared with; see :mod:`blinkspot.denoising.noise`.
    components : int
        Gamma laws in a pixel's prior, 1 to 3; the two losses for comparison have one.
    context_frames : int or None
        Neighbouring frames on each side that the network sees whole: 0, 1 or 2. They hold photons of
        molecules that stay on for several frames; localizations of neighbouring frames are then not
        independent. None: as many as the held-out likelihood asks for.
    blind_spot_radius_px : int or None
        0: a pixel alone is unseen by its own estimate; r: the square of 2 r + 1 pixels around it. None: as
        wide as the movie's noise is correlated.
    channels : int or None
        Feature channels; None means the network's own default.
    epochs : int or None
        Passes over the training frames, at most.
    minutes : float or None
        Time limit instead of a number of epochs, counted from the first step: reading the movie and choosing
        context frames, which may take 15 % as long, come before. Not repeatable to the bit, as machines
        differ in speed. With neither, at most about 10,000 steps. A training ends earlier where its
        validation loss has settled.
    crop_size_px : int
        Side of the square crops shown to the network.
    batch_size : int
        Crops per step.
    learning_rate : float
        Largest step size of the optimiser (AdamW), of a network of up to 32 channels; of a wider one it is
        less in proportion. See :mod:`blinkspot.denoising.training.schedule`.
    max_frames : int
        Most frames used, in runs spread over the movie.
    min_relative_signal : float
        Frames with less signal than this many times the average are left out; 0 keeps all.
    first_frame : int
        First frame to learn from, from 0.
    last_frame : int or None
        Last frame to learn from; None: that of the movie. Neighbours that a frame's context needs may lie
        beyond.
    region_px : (int, int, int, int) or None
        Part of the frames to learn from: first row, first column, height and width in pixels. None: all.
    seed : int
        Seed of every random choice.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to train.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    network: NetworkName = "dilated"
    loss: LossName = "gamma-poisson"
    components: int = 2
    context_frames: int | None = None
    blind_spot_radius_px: int | None = None
    channels: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    crop_size_px: int = 64
    batch_size: int = 8
    learning_rate: float = 6e-3
    max_frames: int = 1000
    min_relative_signal: float = 0.5
    first_frame: int = 0
    last_frame: int | None = None
    region_px: tuple[int, int, int, int] | None = None
    seed: int = 0
    device: DeviceName = "auto"

    @property
    def chosen(self) -> dict[str, Any]:
        """The settings that differ from their defaults, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}

    def __post_init__(self) -> None:
        make_plain(self)
        for name in _LARGE:
            value = getattr(self, name)
            if isinstance(value, float) and value.is_integer():
                object.__setattr__(self, name, int(value))
        check_kinds(self, "Training settings:", _WHOLE, _NUMBERS)
        _check(
            self.network in NETWORKS, f"network must be one of {', '.join(NETWORKS)}, not {self.network!r}"
        )
        _check(self.device in DEVICES, f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")
        _check(self.loss in LOSSES, f"loss must be one of {', '.join(LOSSES)}, not {self.loss!r}")
        _check(
            1 <= self.components <= MAX_COMPONENTS,
            f"components must be 1 to {MAX_COMPONENTS}, not {self.components}",
        )
        _check(
            self.context_frames is None or 0 <= self.context_frames <= MAX_CONTEXT_FRAMES,
            f"context_frames must be 0, 1 or {MAX_CONTEXT_FRAMES}, not {self.context_frames}",
        )
        _check(
            self.blind_spot_radius_px is None or 0 <= self.blind_spot_radius_px <= MAX_BLIND_SPOT_RADIUS_PX,
            f"blind_spot_radius_px must be 0, 1 or {MAX_BLIND_SPOT_RADIUS_PX}, not "
            f"{self.blind_spot_radius_px}",
        )
        _check(self.epochs is None or self.minutes is None, "give epochs or minutes, not both")
        _check(self.epochs is None or self.epochs >= 1, f"epochs must be 1 or more, not {self.epochs}")
        _check(
            self.minutes is None or 0 < self.minutes < math.inf,
            f"minutes must be above 0, not {self.minutes}",
        )
        _check(
            self.channels is None or 1 <= self.channels <= MAX_CHANNELS,
            f"channels must be 1 to {MAX_CHANNELS}, not {self.channels}",
        )
        _check(self.crop_size_px >= 16, f"crop_size_px must be 16 or more, not {self.crop_size_px}")
        _check(self.batch_size >= 1, f"batch_size must be 1 or more, not {self.batch_size}")
        _check(0 < self.learning_rate < math.inf, f"learning_rate must be above 0, not {self.learning_rate}")
        _check(self.max_frames >= 10, f"max_frames must be 10 or more, not {self.max_frames}")
        _check(self.first_frame >= 0, f"first_frame must be 0 or more, not {self.first_frame}")
        _check(
            self.last_frame is None or self.last_frame >= self.first_frame,
            f"last_frame must not lie before first_frame, {self.first_frame}, but is {self.last_frame}",
        )
        if self.region_px is not None:
            region: Any = self.region_px
            if isinstance(region, list):  # where it was in a file
                region = tuple(region)
                object.__setattr__(self, "region_px", region)
            _check(
                isinstance(region, tuple)
                and len(region) == 4
                and all(type(number) is int for number in region)
                and min(region[:2]) >= 0
                and min(region[2:]) >= SMALLEST_SIDE_PX,
                "region_px must be first row, first column, height and width in whole numbers, the latter "
                f"{SMALLEST_SIDE_PX} or more, not {region}",
            )
        _check(0 <= self.seed <= _MAX_SEED, f"seed must be 0 to {_MAX_SEED}, not {self.seed}")


def resolved(settings: TrainingSettings) -> TrainingSettings:
    """Return settings with what follows from the other settings alone: channels and components."""
    return replace(
        settings,
        channels=settings.channels or default_channels(settings.network),
        components=settings.components if settings.loss == "gamma-poisson" else 1,
    )


def _check(holds: bool, demand: str) -> None:
    if not holds:
        raise BlinkspotError(f"Training settings: {demand}.")
