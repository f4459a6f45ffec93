"""Train a denoiser on the noisy movie itself."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from blinkspot.camera import Camera
from blinkspot.camera_estimate import noise_fits
from blinkspot.denoising.batches import CropSource, light_of
from blinkspot.denoising.calibration import Calibration, line
from blinkspot.denoising.checkpoint import (
    check_same_training,
    identity_of,
    read_checkpoint,
    tensors_below,
    write_checkpoint,
)
from blinkspot.denoising.context_choice import choose_context
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.devices import pick_device
from blinkspot.denoising.first_look import look_at
from blinkspot.denoising.frames import ChosenFrames, check_part, choose_frames
from blinkspot.denoising.learner import Learner, Validation
from blinkspot.denoising.new_network import untrained_network
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.denoising.residual_check import residual_warning, settled_ratio
from blinkspot.denoising.settings import MAX_CONTEXT_FRAMES, TrainingSettings, resolved
from blinkspot.denoising.training_state import TrainingProgress, TrainingState
from blinkspot.denoising.workers import Workers
from blinkspot.errors import BlinkspotError
from blinkspot.progress import Progress, Stopwatch, relayed
from blinkspot.provenance import provenance
from blinkspot.stack import Stack

_CHECKPOINT_EVERY_S = 60.0
# Weights, their average, two moments and the best model; the old file stays until the new one is whole.
_WEIGHTS_IN_CHECKPOINTS = 2 * 5
_RESIDUAL_CHECK_AT = 200
_CALIBRATION_PARTS = 256  # as much as is computed in one go, so many times: some seconds
# The small network that tells how many context frames help.
_PROBE_CHANNELS = 8
_PROBE_CROP_PX = 32
_PROBE_CROPS = 16
_PROBE_SHARE = 0.15  # of the minutes that a training may last

ResultT = TypeVar("ResultT")
# What values that are not what they should be give rise to.
_OF_DAMAGED_FILES = (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError)


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
        Model to go on from instead of a new one: its network, channels, components, context frames and
        blind spot are kept, and settings that differ from their defaults may not contradict them.

    Attributes
    ----------
    best : Denoiser or None
        The model with the lowest validation loss so far; None before the first validation. It stays when
        :meth:`run` is closed early. Until the training has ended, it is calibrated on the validation crops.
    warnings : list of str
        What speaks against trusting the model, a sentence each; filled as :meth:`run` finds it.

    Raises
    ------
    BlinkspotError
        If this machine lacks the device asked for, the frames or the region to learn from do not lie in the
        movie, or the model to start from was not made for the loss or
        contradicts the settings.
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
        self._start = start
        self._used = resolved(self.settings)
        check_part(movie, self.settings)
        if start is not None:
            start.check_can_learn(self.settings.loss)
            start.check_keeps(self.settings.chosen)
            self._used = dataclasses.replace(self._used, **start.architecture)
        self._noise_ratio = 1.0
        self._identity: dict[str, Any] = {}
        self._residual_ratios: list[float] = []
        self._residual_ratio: float | None = None
        self._state: TrainingState | None = None

    @property
    def context_frames(self) -> int | None:
        """Neighbouring frames that the model sees on each side; None until they are chosen."""
        return self._used.context_frames

    @property
    def room_bytes(self) -> int:
        """Room on the disk that the model and its checkpoint take, at most."""
        context_frames = MAX_CONTEXT_FRAMES if self.context_frames is None else self.context_frames
        radius = self._used.blind_spot_radius_px or 0
        network = untrained_network(
            dataclasses.replace(self._used, context_frames=context_frames, blind_spot_radius_px=radius)
        )
        weights = sum(weight.numel() * weight.element_size() for weight in network.parameters())
        maps = 0 if self.camera.maps is None else self.camera.maps.as_array().nbytes
        return maps + weights * (1 + _WEIGHTS_IN_CHECKPOINTS)

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
        self._identity = identity_of(self.movie, self.camera, self.settings, self._start)
        resumed = None if resume is None else self._read(resume)
        if resumed is None:
            found = yield from look_at(self.movie, self.camera, self._used)
            self._used, self._noise_ratio = found.settings, found.noise_ratio
            self.warnings += found.warnings + self._start_warnings()
        source = yield from self._crops(workers)
        # Validation crops have random numbers of their own: the same for any length of training.
        validation = source.validation_batches(np.random.default_rng(self.settings.seed + 1))
        learner = Learner(self._new_model(validation), workers, self.settings.loss)
        self._state = state = TrainingState.new(self.settings, source.steps_per_epoch)
        if resumed is not None:
            try:
                self._restore(learner, state, *resumed)
            except _OF_DAMAGED_FILES as error:
                raise _damaged(resume) from error
        watch = Stopwatch("training", 1.0)
        watch.started -= state.elapsed_s
        saved_at_s = watch.elapsed_s
        try:
            while True:
                if state.validation_due:
                    yield from self._validate(learner, state, validation, source.independent_crops)
                if state.over:
                    break
                yield from self._step(learner, state, source, watch)
                if checkpoint is not None and watch.elapsed_s > saved_at_s + _CHECKPOINT_EVERY_S:
                    saved_at_s = watch.elapsed_s
                    self._try_to_write(checkpoint, learner, state)
        except GeneratorExit:
            if checkpoint is not None and state.step:
                self._try_to_write(checkpoint, learner, state)
            if self.best is not None:
                self._warn_if_rough(state)
            raise
        self._warn_if_rough(state)
        if self.best is None:
            raise BlinkspotError(
                "The training found no model because the loss of the held-out frames is not a number: "
                "check the movie for values that no camera gives."
            )
        most = _CALIBRATION_PARTS * learner.model.network.pixels_at_once
        parts = source.calibration_batches(np.random.default_rng(self.settings.seed + 2), most)
        calibration = yield from _paced(self.best.measured_calibration(parts, workers), state)
        if calibration.warning is not None:
            self.warnings.append(calibration.warning)
        self.best = self.best.calibrated(calibration)
        self.best.provenance["settled"] = state.schedule.settled
        return self.best

    def _start_warnings(self) -> list[str]:
        differences = [] if self._start is None else self._start.camera.differences(self.camera)
        if not differences:
            return []
        return [
            f"The model to start from was made for another camera ({', '.join(differences)}): it goes on "
            "learning with this movie's camera and keeps its number of context frames, "
            f"{self.context_frames}; let it train until its loss has settled, or begin with a new model."
        ]

    def _crops(self, workers: Workers) -> Generator[Progress, None, CropSource]:
        settings = self.settings
        most = min(MAX_CONTEXT_FRAMES, (self.movie.n_frames - 1) // 2)
        context = self.context_frames
        chosen = yield from choose_frames(self.movie, settings, most if context is None else context)
        if context is None:
            context = yield from self._choose_context(chosen, most, workers)
        self._used = dataclasses.replace(self._used, context_frames=context)
        return CropSource(chosen, self.movie.n_frames, self._camera_of_crops, settings, context)

    @property
    def _camera_of_crops(self) -> Camera:
        region = self.settings.region_px
        return self.camera if region is None else self.camera.window(*region)

    def _choose_context(
        self, chosen: ChosenFrames, most: int, workers: Workers
    ) -> Generator[Progress, None, int]:
        if most == 0:
            return 0
        settings = dataclasses.replace(self.settings, crop_size_px=_PROBE_CROP_PX, batch_size=_PROBE_CROPS)
        source = CropSource(chosen, self.movie.n_frames, self._camera_of_crops, settings, most)
        sample = light_of(torch.cat(source.validation_batches(np.random.default_rng(settings.seed))), most)
        probe = dataclasses.replace(
            self._used, network="dilated", context_frames=most, channels=_PROBE_CHANNELS, components=1
        )
        network = untrained_network(probe)
        learner = Learner(self._on_device(PriorNetwork(network, InputScaling.of(sample))), workers)
        limit_s = math.inf if settings.minutes is None else _PROBE_SHARE * 60.0 * settings.minutes
        return (yield from choose_context(source, learner, settings.seed, limit_s))

    def _new_model(self, validation: list[Tensor]) -> PriorNetwork:
        if self._start is not None:
            return self._on_device(self._start.trainable_model())
        used = self._used
        assert used.context_frames is not None  # chosen by now
        scaling = InputScaling.of(light_of(torch.cat(validation), used.context_frames))
        mean_only = used.loss == "squared-error"
        return self._on_device(PriorNetwork(untrained_network(used), scaling, used.components, mean_only))

    def _on_device(self, model: PriorNetwork) -> PriorNetwork:
        return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def _step(
        self, learner: Learner, state: TrainingState, source: CropSource, watch: Stopwatch
    ) -> Generator[Progress, None, None]:
        size = state.schedule.learning_rate(state.step + 1, state.done)
        now = state.progress()
        taking = learner.step(source.training_batch(state.random), size)
        loss = yield from relayed(taking, lambda _: dataclasses.replace(now, elapsed_s=watch.elapsed_s))
        if not math.isfinite(loss):
            raise BlinkspotError(
                "Training stopped because the loss is no longer a number: the best model so far is kept; "
                "check the camera settings, or train with a smaller learning rate."
            )
        state.finish_step(loss, watch.elapsed_s)
        yield state.progress()

    def _validate(
        self, learner: Learner, state: TrainingState, batches: list[Tensor], independent_crops: float
    ) -> Generator[Progress, None, None]:
        found: Validation = yield from _paced(learner.validate(batches), state)
        self._residual_ratios.append(found.residual_ratio)
        if self._residual_ratio is None and (state.step >= _RESIDUAL_CHECK_AT or state.over):
            self._residual_ratio = settled_ratio(self._residual_ratios)
            warning = None if self._residual_ratio is None else residual_warning(self._residual_ratio)
            if warning is not None and noise_fits(self._noise_ratio):  # else it has been said
                self.warnings.append(warning)
        best_before, is_lost = state.best_loss, state.has_lost_its_way(found.loss)
        report = state.finish_validation(found.loss, found.own_weight)
        if found.loss < best_before:
            share = min(1.0, independent_crops / len(found.losses))
            self.best = self._snapshot(learner.averaged, state, found.loss).calibrated(
                line(share * found.sums)
            )
        elif is_lost and self.best is not None:
            learner.go_back_to(self.best.weights())
            report = state.restart()
        yield report

    def _snapshot(self, model: PriorNetwork, state: TrainingState, validation_loss: float) -> Denoiser:
        record = provenance(
            "train",
            camera=self.camera,
            settings=self._used,
            asked_for=self.settings.chosen,
            seed=self.settings.seed,
            source=None if self.movie.path is None else self.movie.path.name,
            steps=state.step,
            settled=state.schedule.settled,
            context_frames=self._used.context_frames,
            blind_spot_radius_px=model.network.blind_spot_radius_px,
            validation_loss=validation_loss,
            device=self.device.type,
            threads=torch.get_num_threads(),
            noise_ratio=self._noise_ratio,
            residual_ratio=self._residual_ratio,
            started_from=None if self._start is None else self._start.provenance,
        )
        return Denoiser(copy.deepcopy(model), self._used.network, self.camera, record)

    def _warn_if_rough(self, state: TrainingState) -> None:
        if state.schedule.rough:
            self.warnings.append(
                "The training ended before its validation loss had settled, and an undertrained model leaves "
                "ripples that look like molecules: train longer."
            )

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
            "used": dataclasses.asdict(self._used),
            "scaling": dataclasses.asdict(learner.model.scaling),
            "noise_ratio": self._noise_ratio,
            "residual_ratios": self._residual_ratios,
            "residual_ratio": self._residual_ratio,
            "warnings": self.warnings,
            "best": best,
        }
        write_checkpoint(path, numbers, tensors)

    def _read(self, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
        numbers, tensors = read_checkpoint(path)
        check_same_training(path, numbers, self._identity)
        try:
            used = numbers["used"]
            self._used = dataclasses.replace(
                self._used,
                context_frames=int(used["context_frames"]),
                blind_spot_radius_px=int(used["blind_spot_radius_px"]),
            )
            self._noise_ratio = float(numbers["noise_ratio"])
            self._residual_ratios = [float(ratio) for ratio in numbers["residual_ratios"]]
            ratio = numbers["residual_ratio"]
            self._residual_ratio = None if ratio is None else float(ratio)
            self.warnings = [str(warning) for warning in numbers["warnings"]]
        except (*_OF_DAMAGED_FILES, BlinkspotError) as error:
            raise _damaged(path) from error
        return numbers, tensors

    def _restore(
        self, learner: Learner, state: TrainingState, numbers: dict[str, Any], tensors: dict[str, Tensor]
    ) -> None:
        scaling = InputScaling(**{name: float(value) for name, value in numbers["scaling"].items()})
        learner.model.scaling = learner.averaged.scaling = scaling
        learner.restore(tensors_below("learner", tensors))
        state.restore(numbers["state"])
        if numbers["best"] is not None:
            model = copy.deepcopy(learner.averaged)
            model.load_state_dict(tensors_below("best", tensors))
            best = Denoiser(model, self._used.network, self.camera, numbers["best"])
            self.best = best.calibrated(Calibration(**best.provenance["calibration"]))


def _damaged(checkpoint: Path | None) -> BlinkspotError:
    return BlinkspotError(f"The checkpoint {checkpoint} is damaged: train anew.")


def train(
    movie: Stack, camera: Camera, settings: TrainingSettings | None = None
) -> Generator[Progress, None, Denoiser]:
    """Train a denoiser: ``Training(movie, camera, settings).run()``."""
    return Training(movie, camera, settings).run()


def _paced(work: Generator[None, None, ResultT], state: TrainingState) -> Generator[Progress, None, ResultT]:
    """Do work that reports nothing, and yield where the training stands."""
    return relayed(work, lambda _: state.progress())
