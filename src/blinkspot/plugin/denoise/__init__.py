"""The dock that denoises a movie: all of it, or the frames that are looked at."""
