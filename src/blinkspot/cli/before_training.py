"""What is said of a movie and its camera before a training: nothing where all is well."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress


def remarks_before_training(movie: Stack, camera: Camera) -> Generator[Progress, None, list[str]]:
    """Return how the movie contradicts the camera, and that denoising will change little: a sentence each.

    Some seconds, of a training that takes minutes; half a minute where the fits are to be compiled.
    """
    # Imported here: not every command needs them.
    from blinkspot.camera_from_movie.estimate import estimate_camera
    from blinkspot.camera_from_movie.evidence import contradiction
    from blinkspot.localization.outlook import judge_movie
    from blinkspot.movies.checks import check_camera

    remarks = []
    # What keeps a movie from being looked at, or trained on, the training says.
    with contextlib.suppress(BlinkspotError):
        check_camera(movie, camera)
        against = contradiction(estimate_camera(movie), camera)
        if against is not None:
            # By a wrong camera the outlook would be wrong, too.
            return [against]
        outlook = yield from judge_movie(movie, camera)
        if outlook.limit == "not noise":
            remarks.append(outlook.sentence)
    return remarks
