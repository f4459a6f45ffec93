"""Train a denoiser on the noisy movie itself."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from blinkspot.camera import Camera
from blinkspot.camera_estimate import noise_ratio
from blinkspot.denoising.batches import CropSource
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.devices import fast_precision, pick_device
from blinkspot.denoising.frames import choose_frames
from blinkspot.denoising.networks import build_network, default_channels
from blinkspot.denoising.noise import gamma_poisson_nll
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.errors import BlinkspotError
from blinkspot.movie_checks import check_camera, check_movie
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance
from blinkspot.stack import Stack

_DEFAULT_STEPS = 2000
_WARM_UP_STEPS = 20
_FIRST_VALIDATION = 10
_MAX_VALIDATION_INTERVAL = 100
_AVERAGE_DECAY = 0.998
# Measured over predicted variance of the background's noise; with the right camera it is within 10 % of 1.
_TRUSTED_NOISE_RATIO = (0.75, 1.35)


@dataclass(frozen=True)
class TrainingProgress(Progress):
    """How far a training is, and how well it goes.

    Attributes
    ----------
    epoch : float
        Passes over the training frames so far.
    train_loss, validation_loss : float or None
        Negative log likelihood, nat per pixel: mean since the last validation, and at the last one.
    validated : bool
        True where a validation has just been made.
    improved : bool
        True where that validation was the best so far, so that :attr:`Training.best` is new.
    """

    epoch: float = 0.0
    train_loss: float | None = None
    validation_loss: float | None = None
    validated: bool = False
    improved: bool = False


class Training:
    """One training of one model on one movie.

    Parameters
    ----------
    movie : Stack
        Noisy movie.
    camera : Camera
        That recorded it.
    settings : TrainingSettings
        How to train.

    Attributes
    ----------
    best : Denoiser or None
        The model with the lowest validation loss so far; None before the first validation. It stays when
        :meth:`run` is closed early.
    history : list of TrainingProgress
        The values at each validation.
    warnings : list of str
        What speaks against trusting the model, a sentence each; filled as :meth:`run` finds it.

    Raises
    ------
    BlinkspotError
        If this machine lacks the device asked for.
    """

    def __init__(self, movie: Stack, camera: Camera, settings: TrainingSettings | None = None) -> None:
        self.movie = movie
        self.camera = camera
        self.settings = settings or TrainingSettings()
        self.device = pick_device(self.settings.device)
        self.best: Denoiser | None = None
        self.history: list[TrainingProgress] = []
        self.warnings: list[str] = []
        self._noise_ratio = 1.0

    def run(self) -> Generator[Progress, None, Denoiser]:
        """Train; yield progress; return the best model.

        Raises
        ------
        BlinkspotError
            If the movie or the camera cannot be used, or the loss is no longer a number.
        """
        settings = self.settings
        checking = Stopwatch("checking the movie", 3)
        check_movie(self.movie)
        yield checking.at(1)
        check_camera(self.movie, self.camera)
        yield checking.at(2)
        self._check_noise()
        limit_s = None if settings.minutes is None else 60.0 * settings.minutes
        watch = Stopwatch("training", limit_s or 1.0)
        chosen = yield from choose_frames(self.movie, settings)
        source = CropSource(chosen, self.movie.n_frames, self.camera, settings)
        random = np.random.default_rng(settings.seed)
        # Validation crops have random numbers of their own: the same for any length of training.
        validation = source.validation_batches(np.random.default_rng(settings.seed + 1))
        model = self._new_model(validation)
        averaging = AveragedModel(model, avg_fn=_averaged)
        averaged = cast(PriorNetwork, averaging.module)
        optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
        total_steps = self._total_steps(source)
        if limit_s is None:
            watch.total = total_steps
        interval = min(_MAX_VALIDATION_INTERVAL, max(40, source.steps_per_epoch))
        next_validation = _FIRST_VALIDATION
        losses: list[float] = []
        now = TrainingProgress("training", 0, watch.total, watch.elapsed_s)

        for step in itertools.count(1):
            done = watch.elapsed_s if limit_s is not None else step - 1
            _set_learning_rate(optimiser, settings.learning_rate, step, done / watch.total)
            optimiser.zero_grad(set_to_none=True)
            batch = source.training_batch(random)
            loss = 0.0
            for part in torch.split(batch, self._crops_at_once(model, source)):
                part_loss = self._loss(model, part) * (len(part) / len(batch))
                part_loss.backward()  # type: ignore[no-untyped-call]
                loss += float(part_loss.detach())
                yield dataclasses.replace(now, elapsed_s=watch.elapsed_s, validated=False, improved=False)
            if not math.isfinite(loss):
                raise BlinkspotError(
                    "Training stopped because the loss is no longer a number: the best model so far is kept; "
                    "check the camera settings, or train with a smaller learning rate."
                )
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            averaging.update_parameters(model)
            losses.append(loss)
            done = watch.elapsed_s if limit_s is not None else step
            now = dataclasses.replace(
                now,
                done=done,
                elapsed_s=watch.elapsed_s,
                epoch=step / source.steps_per_epoch,
                validated=False,
                improved=False,
            )
            last = done >= watch.total
            if step >= next_validation or last:
                next_validation = step + min(step, interval)
                validation_loss = yield from self._validate(averaged, validation, now)
                improved = self.best is None or validation_loss < min(
                    past.validation_loss for past in self.history if past.validation_loss is not None
                )
                if improved:
                    self.best = self._snapshot(averaged, step, validation_loss)
                now = dataclasses.replace(
                    now,
                    elapsed_s=watch.elapsed_s,
                    train_loss=float(np.mean(losses)),
                    validation_loss=validation_loss,
                    validated=True,
                    improved=improved,
                )
                losses.clear()
                self.history.append(now)
            yield now
            if last:
                break
        assert self.best is not None
        return self.best

    def _check_noise(self) -> None:
        self._noise_ratio = noise_ratio(self.movie, self.camera)
        if not _TRUSTED_NOISE_RATIO[0] <= self._noise_ratio <= _TRUSTED_NOISE_RATIO[1]:
            self.warnings.append(
                f"The noise of the movie has {self._noise_ratio:.2g} times the variance that the camera's "
                "settings predict: check offset, electrons per ADU and EM gain, and that the pixels are as "
                "recorded."
            )

    def _total_steps(self, source: CropSource) -> int:
        epochs = self.settings.epochs or math.ceil(_DEFAULT_STEPS / source.steps_per_epoch)
        return epochs * source.steps_per_epoch

    def _new_model(self, validation: list[Tensor]) -> PriorNetwork:
        settings = self.settings
        channels = settings.channels or default_channels(settings.network)
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            network = build_network(settings.network, settings.context_frames, channels)
        model = PriorNetwork(network, InputScaling.of(torch.cat(validation)))
        model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model

    def _crops_at_once(self, model: PriorNetwork, source: CropSource) -> int:
        if self.device.type == "cuda":
            return self.settings.batch_size
        return max(1, int(model.network.pixels_at_once // source.size**2))

    def _loss(self, model: PriorNetwork, counts: Tensor) -> Tensor:
        counts = counts.to(self.device).contiguous(memory_format=torch.channels_last)
        with fast_precision(self.device):
            mean, log_alpha = model(counts)
        return gamma_poisson_nll(counts[:, self.settings.context_frames], mean, log_alpha).mean()

    def _validate(
        self, model: PriorNetwork, batches: list[Tensor], now: TrainingProgress
    ) -> Generator[Progress, None, float]:
        losses = []
        for batch in batches:
            with torch.inference_mode():
                losses.append(float(self._loss(model, batch)))
            yield now
        return float(np.mean(losses))

    def _snapshot(self, model: PriorNetwork, step: int, validation_loss: float) -> Denoiser:
        record = provenance(
            "train",
            camera=self.camera,
            settings=self.settings,
            seed=self.settings.seed,
            source=None if self.movie.path is None else self.movie.path.name,
            steps=step,
            validation_loss=validation_loss,
            device=self.device.type,
            noise_ratio=self._noise_ratio,
        )
        return Denoiser(copy.deepcopy(model), self.settings.network, self.camera, record)


def train(
    movie: Stack, camera: Camera, settings: TrainingSettings | None = None
) -> Generator[Progress, None, Denoiser]:
    """Train a denoiser: ``Training(movie, camera, settings).run()``."""
    return Training(movie, camera, settings).run()


def _set_learning_rate(optimiser: torch.optim.Optimizer, largest: float, step: int, fraction: float) -> None:
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, fraction)))
    for group in optimiser.param_groups:
        group["lr"] = largest * min(1.0, step / _WARM_UP_STEPS) * max(cosine, 1e-3)


def _averaged(average: Tensor, latest: Tensor, n_averaged: Tensor | int) -> Tensor:
    """Move an averaged weight towards the latest: the average has less of the last batches' noise."""
    decay = min(_AVERAGE_DECAY, float(1 + n_averaged) / float(10 + n_averaged))
    return torch.lerp(average, latest, 1.0 - decay)
