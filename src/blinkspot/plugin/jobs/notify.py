"""What went wrong, told to the user once and in one sentence."""

from __future__ import annotations

import logging

from napari.utils.notifications import show_error, show_info, show_warning

from blinkspot.errors import BlinkspotError
from blinkspot.hardware_faults import is_out_of_memory

_log = logging.getLogger("blinkspot")


def tell(message: str) -> None:
    """Show a piece of news."""
    show_info(message)


def warn(message: str) -> None:
    """Show something that the user should mend or bear in mind."""
    show_warning(message)


def tell_error(error: BaseException, doing: str) -> str:
    """Show why something did not work, and return the sentence that was shown.

    Parameters
    ----------
    error : BaseException
        A :class:`BlinkspotError` speaks for itself and is shown as a warning. Anything else is a defect: it
        is shown as an error with what was being done, and its traceback goes to the log.
    doing : str
        What was being done, as a present participle: ``"Denoising"``.
    """
    if isinstance(error, BlinkspotError):
        message = str(error)
        show_warning(message)
        return message
    if is_out_of_memory(error):
        message = f"{doing} failed for lack of memory: close other programs, or choose a smaller part."
        _log.warning(message, exc_info=error)
        show_warning(message)
        return message
    _log.error("%s failed", doing, exc_info=error)
    reason = str(error) or type(error).__name__
    message = f"{doing} failed because of a defect in Blinkspot ({reason}): the log has the details."
    show_error(message)
    return message
