"""Where the arithmetic is done, and in which precision."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch

from blinkspot.denoising.settings import DeviceName
from blinkspot.errors import BlinkspotError

ModelT = TypeVar("ModelT", bound=torch.nn.Module)


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


def named_device(name: str) -> torch.device:
    """Return the device that a word names in torch, as ``"cuda:1"``; see :func:`pick_device` for the others.

    Raises
    ------
    BlinkspotError
        If there is none of that name, or this machine has none.
    """
    if name == "auto":
        return pick_device("auto")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise BlinkspotError(f"torch knows no device {name!r}: choose auto or cpu.") from error
    gpus: tuple[DeviceName, ...] = ("cuda", "mps")
    for gpu in gpus:
        if device.type == gpu:
            pick_device(gpu)
    return device


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


def can_be_lost(device: torch.device) -> bool:
    """Tell whether a device may stop to answer while the program goes on."""
    return device.type == "cuda"


def spare_of(model: ModelT) -> ModelT | None:
    """Return a copy of a model on the processor, for when its GPU is lost; None where it has none to lose."""
    if not can_be_lost(next(model.parameters()).device):
        return None
    return copy.deepcopy(model).to("cpu", memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def give_back_memory(device: torch.device) -> None:
    """Give back what torch keeps of a GPU's memory for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def lost_gpu_warning(error: BaseException) -> str:
    """Return what to say of an error that told of a lost GPU."""
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return (
        f"The GPU does not answer any more ({reason}): the work goes on on the processor, which takes "
        "longer; start the program anew to use the GPU again."
    )
