"""Where the arithmetic is done, and in which precision."""

from __future__ import annotations

import torch

from blinkspot.denoising.settings import DeviceName
from blinkspot.errors import BlinkspotError


def pick_device(name: DeviceName) -> torch.device:
    """Return the device of that name; ``auto`` takes the GPU where there is one.

    Raises
    ------
    BlinkspotError
        If this machine has no such device.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if not available[name]:
        raise BlinkspotError(f"This machine offers no device {name!r} to torch: choose auto or cpu.")
    return torch.device(name)


def uses_bfloat16(device: torch.device) -> bool:
    """Tell whether bfloat16 is faster there than float32 (elsewhere it is emulated, and slower)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older torch versions cannot tell: float32 is always right there.
    abilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def fast_precision(device: torch.device) -> torch.autocast:
    """Return the context in which the networks run on that device.

    Without autocast's cache of weights, which all threads would share.
    """
    enabled = uses_bfloat16(device)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled, cache_enabled=False)
