"""Train a denoiser on the noisy movie itself."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
from collections.abc import Generator
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from blinkspot.camera import Camera
from blinkspot.camera_from_movie.estimate import noise_fits
from blinkspot.denoising.batches import CropSource
from blinkspot.denoising.calibration import Calibration, line
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.devices import can_be_lost, lost_gpu_warning, pick_device
from blinkspot.denoising.frames import check_part
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.denoising.settings import TrainingSettings, resolved
from blinkspot.denoising.training.checkpoint import (
    identity_of,
    read_same_training,
    tensors_below,
    undamaged,
    write_checkpoint,
)
from blinkspot.denoising.training.crop_choice import choose_crops, on_device
from blinkspot.denoising.training.first_look import look_at
from blinkspot.denoising.training.kept_training import room_bytes
from blinkspot.denoising.training.learner import Learner, Validation
from blinkspot.denoising.training.new_network import model_to_train
from blinkspot.denoising.training.residual_check import ResidualCheck
from blinkspot.denoising.training.training_state import TrainingProgress, TrainingState
from blinkspot.denoising.workers import Workers
from blinkspot.errors import BlinkspotError
from blinkspot.files.part_folders import claimed
from blinkspot.hardware_faults import is_lost_gpu, is_out_of_memory
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch, relayed
from blinkspot.provenance import provenance

_CHECKPOINT_EVERY_S = 60.0
_CALIBRATION_PARTS = 256  # as much as is computed in one go, so many times: some seconds
ResultT = TypeVar("ResultT")
# Numbers and tensors, as a checkpoint holds them.
_Kept = tuple[dict[str, Any], dict[str, Tensor]]


class Training:
    """One training of one model on one movie.

    Parameters
    ----------
    movie : Stack or array
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
        movie: Stack | Any,
        camera: Camera,
        settings: TrainingSettings | None = None,
        start: Denoiser | None = None,
    ) -> None:
        self.movie = as_stack(movie)
        self.camera = camera
        self.settings = settings or TrainingSettings()
        self.device = pick_device(self.settings.device)
        self.best: Denoiser | None = None
        self.warnings: list[str] = []
        self._start = start
        self._used = resolved(self.settings)
        check_part(self.movie, self.settings)
        if start is not None:
            start.check_can_learn(self.settings.loss)
            start.check_keeps(self.settings.chosen)
            self._used = dataclasses.replace(self._used, **start.architecture)
        self._rounded = self.movie.dtype.kind in "iu"
        self._noise_ratio = 1.0
        self._residual = ResidualCheck()
        self._state: TrainingState | None = None
        self._resumed_from: Path | None = None
        self._safe: _Kept | None = None

    @property
    def context_frames(self) -> int | None:
        """Neighbouring frames that the model sees on each side; None until they are chosen."""
        return self._used.context_frames

    @property
    def _noise_camera(self) -> Camera:
        return self.camera.with_rounding() if self._rounded else self.camera

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must share with this training for it to go on from there, JSON-ready."""
        return identity_of(self.movie, self.camera, self.settings, self._start)

    @property
    def room_bytes(self) -> int:
        """Room on the disk that the model and its checkpoint take, at most."""
        return room_bytes(self._used, self.camera)

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
            If the movie or the camera cannot be used, the loss is no longer a number, the checkpoint
            is not one of this training, or another training is kept in it.
        """
        with contextlib.ExitStack() as stack:
            if checkpoint is not None:
                stack.enter_context(claimed(checkpoint))
            resumed = None if resume is None else read_same_training(resume, self.identity)
            self._resumed_from = resume
            try:
                return (yield from self._run(checkpoint, resumed))
            except Exception as error:
                if not is_lost_gpu(error):
                    raise
                self._leave_gpu(error)
            # From the last validation on: nothing can be fetched from the GPU any more.
            return (yield from self._run(checkpoint, self._safe or resumed))

    def _leave_gpu(self, error: Exception) -> None:
        self.device = torch.device("cpu")
        self.best = None if self.best is None else self.best.on_processor()
        self.warnings.append(lost_gpu_warning(error))

    def _run(self, checkpoint: Path | None, resumed: _Kept | None) -> Generator[Progress, None, Denoiser]:
        with Workers(self.device) as workers:
            return (yield from self._run_with(workers, checkpoint, resumed))

    def _run_with(
        self, workers: Workers, checkpoint: Path | None, resumed: _Kept | None
    ) -> Generator[Progress, None, Denoiser]:
        if resumed is None:
            found = yield from look_at(self.movie, self._noise_camera, self._used)
            self._used, self._noise_ratio = found.settings, found.noise_ratio
            self._warn_of(found.warnings + self._start_warnings())
            self._residual = ResidualCheck()
        else:
            with undamaged(self._resumed_from):
                self._take(resumed[0])
        source, context_frames = yield from choose_crops(
            self.movie, self._noise_camera, self.settings, self._used, workers, self.device
        )
        self._used = dataclasses.replace(self._used, context_frames=context_frames)
        # Validation crops have random numbers of their own: the same for any length of training.
        validation = source.validation_batches(np.random.default_rng(self.settings.seed + 1))
        model = on_device(model_to_train(self._start, self._used, validation), self.device)
        learner = Learner(model, workers, self.settings.loss)
        self._state = state = TrainingState.new(self._used, source.steps_per_epoch, context_frames)
        if resumed is not None:
            with undamaged(self._resumed_from):
                self._restore(learner, state, *resumed)
        watch = Stopwatch("training", 1.0)
        watch.started -= state.elapsed_s
        saved_at_s = watch.elapsed_s
        try:
            while True:
                if state.validation_due:
                    yield from self._validate(learner, state, validation, source.independent_crops)
                    if can_be_lost(self.device):
                        self._safe = self._kept(learner, state)
                if state.over:
                    break
                yield from self._step(learner, state, source, watch)
                if checkpoint is not None and watch.elapsed_s > saved_at_s + _CHECKPOINT_EVERY_S:
                    saved_at_s = watch.elapsed_s
                    self._try_to_write(checkpoint, learner, state)
            yield from self._calibrate(source, learner, workers, state)
        except GeneratorExit:
            if checkpoint is not None and state.step:
                self._try_to_write(checkpoint, learner, state)
            if self.best is not None:
                self._warn_if_rough(state)
            raise
        assert self.best is not None  # it is calibrated
        self._warn_if_rough(state)
        self.best.provenance |= {"settled": state.schedule.settled, "finished": True}
        return self.best

    def _calibrate(
        self, source: CropSource, learner: Learner, workers: Workers, state: TrainingState
    ) -> Generator[Progress, None, None]:
        """Measure the best model's bias on whole frames."""
        if self.best is None:
            raise BlinkspotError(
                "The training found no model because the loss of the held-out frames is not a number: "
                "check the movie for values that no camera gives."
            )
        most = _CALIBRATION_PARTS * learner.model.network.pixels_at_once
        parts = source.calibration_batches(np.random.default_rng(self.settings.seed + 2), most)
        try:
            calibration = yield from _paced(self.best.measured_calibration(parts, workers), state)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self.warnings.append(
                "There was not enough memory to measure the model's bias on whole frames: it was measured on "
                "the held-out crops alone."
            )
        else:
            if calibration.warning is not None:
                self.warnings.append(calibration.warning)
            self.best = self.best.calibrated(calibration)

    def _start_warnings(self) -> list[str]:
        differences = [] if self._start is None else self._start.camera.differences(self.camera)
        if not differences:
            return []
        return [
            f"The model to start from was made for another camera ({', '.join(differences)}): it goes on "
            "learning with this movie's camera and keeps its number of context frames, "
            f"{self.context_frames}; let it train until its loss has settled, or begin with a new model."
        ]

    def _step(
        self, learner: Learner, state: TrainingState, source: CropSource, watch: Stopwatch
    ) -> Generator[Progress, None, None]:
        size = state.schedule.learning_rate(state.step + 1, state.done)
        now = state.progress()
        taking = learner.step(source.training_batch(state.random), size)
        loss = yield from relayed(taking, lambda _: dataclasses.replace(now, elapsed_s=watch.elapsed_s))
        if math.isfinite(loss):
            state.finish_step(loss, watch.elapsed_s)
            yield state.progress()
        else:
            yield self._go_back(learner, state)

    def _go_back(self, learner: Learner, state: TrainingState) -> TrainingProgress:
        """Go on from the best weights with smaller steps, once the loss is no longer a number."""
        if self.best is None:
            raise BlinkspotError(
                "Training stopped because the loss is not a number from the beginning: check the camera "
                "settings, and the movie for values that no camera gives."
            )
        if state.schedule.is_hopeless:
            raise BlinkspotError(
                f"Training stopped because the loss is no longer a number, again after going on "
                f"{state.schedule.diverged} times from the best weights with smaller steps: the best model "
                "so far is kept; check the camera settings, or train with a smaller learning rate."
            )
        learner.go_back_to(self.best.weights())
        return state.restart_diverged()

    def _validate(
        self, learner: Learner, state: TrainingState, batches: list[Tensor], independent_crops: float
    ) -> Generator[Progress, None, None]:
        found: Validation = yield from _paced(learner.validate(batches), state)
        warning = self._residual.note(found.residual_ratio, state.step, state.over)
        if warning is not None and noise_fits(self._noise_ratio):  # else it has been said
            self.warnings.append(warning)
        best_before, is_lost = state.best_loss, state.has_lost_its_way(found.loss)
        report = state.finish_validation(found.loss, found.own_weight)
        if found.loss < best_before:
            share = min(1.0, independent_crops / len(found.losses))
            self.best = self._snapshot(learner.averaged, state, found.loss).calibrated(
                line(share * found.sums)
            )
        elif not math.isfinite(found.loss) and self.best is not None:
            report = self._go_back(learner, state)
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
            finished=False,
            context_frames=self._used.context_frames,
            blind_spot_radius_px=model.network.blind_spot_radius_px,
            validation_loss=validation_loss,
            device=self.device.type,
            threads=torch.get_num_threads(),
            noise_ratio=self._noise_ratio,
            rounded=self._rounded,
            residual_ratio=self._residual.settled,
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
            write_checkpoint(path, *self._kept(learner, state))
        except BlinkspotError as error:
            if str(error) not in self.warnings:
                self.warnings.append(str(error))

    def _kept(self, learner: Learner, state: TrainingState) -> _Kept:
        """Return all that the training can go on from, on the processor."""
        tensors = {f"learner.{name}": value for name, value in learner.tensors().items()}
        best = None
        if self.best is not None:
            best = self.best.provenance
            tensors |= {f"best.{name}": value for name, value in self.best.weights().items()}
        numbers = {
            **self.identity,
            "state": state.as_dict(),
            "used": dataclasses.asdict(self._used),
            "scaling": dataclasses.asdict(learner.model.scaling),
            "noise_ratio": self._noise_ratio,
            "rounded": self._rounded,
            **self._residual.as_dict(),
            "warnings": list(self.warnings),
            "best": best,
        }
        return numbers, tensors

    def _take(self, numbers: dict[str, Any]) -> None:
        """Take from what was kept what was known of the movie."""
        used = numbers["used"]
        self._used = dataclasses.replace(
            self._used,
            context_frames=int(used["context_frames"]),
            blind_spot_radius_px=int(used["blind_spot_radius_px"]),
        )
        self._noise_ratio = float(numbers["noise_ratio"])
        # Begun by a version that did not know that noise, it goes on with the counts it has learned.
        self._rounded = bool(numbers.get("rounded", False))
        self._residual = ResidualCheck.from_dict(numbers)
        self._warn_of([str(warning) for warning in numbers["warnings"]])

    def _warn_of(self, sentences: list[str]) -> None:
        self.warnings += [sentence for sentence in sentences if sentence not in self.warnings]

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


def train(
    movie: Stack | Any, camera: Camera, settings: TrainingSettings | None = None
) -> Generator[Progress, None, Denoiser]:
    """Train a denoiser: ``Training(movie, camera, settings).run()``."""
    return Training(movie, camera, settings).run()


def _paced(work: Generator[None, None, ResultT], state: TrainingState) -> Generator[Progress, None, ResultT]:
    """Do work that reports nothing, and yield where the training stands."""
    return relayed(work, lambda _: state.progress())
