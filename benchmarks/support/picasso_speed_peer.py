"""Picasso from movie to table; runs in Picasso's own environment, started by ``localizer_speed.py``.

Reads a list of movies (name, path, camera in Picasso's terms, and how many molecules to find) from a JSON
file, and writes how many each finds and the least processor seconds of some runs to another.
"""

# The environment is not ours: nothing of blinkspot may be imported here.
import contextlib
import io
import json
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
from picasso import __version__, localize
from picasso import io as picasso_io

BOX = 7


def table(movie: object, camera: dict, smallest_gradient: float, method: str) -> pd.DataFrame:
    """Return the molecules of a movie."""
    places, _ = localize.identify(movie, smallest_gradient, BOX, threaded=False)
    found, _ = localize.fit(
        movie,
        camera_info=dict(camera),
        identifications=places,
        box=BOX,
        fitting_method=method,
        multiprocess=False,
    )
    return found


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    asked = json.loads(source.read_text())
    results = []
    for each in asked["movies"]:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            movie, _ = picasso_io.load_movie(each["path"])
            # So that it finds as many as we do: the strongest.
            everything, _ = localize.identify(movie, 0.0, BOX, threaded=False)
            gradients = everything["net_gradient"].sort_values(ascending=False)
            smallest = float(gradients.iloc[min(each["molecules"], len(gradients) - 1)])
            for method in ("gaussmle-spherical", "gaussmle"):
                work = partial(table, movie, each["camera"], smallest, method)
                n = len(work())  # what numba compiles is not counted
                taken = []
                for _ in range(asked["repeats"]):
                    start = time.process_time()
                    work()
                    taken.append(time.process_time() - start)
                results.append({"name": each["name"], "method": method, "n": n, "seconds": min(taken)})
    target.write_text(json.dumps({"version": __version__, "results": results}))


if __name__ == "__main__":
    main()
