"""One model while it learns: its weights, their running average, and the optimiser."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from blinkspot.denoising.batches import split_batch
from blinkspot.denoising.calibration import sums_for_line
from blinkspot.denoising.devices import fast_precision, give_back_memory
from blinkspot.denoising.noise import LossName, Prior, loss_of
from blinkspot.denoising.prior import PriorNetwork
from blinkspot.denoising.training.checkpoint import tensors_below
from blinkspot.denoising.training.recording import Recording
from blinkspot.denoising.training.residual_check import DarkSums, dark_sums, residual_ratio
from blinkspot.denoising.workers import Workers
from blinkspot.errors import BlinkspotError
from blinkspot.hardware_faults import is_out_of_memory

ResultT = TypeVar("ResultT")
Tensors = tuple[Tensor, ...] | list[Tensor]

_AVERAGE_DECAY = 0.998
_WEIGHT_DECAY = 1e-4
_LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Validation:
    """What a model makes of the held-out crops.

    Attributes
    ----------
    losses : Tensor, (n_crops,)
        Mean loss of each crop, nat per pixel.
    own_weight : float
        Mean of :attr:`blinkspot.denoising.noise.Prior.own_weight`.
    sums : ndarray, (7,)
        For :func:`blinkspot.denoising.calibration.line`.
    residual_ratio : float or None
        See :func:`blinkspot.denoising.training.residual_check.residual_ratio`.
    """

    losses: Tensor
    own_weight: float
    sums: NDArray[np.float64]
    residual_ratio: float | None

    @property
    def loss(self) -> float:
        """Mean loss, nat per pixel."""
        return float(self.losses.mean())


class _AdamW(torch.optim.AdamW):
    """One that asks no GPU whether it records before a step.

    Torch asks even for weights on the processor; a GPU that is lost answers with an error, and no step could
    be taken any more. What is recorded here are gradients, never the optimiser's steps.
    """

    def _accelerator_graph_capture_health_check(self) -> None:
        pass

    _cuda_graph_capture_health_check = _accelerator_graph_capture_health_check  # its name up to torch 2.8


class Learner:
    """Takes steps downhill.

    Parameters
    ----------
    model : PriorNetwork
        Untrained or trained, on the device where it is to learn.
    workers : Workers
        Compute the parts of a step.
    loss : {"gamma-poisson", "gaussian", "squared-error"}
        What is minimised.

    Attributes
    ----------
    model : PriorNetwork
        The weights as the last step left them.
    """

    def __init__(self, model: PriorNetwork, workers: Workers, loss: LossName = "gamma-poisson") -> None:
        self.model = model
        self.workers = workers
        self.device = next(model.parameters()).device
        self._loss = loss
        self._average = AveragedModel(model, multi_avg_fn=_move_towards)
        self._optimiser = self._new_optimiser()
        self._most_crops = sys.maxsize
        self._records = self.device.type == "cuda"
        self._recording: Recording | None = None

    @property
    def averaged(self) -> PriorNetwork:
        """The running average of the weights, which has less of the last batches' noise."""
        return cast(PriorNetwork, self._average.module)

    def step(self, batch: Tensor, learning_rate: float) -> Generator[None, None, float]:
        """Take one step; yield while its parts are computed.

        Parameters
        ----------
        batch : Tensor
            Crops; see :mod:`blinkspot.denoising.batches`.
        learning_rate : float
            Step size.

        Returns
        -------
        float
            Mean loss of the batch. Where that is not finite, the step is not taken.

        Raises
        ------
        BlinkspotError
            If the memory does not suffice for a single crop.
        """
        gradients_of = partial(self._gradients, of=len(batch))
        computed = yield from self._in_parts(gradients_of, [batch], self._crops_at_once(batch))
        loss = sum(part_loss for part_loss, _ in computed)
        if math.isfinite(loss):
            # Added up in the order of the parts: the sum does not depend on who was done first.
            for number, parameter in enumerate(self.model.parameters()):
                parts = [gradients[number] for _, gradients in computed]
                parameter.grad = parts[0] if len(parts) == 1 else torch.stack(parts).sum(dim=0)
            for group in self._optimiser.param_groups:
                group["lr"] = learning_rate
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), _LARGEST_GRADIENT)
            self._optimiser.step()
            self._average.update_parameters(self.model)
        return loss

    def go_back_to(self, weights: dict[str, Tensor]) -> None:
        """Go on from averaged weights, as :meth:`.Denoiser.weights` gives them; the optimiser begins anew."""
        self.model.load_state_dict(weights)
        self.averaged.load_state_dict(weights)
        self._optimiser = self._new_optimiser()

    def _new_optimiser(self) -> torch.optim.AdamW:
        return _AdamW(self.model.parameters(), weight_decay=_WEIGHT_DECAY, foreach=True)

    def validate(self, batches: list[Tensor]) -> Generator[None, None, Validation]:
        """Apply the averaged weights to held-out crops; yield while they are computed."""
        found = yield from self._in_parts(self._validated, batches, max(map(len, batches)))
        losses, weights, sums, dark = zip(*found, strict=True)
        squares, means, light = np.sum(dark, axis=0)
        ratio = residual_ratio((float(squares), float(means), float(light)))
        return Validation(torch.cat(losses), sum(weights) / len(weights), np.sum(sums, axis=0), ratio)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that the next step depends on, by name."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self._average.state_dict().items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in state.items()}
        return {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go back to what :meth:`tensors` returned.

        Raises
        ------
        KeyError, RuntimeError or ValueError
            If the tensors are those of another network, or damaged.
        """
        self.model.load_state_dict(tensors_below("model", tensors))
        self._average.load_state_dict(tensors_below("average", tensors))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors_below("optimiser", tensors).items():
            number, key = name.split(".")
            states.setdefault(int(number), {})[key] = value
        for place, parameter in enumerate(self.model.parameters() if states else ()):
            state = states[place]
            if state["exp_avg"].shape != parameter.shape or state["exp_avg_sq"].shape != parameter.shape:
                raise ValueError("an optimiser of another network")
            if state["step"].numel() != 1 or set(state) != {"step", "exp_avg", "exp_avg_sq"}:
                raise ValueError("another optimiser")
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": states, "param_groups": groups})

    def _gradients(self, part: Tensor, of: int) -> tuple[float, tuple[Tensor, ...]]:
        """Return what some crops add to the mean loss of ``of`` crops, and to its gradient."""
        if self._records and len(part) == of:
            loss, *gradients = self._played(part.to(self.device))
        else:
            loss, *gradients = self._loss_and_gradients(part, of)
        return float(loss), tuple(gradients)

    def _loss_and_gradients(self, part: Tensor, of: int) -> tuple[Tensor, ...]:
        counts, _, prior = self._apply(self.model, part)
        # Outside the fast precision, in which the loss would drown in rounding errors.
        loss = loss_of(counts, prior, self._loss).mean() * (len(part) / of)
        return loss.detach(), *torch.autograd.grad(loss, list(self.model.parameters()))

    def _played(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Return the loss of a whole batch and its gradients by a recording, which the first batch makes."""
        whole = partial(self._loss_and_gradients, of=len(batch))
        if self._recording is None or self._recording.shape != batch.shape:
            try:
                self._recording = Recording(whole, batch)
            except RuntimeError:
                # Not every driver, and not all memory, can: what is really wrong shows without, too.
                self._records, self._recording = False, None
                return whole(batch)
        return self._recording.play(batch)

    def _validated(self, batch: Tensor) -> tuple[Tensor, float, NDArray[np.float64], DarkSums]:
        """Return the mean loss of each crop, the mean own weight, and sums for calibration and residual."""
        with torch.inference_mode():
            counts, read_counts, prior = self._apply(self.averaged, batch)
            losses = loss_of(counts, prior, self._loss).mean(dim=(1, 2))
            sums = sums_for_line(self.averaged, counts, read_counts, prior)
            dark = dark_sums(counts.cpu(), prior.single_mean.cpu())
            return losses.cpu(), float(prior.own_weight.mean()), sums, dark

    def _apply(self, model: PriorNetwork, batch: Tensor) -> tuple[Tensor, Tensor | None, Prior]:
        """Return counts ``(n, Y, X)``, their read variance and the prior of the centre frames."""
        context_frames = model.network.context_frames
        counts, read_counts = split_batch(batch.to(self.device), context_frames)
        counts = counts.contiguous(memory_format=torch.channels_last)
        with fast_precision(self.device):
            prior = model(counts, read_counts)
        return counts[:, context_frames], read_counts, prior

    def _in_parts(
        self, function: Callable[[Tensor], ResultT], batches: list[Tensor], at_once: int
    ) -> Generator[None, None, list[ResultT]]:
        """Compute something of parts of so many crops, or of fewer where the memory does not suffice."""
        while True:
            most = min(at_once, self._most_crops)
            parts = [part for batch in batches for part in torch.split(batch, most)]
            try:
                return (yield from self.workers.every(function, parts))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._records, self._recording = False, None  # it keeps what it computes with
                give_back_memory(self.device)
                if most == 1:
                    height, width = batches[0].shape[-2:]
                    raise BlinkspotError(
                        f"There is not enough memory to train on crops of {height} x {width} pixels, not "
                        "even one by one: close other programs, or choose fewer channels."
                    ) from error
                self._most_crops = most // 2

    def _crops_at_once(self, batch: Tensor) -> int:
        if self.device.type == "cuda":
            return len(batch)
        most = self.model.network.pixels_at_once // (batch.shape[-2] * batch.shape[-1])
        return max(1, min(most, math.ceil(len(batch) / self.workers.count)))


def _move_towards(averages: Tensors, latest: Tensors, n_averaged: Tensor | int) -> None:
    """Move averaged weights towards the latest; at first quickly, as the first weights are of no use."""
    n = float(n_averaged)
    decay = min(_AVERAGE_DECAY, (1.0 + n) / (10.0 + n))
    torch._foreach_lerp_(averages, latest, 1.0 - decay)


def load_optimiser() -> None:
    """Have torch load what its optimisers need: seconds, once in a process, in which nothing can be stopped.

    For those who can wait for it in another thread, before they train.
    """
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
