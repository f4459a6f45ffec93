"""What to say, in a sentence, of whatever stopped the work on a movie."""

from __future__ import annotations

import logging

from blinkspot.errors import BlinkspotError

_LOG = logging.getLogger(__name__)


def sentence_of(error: BaseException) -> str:
    """Return a sentence for the table of a batch; what may be a defect of ours is logged in full.

    Parameters
    ----------
    error : BaseException
        What was raised.
    """
    words = " ".join(str(error).split())
    if isinstance(error, BlinkspotError):
        return words
    # torch has no class of its own for a lack of main memory; its class for a GPU's is told by its name.
    lacks_memory = "DefaultCPUAllocator" in words or type(error).__name__ == "OutOfMemoryError"
    if lacks_memory or isinstance(error, MemoryError):
        return "There is not enough memory: close other programs, or use smaller frames."
    if isinstance(error, OSError):
        about = f"{error.filename} cannot be read or written" if error.filename else "The disk failed"
        return f"{about}: {error.strerror or words}."
    _LOG.error("unexpected error in a batch", exc_info=error)
    return f"An unexpected error, {type(error).__name__}: {words[:200]}"
