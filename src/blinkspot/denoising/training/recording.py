"""A computation on a GPU that is recorded once and played again and again.

A training step of our small networks is some 600 short kernels. Started one by one from Python they took
19 ms on an H100, which worked for 3 ms of them. A recording (a CUDA graph) starts them all at once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# So often a computation runs before it is recorded: libraries allocate and choose in the first runs.
_RUNS_BEFORE = 3


class Recording:
    """What a function makes of one tensor, recorded.

    Parameters
    ----------
    function : callable
        From a tensor to tensors. It may only start work on the GPU, and depend on nothing that changes but
        the contents of tensors that stay where they are.
    example : Tensor
        On the GPU, of the shape that will be played.

    Raises
    ------
    RuntimeError
        If the function does what cannot be recorded, or the memory does not suffice.
    """

    def __init__(self, function: Callable[[Tensor], tuple[Tensor, ...]], example: Tensor) -> None:
        self._input = example.clone()
        # Its own stream, and its own thread's mistakes: other threads go on using the GPU meanwhile.
        stream = torch.cuda.Stream(example.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(example.device))
        with torch.cuda.stream(stream):
            for _ in range(_RUNS_BEFORE):
                function(self._input)
        torch.cuda.current_stream(example.device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
            self._output = function(self._input)

    @property
    def shape(self) -> torch.Size:
        """Shape of the tensors that can be played."""
        return self._input.shape

    def play(self, given: Tensor) -> tuple[Tensor, ...]:
        """Return what the function makes of another tensor of the same shape, until it is played again."""
        self._input.copy_(given)
        self._graph.replay()
        return self._output
