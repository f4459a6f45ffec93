"""A trained model at work: frames in, estimated photoelectrons out."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blinkspot.camera import Camera, FloatArray
from blinkspot.camera_from_movie.estimate import noise_ratio
from blinkspot.denoising.calibration import Calibration, calibrate
from blinkspot.denoising.context import check_length
from blinkspot.denoising.devices import named_device
from blinkspot.denoising.frame_stream import FrameStream
from blinkspot.denoising.model_file import ModelRecord, load_model, save_model
from blinkspot.denoising.networks import NetworkName
from blinkspot.denoising.noise import ESTIMATES, Estimate, LossName, estimate_counts
from blinkspot.denoising.prior import PriorNetwork
from blinkspot.denoising.workers import Workers
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_camera, check_movie
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress


@dataclass(frozen=True)
class DenoisedChunk:
    """Some denoised frames.

    Attributes
    ----------
    start : int
        Number of the first frame.
    frames : ndarray of float32, (n, Y, X)
        Photoelectrons, or their squares where a variance was asked for.
    progress : Progress
        How far the job is.
    """

    start: int
    frames: FloatArray
    progress: Progress


@dataclass(frozen=True)
class PredictedChunk:
    """What is known of some frames' counts before they are seen, from their neighbours alone.

    Attributes
    ----------
    start : int
        Number of the first frame.
    mean, variance : ndarray of float32, (n, Y, X)
        Of each pixel's count as :attr:`Denoiser.noise_camera` has it; counts, and counts squared.
    progress : Progress
        How far the job is.
    """

    start: int
    mean: FloatArray
    variance: FloatArray
    progress: Progress


class Denoiser:
    """A trained model with the camera it was trained for.

    Parameters
    ----------
    model : PriorNetwork
        Trained network, on the device where it is to run.
    network_name : {"dilated", "laine"}
        Which network that is.
    camera : Camera
        Camera of the movie it was trained on.
    record : dict
        How it was made; see :func:`blinkspot.provenance.provenance`.
    """

    def __init__(
        self, model: PriorNetwork, network_name: NetworkName, camera: Camera, record: dict[str, Any]
    ) -> None:
        self.network_name = network_name
        self.camera = camera
        self.provenance = record
        self._stream = FrameStream(model.eval().requires_grad_(False), self.noise_camera)

    @property
    def noise_camera(self) -> Camera:
        """The camera whose counts the network sees: with the noise of rounding where it was trained so."""
        return self.camera.with_rounding() if self.provenance.get("rounded") else self.camera

    @property
    def _model(self) -> PriorNetwork:
        return self._stream.model

    @property
    def warnings(self) -> list[str]:
        """What has happened while it was at work that the user should know, a sentence each."""
        return self._stream.warnings

    @property
    def context_frames(self) -> int:
        """Neighbouring frames on each side that a frame's estimate uses."""
        return self._model.network.context_frames

    @property
    def architecture(self) -> dict[str, Any]:
        """What a training that goes on from this model keeps, by the names of its settings."""
        network = self._model.network
        return {
            "network": self.network_name,
            "components": self._model.components,
            "context_frames": network.context_frames,
            "blind_spot_radius_px": network.blind_spot_radius_px,
            "channels": network.channels,
        }

    @property
    def knows_variance(self) -> bool:
        """Whether it was trained to know how uncertain it is: by all losses but the squared error."""
        return not self._model.mean_only

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return next(self._model.parameters()).device

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights, on the CPU."""
        return {
            name: value.detach().cpu().contiguous().clone()
            for name, value in self._model.state_dict().items()
        }

    def made(self, record: Mapping[str, Any]) -> bool:
        """Tell whether the provenance of a denoised movie says that this model made it.

        Parameters
        ----------
        record : mapping
            As :func:`.denoise_to_file` writes it, from a file or not.
        """
        # In a file, it has been through JSON.
        return record.get("model") in (self.provenance, json.loads(json.dumps(self.provenance)))

    def digest(self) -> str:
        """Return a fingerprint of the weights."""
        content = hashlib.sha256()
        for name, value in sorted(self.weights().items()):
            content.update(name.encode() + value.numpy().tobytes())
        return content.hexdigest()

    def check_can_learn(self, loss: LossName) -> None:
        """Check that this model can go on learning by a loss.

        Raises
        ------
        BlinkspotError
            If its prior is not of the kind that the loss teaches.
        """
        fits = self._model.mean_only == (loss == "squared-error")
        if not fits or (loss != "gamma-poisson" and self._model.components > 1):
            raise BlinkspotError(
                f"The model to start from was not made for the loss {loss!r}: begin with a new model, or "
                "train with the loss that the old one was trained with."
            )

    def check_keeps(self, asked: Mapping[str, object]) -> None:
        """Check that a training that goes on from this model can be as it is asked for.

        Parameters
        ----------
        asked : mapping
            Values of settings by name; those that are not of :attr:`architecture` are passed over.

        Raises
        ------
        BlinkspotError
            If this model decides otherwise.
        """
        for name, kept in self.architecture.items():
            if asked.get(name, kept) != kept:
                raise BlinkspotError(
                    f"The model to start from has {name} {kept}, which stays, but {asked[name]} is asked "
                    "for: leave that out, or begin with a new model."
                )

    def trainable_model(self) -> PriorNetwork:
        """Return a copy of the network that can go on learning, without the line of its calibration."""
        model = self._uncalibrated_copy()
        return model.train().requires_grad_(True)

    def _uncalibrated_copy(self) -> PriorNetwork:
        model = copy.deepcopy(self._model)
        model.scaling = model.scaling.with_line()
        return model

    def measured_calibration(
        self, batches: Iterable[Tensor], workers: Workers
    ) -> Generator[None, None, Calibration]:
        """Measure the bias that training has left; see :func:`blinkspot.denoising.calibration.calibrate`."""
        return calibrate(self._uncalibrated_copy(), batches, workers)

    def calibrated(self, calibration: Calibration) -> Denoiser:
        """Return this model with that line, in place of the one it had."""
        model = self._uncalibrated_copy()
        model.scaling = model.scaling.with_line(calibration.offset, calibration.slope)
        record = {**self.provenance, "calibration": dataclasses.asdict(calibration)}
        return Denoiser(model, self.network_name, self.camera, record)

    def on_processor(self) -> Denoiser:
        """Return this model on the processor, also where its GPU has been lost."""
        model = self._model if self._stream.spare is None else self._stream.spare
        return Denoiser(model, self.network_name, self.camera, self.provenance)

    def for_camera(self, camera: Camera) -> Denoiser:
        """Return this model for movies of another camera.

        What the network sees are counts, whose variance is their mean with every camera; only the way there
        and back is the camera's. It has learned the spots, the light and the background of its own movie,
        though, and its bias was measured there.
        """
        return Denoiser(self._model, self.network_name, camera, self.provenance)

    def check_matches(self, movie: Stack | Any, camera: Camera | None = None) -> None:
        """Check that a movie is one that this model can denoise.

        Parameters
        ----------
        movie : Stack or array
            Movie to denoise.
        camera : Camera, optional
            The movie's camera, where it is known.

        Raises
        ------
        BlinkspotError
            If the movie cannot be used at all, its camera is not the model's, or its noise has less than half
            or more than twice the variance that it would have with the model's camera.
        """
        movie = as_stack(movie)
        if camera is not None:
            differences = self.camera.differences(camera)
            if differences:
                raise BlinkspotError(
                    f"The model was made for another camera ({differences[0]}): train a model on this movie, "
                    "or correct the camera."
                )
        check_movie(movie)
        check_camera(movie, self.camera)
        check_length(movie.n_frames, self.context_frames)
        excess = noise_ratio(movie, self.noise_camera) / self.provenance.get("noise_ratio", 1.0)
        if not 0.5 <= excess <= 2.0:
            raise BlinkspotError(
                f"The noise of {movie.name_within} has {excess:.2g} times the variance that the model's "
                "camera predicts, so the model was made for another camera: train one on this movie."
            )

    def denoise_frame(
        self, movie: Stack | Any, index: int, estimate: Estimate = "posterior-mean"
    ) -> FloatArray:
        """Denoise one frame of a movie.

        Parameters
        ----------
        movie : Stack or array
            Movie in ADU of this model's camera.
        index : int
            Frame number, from 0.
        estimate : {"posterior-mean", "map", "blind", "posterior-variance"}
            See :func:`blinkspot.denoising.noise.estimate_counts`.

        Returns
        -------
        ndarray of float32, (Y, X)
            Photoelectrons; of the posterior variance, photoelectrons squared.

        Raises
        ------
        BlinkspotError
            If the movie has no such frame, or is too short for the model's context.
        """
        (chunk,) = (c for c in self.denoise(movie, index, index + 1, estimate) if len(c.frames))
        frame: FloatArray = chunk.frames[0]
        return frame

    def frames_at_once(self, movie: Stack | Any) -> int:
        """Return how many frames of a movie :meth:`denoise` computes in one go, from ``start`` on.

        A frame's last bits may depend on which frames are computed together with it.
        """
        return self._stream.frames_at_once(as_stack(movie))

    def denoise(
        self,
        movie: Stack | Any,
        start: int = 0,
        stop: int | None = None,
        estimate: Estimate = "posterior-mean",
    ) -> Generator[DenoisedChunk, None, None]:
        """Denoise a range of frames in a stream.

        Parameters
        ----------
        movie : Stack or array
            Movie in ADU of this model's camera.
        start, stop : int
            First frame, and the one after the last; the whole movie by default.
        estimate : {"posterior-mean", "map", "blind", "posterior-variance"}
            See :func:`blinkspot.denoising.noise.estimate_counts`.

        Yields
        ------
        DenoisedChunk
            Frames in their order. Within a large frame also chunks of no frames, for their progress.

        Raises
        ------
        BlinkspotError
            If there is no such frame or estimate, or the movie is too short for the model's context.
        """
        if estimate not in ESTIMATES:
            raise BlinkspotError(f"There is no estimate {estimate!r}: choose one of {', '.join(ESTIMATES)}.")
        if estimate == "posterior-variance" and not self.knows_variance:
            raise BlinkspotError(
                "A model trained with squared error knows no posterior variance: train with another loss."
            )
        for first, frames, progress in self._stream.of(
            as_stack(movie), start, stop, lambda counts, prior: estimate_counts(counts, prior, estimate)
        ):
            yield DenoisedChunk(first, self._photoelectrons(frames, estimate), progress)

    def predict(
        self, movie: Stack | Any, start: int = 0, stop: int | None = None
    ) -> Generator[PredictedChunk, None, None]:
        """Tell, in a stream, what is known of each pixel's count before it is seen.

        Parameters
        ----------
        movie : Stack or array
            Movie in ADU of this model's camera.
        start, stop : int
            First frame, and the one after the last; the whole movie by default.

        Yields
        ------
        PredictedChunk
            Frames in their order. Within a large frame also chunks of no frames, for their progress.

        Raises
        ------
        BlinkspotError
            If there is no such frame, or the movie is too short for the model's context.
        """
        movie = as_stack(movie)
        nothing = np.empty((2, 0, *movie.shape[1:]), np.float32)
        for first, planes, progress in self._stream.of(
            movie,
            start,
            stop,
            lambda _, prior: torch.stack((prior.single_mean, prior.single_variance), dim=1),
        ):
            mean, variance = planes.numpy().swapaxes(0, 1) if len(planes) else nothing
            yield PredictedChunk(first, mean, variance, progress)

    def _photoelectrons(self, estimated: Tensor, estimate: Estimate) -> FloatArray:
        if estimate == "posterior-variance":
            squared: FloatArray = (self.camera.excess_noise_factor**2 * estimated).numpy()
            return squared
        return self.noise_camera.photoelectrons_from_counts(estimated.numpy())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one new file (safetensors, its description in the header).

        Raises
        ------
        BlinkspotError
            If the file exists already or cannot be written.
        """
        record = ModelRecord(
            network=self.network_name,
            context_frames=self.context_frames,
            scaling=self._model.scaling,
            camera=self.camera,
            provenance=self.provenance,
        )
        save_model(path, record, self._model)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "cpu") -> Denoiser:
        """Read a model file.

        Parameters
        ----------
        path : path
        device : str
            Where the model is to run: ``"cpu"``, ``"cuda"``, ``"mps"``; ``"auto"``: on a GPU where there is
            one.

        Raises
        ------
        BlinkspotError
            If the file cannot be read or is no model of ours, or this machine has no such device.
        """
        where = named_device(device)
        record, model = load_model(path)
        model.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(model, record.network, record.camera, record.provenance)
