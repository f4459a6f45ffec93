"""A movie denoised on the fly: frames are computed when they are read, and the latest are kept."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Generator

import numpy as np

from blinkspot.camera import FloatArray
from blinkspot.denoising.denoiser import Denoiser
from blinkspot.denoising.noise import Estimate
from blinkspot.denoising.output import in_units
from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress

CACHE_BYTES = 256 << 20
"""How much memory the computed frames of a movie take at most, unless told otherwise."""


class DenoisedFrames(LazyFrames):
    """All frames of a movie, denoised, float32 in the movie's own ADU (a variance: ADU squared).

    Any number of threads may read at once. Frames are computed in the same blocks as
    :func:`.denoise_to_file` computes them, so the values do not depend on what was read before.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    movie : Stack
        Movie in ADU of the model's camera; see :meth:`.Denoiser.check_matches`.
    estimate : {"posterior-mean", "map", "blind", "posterior-variance"}
        See :func:`blinkspot.denoising.noise.estimate_counts`.
    cache_bytes : int
        Memory for computed frames; those that were used least recently are forgotten first. The latest
        block is always kept.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        movie: Stack,
        estimate: Estimate = "posterior-mean",
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        super().__init__(movie.shape, np.float32)
        self._denoiser, self._movie, self._estimate = denoiser, movie, estimate
        self._at_once = denoiser.frames_at_once(movie)
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[int, FloatArray] = OrderedDict()  # by the number of its first frame
        self._cached_bytes = 0
        self._in_hand: Counter[int] = Counter()
        self._changed = threading.Condition()  # guards the three above

    @property
    def frames_kept(self) -> int:
        """How many frames there is memory for."""
        n_frames, height, width = self.shape
        block_bytes = self._at_once * height * width * self.dtype.itemsize
        return min(n_frames, max(1, self._cache_bytes // block_bytes) * self._at_once)

    def block_of(self, index: int) -> range:
        """Return the frames that are computed together with one."""
        first = index - index % self._at_once
        return range(first, min(first + self._at_once, len(self)))

    def cached(self, index: int) -> FloatArray | None:
        """Return a frame (Y, X), not to be written to, if it is there; return at once."""
        first = index - index % self._at_once
        with self._changed:
            block = self._cache.get(first)
            if block is None:
                return None
            self._cache.move_to_end(first)
        frame: FloatArray = block[index - first]
        return frame

    def compute(self, index: int) -> Generator[Progress, None, None]:
        """Compute the block of a frame that is not there; yield meanwhile.

        Whoever closes the generator does not wait for the rest of the block, which is dropped.

        Raises
        ------
        BlinkspotError
            If the movie cannot be read there, or the model cannot denoise it.
        """
        if self.cached(index) is not None:
            return
        block = self.block_of(index)
        with self._changed:
            self._in_hand[block.start] += 1
        try:
            for chunk in self._denoiser.denoise(self._movie, block.start, block.stop, self._estimate):
                if len(chunk.frames):
                    self._keep(chunk.start, self._in_adu(chunk.frames))
                yield chunk.progress
        finally:
            with self._changed:
                self._in_hand -= Counter([block.start])
                self._changed.notify_all()

    def read(self, start: int, stop: int) -> FloatArray:
        """Return frames, those that are not there computed first: a new array (stop - start, Y, X).

        Raises
        ------
        BlinkspotError
            If the movie cannot be read there, or the model cannot denoise it.
        """
        frames = np.empty((stop - start, *self.shape[1:]), self.dtype)
        at = start - start % self._at_once
        while at < stop:
            there = self._awaited(at)
            blocks = self._computed(at, self._end_of_gap(at, stop)) if there is None else [(at, there)]
            for first, block in blocks:
                at = first + len(block)
                begin, end = max(start, first), min(stop, at)
                frames[begin - start : end - start] = block[begin - first : end - first]
        return frames

    def _awaited(self, first: int) -> FloatArray | None:
        """Return a block once nobody computes it for display any more; None where it is not there then."""
        with self._changed:
            self._changed.wait_for(lambda: first in self._cache or not self._in_hand[first])
            block = self._cache.get(first)
            if block is not None:
                self._cache.move_to_end(first)
            return block

    def _end_of_gap(self, first: int, stop: int) -> int:
        """Return where the blocks to compute end, of which one is the first."""
        end = first + self._at_once
        with self._changed:
            while end < stop and end not in self._cache and not self._in_hand[end]:
                end += self._at_once
        return min(end, len(self))

    def _computed(self, start: int, stop: int) -> Generator[tuple[int, FloatArray], None, None]:
        """Compute blocks, which are shared out among the cores; yield the first frame of each, and it."""
        for chunk in self._denoiser.denoise(self._movie, start, stop, self._estimate):
            if len(chunk.frames):
                block = self._in_adu(chunk.frames)
                self._keep(chunk.start, block)
                yield chunk.start, block

    def _in_adu(self, photoelectrons: FloatArray) -> FloatArray:
        return in_units(photoelectrons, self._denoiser.camera, self._estimate, "adu")

    def _keep(self, first: int, block: FloatArray) -> None:
        block.flags.writeable = False
        with self._changed:
            if first not in self._cache:
                self._cache[first] = block
                self._cached_bytes += block.nbytes
            while self._cached_bytes > self._cache_bytes and len(self._cache) > 1:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
            self._changed.notify_all()
