"""What tests of hostile files share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from blinkspot.errors import BlinkspotError


def sentence(read: Callable[..., Any], *arguments: Any) -> str:
    """Read a file that is to be refused; return the one short sentence that says why."""
    with pytest.raises(BlinkspotError) as caught:
        read(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 700
    return text
