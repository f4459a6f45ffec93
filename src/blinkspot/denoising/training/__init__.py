"""How a denoiser learns from the noisy movie itself: crops, steps, checkpoints, and when it ends."""
