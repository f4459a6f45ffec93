"""How the states of molecules look, in the picture and in words."""

from __future__ import annotations

from typing import NamedTuple

from blinkspot.plugin.localize.marking.states import Marked, State

NOISY_COLOUR = "#00d7ff"
DENOISED_COLOUR = "#ff8c00"


class Look(NamedTuple):
    """Colour and shape of a marker: napari's name of the shape, and the letter that looks like it."""

    colour: str
    symbol: str
    letter: str


# Colours that the three common kinds of colour blindness tell apart on grey (after Okabe and Ito 2008, Color
# Universal Design), and shapes for who sees none.
LOOKS = {
    State.FOUND: Look(NOISY_COLOUR, "disc", "○"),
    State.BOTH: Look("#ffffff", "disc", "○"),
    State.ONLY_NOISY: Look(NOISY_COLOUR, "square", "□"),
    State.ONLY_DENOISED: Look(DENOISED_COLOUR, "diamond", "◇"),
    State.TRUE: Look("#56d4ff", "disc", "○"),
    State.FALSE: Look("#ff6a3d", "square", "□"),
    State.MISSED: Look("#f0e442", "triangle_up", "△"),
}
# The letters are read on napari's light background only so.
_BEHIND_LETTERS = "#303030"


def legend(index: int, noisy: Marked, denoised: Marked | None, knows_truth: bool) -> str:
    """Say in rich text how many molecules of a frame are in which state, each with its marker."""
    if not knows_truth:
        if denoised is None:
            return f"Frame {index}: {_counts(noisy, State.FOUND)}"
        both = _counts(noisy, State.BOTH, State.ONLY_NOISY)
        return f"Frame {index}: {both}, {_counts(denoised, State.ONLY_DENOISED)}"
    states = State.TRUE, State.FALSE, State.MISSED
    lines = [f"Frame {index}, noisy: {_counts(noisy, *states)}"]
    if denoised is not None:
        lines.append(f"denoised: {_counts(denoised, *states)}")
    return "<br>".join(lines)


def _counts(marked: Marked, *states: State) -> str:
    return ", ".join(f"{_letter(LOOKS[state])} {marked.count(state)} {state.value}" for state in states)


def _letter(look: Look) -> str:
    style = f"background-color: {_BEHIND_LETTERS}; color: {look.colour}"
    return f"<span style='{style}'>&nbsp;{look.letter}&nbsp;</span>"
