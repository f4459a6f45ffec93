"""The camera: from the file's numbers to photoelectrons and back."""

from blinkspot.camera.camera import MAPPED, NUMBERS, Camera, FloatArray, read_settings

__all__ = ["MAPPED", "NUMBERS", "Camera", "FloatArray", "read_settings"]
