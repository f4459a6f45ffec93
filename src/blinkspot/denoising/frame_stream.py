"""The frames of a movie through a model, in order: read with their context, cut into parts, put together."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from blinkspot.camera import Camera
from blinkspot.denoising.context import check_length, counts_with_context
from blinkspot.denoising.devices import fast_precision, give_back_memory, lost_gpu_warning, spare_of
from blinkspot.denoising.noise import Prior
from blinkspot.denoising.prior import PriorNetwork
from blinkspot.denoising.tiles import Tile, tiles
from blinkspot.denoising.workers import Workers
from blinkspot.errors import BlinkspotError
from blinkspot.hardware_faults import is_lost_gpu, is_out_of_memory
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, Stopwatch

OfPrior = Callable[[Tensor, Prior], Tensor]
"""Makes something of counts (n, Y, X) and their prior: (n, ..., Y, X)."""

# Pixels computed in one go: on a processor so few that what the network makes of them stays near the core.
_PIXELS_AT_ONCE = {"cpu": 88_000}
_PIXELS_AT_ONCE_ELSEWHERE = 1 << 18
# With fewer, halos would be nearly all that is computed.
_FEWEST_PIXELS_AT_ONCE = 1 << 12


@dataclass(frozen=True)
class _Part:
    """A part of some frames, that is computed in one go."""

    start: int
    counts: Tensor  # (n, 2c + 1, y, x), halo included
    read_counts: Tensor | None
    tile: Tile
    number: int
    of: int

    @property
    def n_frames(self) -> int:
        return len(self.counts)

    @property
    def is_last(self) -> bool:
        """Whether it is the last of its frames."""
        return self.number == self.of - 1

    @property
    def done(self) -> float:
        """Number of the frame up to which all is done with it."""
        return self.start + self.n_frames * (self.number + 1) / self.of


class FrameStream:
    """Applies a model to the frames of movies.

    Parameters
    ----------
    model : PriorNetwork
        On the device where it is to run.
    camera : Camera
        Of the movies.

    Attributes
    ----------
    model : PriorNetwork
        The same; a copy on the processor once the GPU has been lost.
    spare : PriorNetwork or None
        A copy on the processor, while there is a GPU to lose.
    warnings : list of str
        What has happened that the user should know, a sentence each.
    """

    def __init__(self, model: PriorNetwork, camera: Camera) -> None:
        self.model = model
        self.warnings: list[str] = []
        self._camera = camera
        self._context_frames = model.network.context_frames
        self._device = next(model.parameters()).device
        # Nothing can be fetched from a GPU that is lost.
        self.spare = spare_of(model)

    def of(
        self, movie: Stack, start: int, stop: int | None, of_prior: OfPrior
    ) -> Generator[tuple[int, Tensor, Progress], None, None]:
        """Yield what ``of_prior`` makes of a range of frames, in their order.

        Parameters
        ----------
        movie : Stack
            ADU.
        start, stop : int
            First frame, and the one after the last; up to the end of the movie where that is None.
        of_prior : callable

        Yields
        ------
        int
            Number of the first frame.
        Tensor
            On the CPU. Within a large frame also of no frames, for their progress.
        Progress

        Raises
        ------
        BlinkspotError
            If there is no such frame, the movie is too short for the model's context, or the memory does not
            suffice for the smallest parts.
        """
        start, stop = checked_range(movie, start, stop)
        check_length(movie.n_frames, self._context_frames)
        watch = Stopwatch("denoising", stop - start)
        most_pixels, first = self._pixels_at_once, start
        while first < stop:
            try:
                for at, frames, done in self._range(movie, first, stop, of_prior, most_pixels):
                    first = at + len(frames)
                    yield at, frames, watch.at(done - start)
            except Exception as error:
                if self.spare is not None and is_lost_gpu(error):
                    self._use_spare(error)
                elif is_out_of_memory(error):
                    most_pixels = self._fewer(most_pixels, movie, error)
                else:
                    raise

    def _range(
        self, movie: Stack, start: int, stop: int, of_prior: OfPrior, most_pixels: int
    ) -> Generator[tuple[int, Tensor, float], None, None]:
        """Do what :meth:`of` does, in parts of so many pixels; yield the number of frames done, too."""
        frames, done = torch.empty(0), float(start)
        # As many at a time when they are smaller, to spare memory.
        in_hand = max(1, self.model.network.pixels_in_hand // self._pixels_at_once)
        parts = self._parts(movie, start, stop, most_pixels)
        nothing = torch.empty(0, *movie.shape[1:])
        with Workers(self._device) as workers:
            for computed in workers.each(partial(self._computed, of_prior), parts, in_hand):
                for part, made in computed:
                    if part.number == 0:
                        frames = torch.empty(*made.shape[:-2], movie.height, movie.width)
                    frames[..., *part.tile.inside] = made
                    done = part.done
                    if part.is_last:
                        yield part.start, frames, done
                if not computed or not computed[-1][0].is_last:
                    yield int(done), nothing, done

    def _fewer(self, most_pixels: int, movie: Stack, error: Exception) -> int:
        """Return how many pixels to compute in one go where those were too many for the memory."""
        give_back_memory(self._device)
        if most_pixels // 2 < _FEWEST_PIXELS_AT_ONCE:
            raise BlinkspotError(
                f"There is not enough memory to denoise {movie.name_within}, not even in parts of "
                f"{most_pixels} pixels: close other programs, or choose another device."
            ) from error
        return most_pixels // 2

    def _use_spare(self, error: Exception) -> None:
        assert self.spare is not None
        self.model, self.spare = self.spare, None
        self._device = torch.device("cpu")
        self.warnings.append(lost_gpu_warning(error))

    def frames_at_once(self, movie: Stack) -> int:
        """Return how many frames of a movie are computed in one go, counted from the first asked for."""
        return _frames_of(movie, self._pixels_at_once)

    @property
    def _pixels_at_once(self) -> int:
        return _PIXELS_AT_ONCE.get(self._device.type, _PIXELS_AT_ONCE_ELSEWHERE)

    def _parts(self, movie: Stack, start: int, stop: int, most_pixels: int) -> Iterator[_Part]:
        """Read frames with their context, and cut them into what is computed in one go."""
        # Where it differs from pixel to pixel; else it is part of what the network predicts.
        maps = self._camera.maps
        variance = None if maps is None else torch.from_numpy(np.array(self._camera.read_counts))
        cut = tiles((movie.height, movie.width), self.model.network, most_pixels)
        at_once = _frames_of(movie, most_pixels)
        for first in range(start, stop, at_once):
            last = min(stop, first + at_once)
            counts = torch.from_numpy(
                counts_with_context(movie, self._camera, first, last, self._context_frames)
            )
            for number, tile in enumerate(cut):
                read_counts = None if variance is None else variance[tile.read]
                yield _Part(first, counts[:, :, *tile.read], read_counts, tile, number, len(cut))

    def _computed(self, of_prior: OfPrior, part: _Part) -> tuple[_Part, Tensor]:
        """Return what the part is, and what is made of its pixels, on the CPU."""
        counts = part.counts.to(self._device).contiguous(memory_format=torch.channels_last)
        read_counts = part.read_counts
        if read_counts is not None:
            read_counts = read_counts.to(self._device).expand(len(counts), -1, -1)
        with torch.inference_mode():
            rows, columns = part.tile.keep
            with fast_precision(self._device):
                prior = self.model(counts, read_counts, rows)
            made = of_prior(counts[:, self._context_frames, rows], prior)
            return part, made[..., columns].cpu()


def _frames_of(movie: Stack, pixels: int) -> int:
    return max(1, pixels // (movie.height * movie.width))


def checked_range(movie: Stack, start: int, stop: int | None) -> tuple[int, int]:
    """Return the first of the frames asked for, and the one after the last.

    Raises
    ------
    BlinkspotError
        If the movie has no such frames.
    """
    stop = movie.n_frames if stop is None else stop
    try:
        # NumPy's whole numbers would not go into a record.
        start, stop = operator.index(start), operator.index(stop)
    except TypeError as error:
        raise BlinkspotError(
            f"The range of frames must be whole numbers, not {start!r} and {stop!r}."
        ) from error
    if not 0 <= start < stop <= movie.n_frames:
        raise BlinkspotError(
            f"Frames {start} to {stop - 1} (counting from 0) are asked for, "
            f"but the movie has frames 0 to {movie.n_frames - 1}."
        )
    return start, stop
