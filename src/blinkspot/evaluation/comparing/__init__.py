"""A noisy movie against its denoised version: three ways to the molecules, and what they allow to say."""
