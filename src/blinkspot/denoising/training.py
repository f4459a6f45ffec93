"""Train a denoiser on the noisy movie itself."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from blinkspot.camera import Camera
from blinkspot.camera_estimate import noise_ratio
from blinkspot.denoising.batches import CropSource, light_of
from blinkspot.denoising.checkpoint import first_difference, read_checkpoint, tensors_below, write_checkpoint
from blinkspot.denoising.context_choice import choose_context
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.devices import pick_device
from blinkspot.denoising.frames import ChosenFrames, choose_frames
from blinkspot.denoising.learner import Learner, Validation
from blinkspot.denoising.networks import BlindSpotNetwork, NetworkName, build_network, default_channels
from blinkspot.denoising.prior import InputScaling, PriorNetwork, outputs_for
from blinkspot.denoising.residual_check import residual_ratio, residual_warning
from blinkspot.denoising.settings import MAX_CONTEXT_FRAMES, TrainingSettings
from blinkspot.denoising.training_state import TrainingProgress, TrainingState
from blinkspot.denoising.workers import Workers
from blinkspot.errors import BlinkspotError
from blinkspot.movie_checks import check_camera, check_movie
from blinkspot.noise_whiteness import noise_correlation
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance
from blinkspot.stack import Stack

_CHECKPOINT_EVERY_S = 60.0
_RESIDUAL_CHECK_AT = 200
_CALIBRATION_PARTS = 256  # as much as is computed in one go, so many times: some seconds
# The small network that tells how many context frames help.
_PROBE_CHANNELS = 8
_PROBE_CROP_PX = 32
_PROBE_CROPS = 16
_PROBE_SHARE = 0.15  # of the minutes that a training may last
# Measured over predicted variance of the background's noise; with the right camera it is within 10 % of 1.
_TRUSTED_NOISE_RATIO = (0.75, 1.35)

ResultT = TypeVar("ResultT")


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
    start : Denoiser, optional
        Model to go on from instead of a new one: its network, context frames and blind spot are kept,
        whatever the settings say.

    Attributes
    ----------
    best : Denoiser or None
        The model with the lowest validation loss so far; None before the first validation. It stays when
        :meth:`run` is closed early.
    warnings : list of str
        What speaks against trusting the model, a sentence each; filled as :meth:`run` finds it.
    context_frames : int or None
        Neighbouring frames that the model sees on each side; None until they are chosen.

    Raises
    ------
    BlinkspotError
        If this machine lacks the device asked for, or the model to start from was not made for the loss.
    """

    def __init__(
        self,
        movie: Stack,
        camera: Camera,
        settings: TrainingSettings | None = None,
        start: Denoiser | None = None,
    ) -> None:
        self.movie = movie
        self.camera = camera
        self.settings = settings or TrainingSettings()
        self.device = pick_device(self.settings.device)
        self.best: Denoiser | None = None
        self.warnings: list[str] = []
        self.context_frames = self.settings.context_frames if start is None else start.context_frames
        self._blind_spot_radius_px = self.settings.blind_spot_radius_px or 0
        self._start = start
        self._network_name = self.settings.network if start is None else start.network_name
        if start is not None:
            start.check_can_learn(self.settings.loss)
        self._noise_ratio = 1.0
        self._identity: dict[str, Any] = {}
        self._residual_ratio: float | None = None
        self._state: TrainingState | None = None

    @property
    def history(self) -> list[TrainingProgress]:
        """The values at each validation."""
        return [] if self._state is None else self._state.history

    @property
    def settled(self) -> bool:
        """Whether the validation loss had settled before the training ended."""
        return self._state is not None and self._state.schedule.settled

    def run(
        self, checkpoint: Path | None = None, resume: Path | None = None
    ) -> Generator[Progress, None, Denoiser]:
        """Train; yield progress; return the best model.

        Parameters
        ----------
        checkpoint : Path, optional
            File to keep the training in, once a minute and when it is closed early. It stays when the
            training has ended: remove it once the model is safe.
        resume : Path, optional
            Checkpoint to go on from. With a number of epochs, on a processor and with as many of torch's
            threads, the result is to the bit what it would have been without the break.

        Raises
        ------
        BlinkspotError
            If the movie or the camera cannot be used, the loss is no longer a number, or the checkpoint
            is not one of this training.
        """
        with Workers(self.device) as workers:
            return (yield from self._run(workers, checkpoint, resume))

    def _run(
        self, workers: Workers, checkpoint: Path | None, resume: Path | None
    ) -> Generator[Progress, None, Denoiser]:
        self._identity = self._identified()
        resumed = None if resume is None else self._read(resume)
        if resumed is None:
            yield from self._check_movie()
        watch = Stopwatch("training", 1.0)
        source = yield from self._crops(workers)
        # Validation crops have random numbers of their own: the same for any length of training.
        validation = source.validation_batches(np.random.default_rng(self.settings.seed + 1))
        learner = Learner(self._new_model(validation), workers, self.settings.loss)
        self._state = state = TrainingState.new(self.settings, source.steps_per_epoch)
        if resumed is not None:
            try:
                self._restore(learner, state, *resumed)
            except (RuntimeError, ValueError, KeyError, TypeError) as error:
                raise BlinkspotError(f"The checkpoint {resume} is damaged: train anew.") from error
            watch.started -= state.elapsed_s
        saved_at_s = watch.elapsed_s
        try:
            while True:
                if state.validation_due:
                    yield from self._validate(learner, state, validation)
                if state.over:
                    break
                yield from self._step(learner, state, source, watch)
                if checkpoint is not None and watch.elapsed_s > saved_at_s + _CHECKPOINT_EVERY_S:
                    saved_at_s = watch.elapsed_s
                    self._try_to_write(checkpoint, learner, state)
        except GeneratorExit:
            if checkpoint is not None and state.step:
                self._try_to_write(checkpoint, learner, state)
            raise
        self._warn_if_unsettled(state)
        if self.best is None:
            raise BlinkspotError(
                "The training found no model because the loss of the held-out frames is not a number: "
                "check the movie for values that no camera gives."
            )
        most = _CALIBRATION_PARTS * learner.model.network.pixels_at_once
        parts = source.calibration_batches(np.random.default_rng(self.settings.seed + 2), most)
        self.best = yield from _paced(self.best.calibrated(parts, workers), state)
        return self.best

    def _check_movie(self) -> Generator[Progress, None, None]:
        checking = Stopwatch("checking the movie", 4)
        check_movie(self.movie)
        yield checking.at(1)
        check_camera(self.movie, self.camera)
        yield checking.at(2)
        self._noise_ratio = noise_ratio(self.movie, self.camera)
        if not math.isfinite(self._noise_ratio):
            raise BlinkspotError(
                "The background of the movie lies at or below the camera's offset, so its photons cannot be "
                "counted: check the offset."
            )
        if not _TRUSTED_NOISE_RATIO[0] <= self._noise_ratio <= _TRUSTED_NOISE_RATIO[1]:
            self.warnings.append(
                f"The noise of the movie has {self._noise_ratio:.2g} times the variance that the camera's "
                "settings predict: check offset, electrons per ADU and EM gain, and that the pixels are as "
                "recorded."
            )
        yield checking.at(3)
        correlation = noise_correlation(self.movie)
        answers = []
        if self.settings.blind_spot_radius_px is None and self._start is None:
            self._blind_spot_radius_px = correlation.blind_spot_radius_px
            if self._blind_spot_radius_px:
                side = 2 * self._blind_spot_radius_px + 1
                answers.append(f"with a blind spot of {side} x {side} pixels")
        if self.context_frames is None and correlation.is_shared_in_time:
            self.context_frames = 0  # a frame's noise would be seen in its neighbours
            answers.append("without context frames")
        if correlation.description is not None:
            done = f" This training goes on {' and '.join(answers)}." if answers else ""
            self.warnings.append(correlation.description + done)
        yield checking.at(4)

    def _crops(self, workers: Workers) -> Generator[Progress, None, CropSource]:
        settings = self.settings
        most = min(MAX_CONTEXT_FRAMES, (self.movie.n_frames - 1) // 2)
        context = self.context_frames
        chosen = yield from choose_frames(self.movie, settings, most if context is None else context)
        if context is None:
            context = yield from self._choose_context(chosen, most, workers)
        self.context_frames = context
        return CropSource(chosen, self.movie.n_frames, self.camera, settings, context)

    def _choose_context(
        self, chosen: ChosenFrames, most: int, workers: Workers
    ) -> Generator[Progress, None, int]:
        if most == 0:
            return 0
        settings = dataclasses.replace(self.settings, crop_size_px=_PROBE_CROP_PX, batch_size=_PROBE_CROPS)
        source = CropSource(chosen, self.movie.n_frames, self.camera, settings, most)
        sample = light_of(torch.cat(source.validation_batches(np.random.default_rng(settings.seed))), most)
        network = self._untrained("dilated", most, _PROBE_CHANNELS, 1)
        learner = Learner(self._on_device(PriorNetwork(network, InputScaling.of(sample))), workers)
        limit_s = math.inf if settings.minutes is None else _PROBE_SHARE * 60.0 * settings.minutes
        return (yield from choose_context(source, learner, settings.seed, limit_s))

    def _new_model(self, validation: list[Tensor]) -> PriorNetwork:
        if self._start is not None:
            return self._on_device(self._start.trainable_model())
        settings = self.settings
        assert self.context_frames is not None  # chosen by now
        channels = settings.channels or default_channels(settings.network)
        components = settings.components if settings.loss == "gamma-poisson" else 1
        network = self._untrained(self._network_name, self.context_frames, channels, components)
        scaling = InputScaling.of(light_of(torch.cat(validation), self.context_frames))
        return self._on_device(PriorNetwork(network, scaling, components, settings.loss == "squared-error"))

    def _untrained(
        self, name: NetworkName, context_frames: int, channels: int, components: int
    ) -> BlindSpotNetwork:
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            return build_network(
                name, context_frames, channels, self._blind_spot_radius_px, outputs_for(components)
            )

    def _on_device(self, model: PriorNetwork) -> PriorNetwork:
        return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _step(
        self, learner: Learner, state: TrainingState, source: CropSource, watch: Stopwatch
    ) -> Generator[Progress, None, None]:
        size = state.schedule.learning_rate(state.step + 1, state.done)
        taking = learner.step(source.training_batch(state.random), size)
        now = state.progress()
        while True:
            try:
                next(taking)
            except StopIteration as stop:
                loss = stop.value
                break
            yield dataclasses.replace(now, elapsed_s=watch.elapsed_s)
        if not math.isfinite(loss):
            raise BlinkspotError(
                "Training stopped because the loss is no longer a number: the best model so far is kept; "
                "check the camera settings, or train with a smaller learning rate."
            )
        state.finish_step(loss, watch.elapsed_s)
        yield state.progress()

    def _validate(
        self, learner: Learner, state: TrainingState, batches: list[Tensor]
    ) -> Generator[Progress, None, None]:
        if self._residual_ratio is None and (state.step >= _RESIDUAL_CHECK_AT or state.over):
            self._residual_ratio = yield from _paced(residual_ratio(learner, batches), state)
            warning = residual_warning(self._residual_ratio)
            trusted = _TRUSTED_NOISE_RATIO[0] <= self._noise_ratio <= _TRUSTED_NOISE_RATIO[1]
            if warning is not None and trusted:  # else it has been said
                self.warnings.append(warning)
        found: Validation = yield from _paced(learner.validate(batches), state)
        best_before = state.best_loss
        report = state.finish_validation(found.loss, found.own_weight)
        if found.loss < best_before:
            self.best = self._snapshot(learner.averaged, state.step, found.loss)
        yield report

    def _snapshot(self, model: PriorNetwork, step: int, validation_loss: float) -> Denoiser:
        record = provenance(
            "train",
            camera=self.camera,
            settings=self.settings,
            seed=self.settings.seed,
            source=None if self.movie.path is None else self.movie.path.name,
            steps=step,
            context_frames=self.context_frames,
            blind_spot_radius_px=model.network.blind_spot_radius_px,
            validation_loss=validation_loss,
            device=self.device.type,
            noise_ratio=self._noise_ratio,
            residual_ratio=self._residual_ratio,
            started_from=None if self._start is None else self._start.provenance,
        )
        return Denoiser(copy.deepcopy(model), self._network_name, self.camera, record)

    def _warn_if_unsettled(self, state: TrainingState) -> None:
        if not state.schedule.settled:
            self.warnings.append(
                "The training ended before its validation loss had settled, and an undertrained model leaves "
                "ripples that look like molecules: train longer."
            )

    def _identified(self) -> dict[str, Any]:
        """Return what a checkpoint must share with the training that goes on from it, JSON-ready."""
        pixels = hashlib.sha256()
        for index in sorted({0, self.movie.n_frames // 2, self.movie.n_frames - 1}):
            pixels.update(np.ascontiguousarray(self.movie.frame(index)).tobytes())
        return {
            "settings": dataclasses.asdict(self.settings),
            "camera": self.camera.as_dict(),
            "movie": {"shape": list(self.movie.shape), "pixels": pixels.hexdigest()},
            "start": {"weights": None if self._start is None else self._start.digest()},
        }

    def _try_to_write(self, path: Path, learner: Learner, state: TrainingState) -> None:
        """Write a checkpoint; where that fails, warn once and go on: the training is worth more."""
        try:
            self._write(path, learner, state)
        except BlinkspotError as error:
            if str(error) not in self.warnings:
                self.warnings.append(str(error))

    def _write(self, path: Path, learner: Learner, state: TrainingState) -> None:
        tensors = {f"learner.{name}": value for name, value in learner.tensors().items()}
        best = None
        if self.best is not None:
            best = self.best.provenance
            tensors |= {f"best.{name}": value for name, value in self.best.weights().items()}
        numbers = {
            **self._identity,
            "state": state.as_dict(),
            "context_frames": self.context_frames,
            "blind_spot_radius_px": self._blind_spot_radius_px,
            "scaling": dataclasses.asdict(learner.model.scaling),
            "noise_ratio": self._noise_ratio,
            "residual_ratio": self._residual_ratio,
            "warnings": self.warnings,
            "best": best,
        }
        write_checkpoint(path, numbers, tensors)

    def _read(self, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
        numbers, tensors = read_checkpoint(path)
        for name, own in self._identity.items():
            theirs = numbers.get(name)
            if theirs != own:
                whole = {"movie": "another movie", "start": "another model to start from"}
                what = whole.get(name) or first_difference(theirs, own)
                raise BlinkspotError(
                    f"The checkpoint {path} is of another training ({what}): give the movie, camera and "
                    "settings with which that one began, or train anew."
                )
        self.context_frames = numbers["context_frames"]
        self._blind_spot_radius_px = numbers["blind_spot_radius_px"]
        self._noise_ratio = numbers["noise_ratio"]
        self._residual_ratio = numbers["residual_ratio"]
        self.warnings = list(numbers["warnings"])
        return numbers, tensors

    def _restore(
        self, learner: Learner, state: TrainingState, numbers: dict[str, Any], tensors: dict[str, Tensor]
    ) -> None:
        learner.model.scaling = learner.averaged.scaling = InputScaling(**numbers["scaling"])
        learner.restore(tensors_below("learner", tensors))
        state.restore(numbers["state"])
        if numbers["best"] is not None:
            model = copy.deepcopy(learner.averaged)
            model.load_state_dict(tensors_below("best", tensors))
            self.best = Denoiser(model, self._network_name, self.camera, numbers["best"])


def train(
    movie: Stack, camera: Camera, settings: TrainingSettings | None = None
) -> Generator[Progress, None, Denoiser]:
    """Train a denoiser: ``Training(movie, camera, settings).run()``."""
    return Training(movie, camera, settings).run()


def _paced(work: Generator[None, None, ResultT], state: TrainingState) -> Generator[Progress, None, ResultT]:
    """Do work that reports nothing, and yield where the training stands."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: ResultT = stop.value
            return result
        yield state.progress()
