"""Our localizer beside ThunderSTORM on the noisy simulated movies: F1 within 50 nm.

ThunderSTORM's rows are its own result files, scored in the same run.
"""

import time

from support import CAMERAS, done, print_table, truth_movie

from blinkspot import Localizer, LocalizerSettings, score
from blinkspot.evaluation import threshold_curve


def main() -> None:
    rows = []
    for name in CAMERAS:
        shared = truth_movie(name)
        for fit in ("wlsq", "mle"):
            settings = LocalizerSettings(threshold=0.5, fit=fit)
            started = time.process_time()
            table = done(Localizer(shared.camera, settings).localize(shared.movie))
            seconds = time.process_time() - started
            curve = threshold_curve(table, shared.truth)
            theirs = score(shared.thunderstorm[fit], shared.truth)
            default = score(table.above(1.0), shared.truth)
            best = curve.scores(curve.best_index)
            rows.append((name, fit, theirs.f1, default.f1, best.f1, float(curve.best), best.rmse_nm, seconds))
    print_table(("movie", "fit", "ThunderSTORM", "default", "best", "at threshold", "RMSE nm", "CPU s"), rows)


if __name__ == "__main__":
    main()
