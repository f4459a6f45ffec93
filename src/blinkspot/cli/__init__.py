"""The command line: one command per step, a thin skin over the library."""

from blinkspot.cli.app import main

__all__ = ["main"]
