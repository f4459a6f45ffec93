"""The dock that trains a denoiser."""
