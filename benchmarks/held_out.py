"""The held-out check beside the truth: false molecules and errors, and what its assumptions are worth.

The movies are ThunderSTORM's, and others of ours: blinking with a truth that holds dim molecules, too (that
of blinking_low60 begins at 15 photons, and light below is light), crowded, and without an EM register. No
threshold is chosen: rows are those with 30 false molecules or more. A molecule is false where the truth has
none within two widths (sigma) in its frame. With --minutes models are trained; --parts says what the parts of
a split know of each other and, with --minutes, how much more a model knows of photons that it was trained on.
"""

import argparse
import dataclasses

import numpy as np
from scipy.spatial import cKDTree
from support import CAMERAS, done, print_table, truth_movie
from support.trainings import simulated

from blinkspot import Camera, LocalizationTable, LocalizerSettings, Stack, Training, TrainingSettings
from blinkspot.cli.console import run
from blinkspot.cli.movie_commands import training_words
from blinkspot.evaluation import PRESETS, HeldOutSettings, check_held_out
from blinkspot.evaluation.forward_model import recorded_adu
from blinkspot.evaluation.held_out import picture_sentence
from blinkspot.evaluation.held_out.thinning import Thinning

FALSE_BEYOND_SIGMAS = 2.0
FEWEST_FALSE = 30
# The presets that are like ThunderSTORM's movies.
KINDS = {
    "default": "default",
    "low120": "low120",
    "yfp3_bg100": "yfp3",
    "yfp4_bg100": "yfp4",
    "blinking_low60": "low-light",
}
TOLERANCE_NM = 50.0
OURS = {
    "blinking": dataclasses.replace(PRESETS["low-light"], min_truth_photons=5.0, seed=903),
    "crowded": dataclasses.replace(PRESETS["low120"], density_per_um2=0.5, seed=901),
    "no EM register": dataclasses.replace(
        PRESETS["low120"],
        camera=Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=0.5, read_noise_electrons=1.6),
        photons=(60.0, 160.0),
        seed=902,
    ),
}


def movie_of(name: str, fresh: int | None) -> tuple[Stack, Camera, LocalizationTable]:
    """Return a movie, its camera and its truth; where a seed is given, one of the same kind made anew."""
    if name in OURS or fresh is not None:
        settings = OURS[name] if name in OURS else PRESETS[KINDS[name]]
        made = simulated(name, dataclasses.replace(settings, seed=settings.seed if fresh is None else fresh))
        return made.stack, made.camera, made.truth
    shared = truth_movie(name)
    return shared.movie, shared.camera, shared.truth


def distances_nm(found: LocalizationTable, truth: LocalizationTable) -> np.ndarray:
    places = [
        np.column_stack([each.column("x_nm"), each.column("y_nm"), each.column("frame") * 1e6])
        for each in (found, truth)
    ]
    return cKDTree(places[1]).query(places[0])[0]


def checked(name: str, options: argparse.Namespace) -> list[tuple[object, ...]]:
    """Check one movie, and set what is estimated beside the truth."""
    movie, camera, truth = movie_of(name, options.fresh)
    model = None
    if options.minutes:
        chosen = TrainingSettings(minutes=options.minutes, seed=options.seed)
        model = run(Training(movie, camera, chosen).run(), training_words)
    settings = HeldOutSettings(
        localizer=LocalizerSettings(threshold=options.threshold),
        tolerance_nm=TOLERANCE_NM,
        minutes=options.minutes if options.retrain else None,
        seed=options.seed,
    )
    found = done(check_held_out(movie, camera, model, settings))
    print(f"{name}: {picture_sentence(found)}", *found.warnings, flush=True)
    beyond_nm = FALSE_BEYOND_SIGMAS * float(np.median(truth.column("sigma_nm")))
    rows: list[tuple[object, ...]] = []
    for route in found.routes:
        away = distances_nm(route.table, truth)
        strength = route.table.column("detection_strength")
        for index, at in enumerate(route.thresholds.tolist()):
            shown = away[strength >= at]
            false = int(np.sum(shown > beyond_nm))
            if index and false < FEWEST_FALSE:
                break
            estimate, error = route.false[index], route.error_nm[index]
            near = shown[shown < TOLERANCE_NM]
            rmse = float(np.sqrt(np.mean(near**2)))
            rows.append(
                (
                    name,
                    route.name,
                    f"{at:.2f}",
                    len(shown),
                    false,
                    f"{estimate.value:.0f} [{estimate.low:.0f}, {estimate.high:.0f}]",
                    f"{100 * (estimate.value / false - 1):+.0f} %" if false >= FEWEST_FALSE else "",
                    f"{rmse:.1f}",
                    f"{error.value:.1f} [{error.low:.1f}, {error.high:.1f}]",
                    f"{100 * (error.value / rmse - 1):+.0f} %",
                )
            )
    return rows


def leak_of(name: str, minutes: float, seed: int) -> tuple[object, ...]:
    """Return how much better a model predicts photons that it was trained on than those that it was not.

    Both models see the same kept part A and predict the held-out part B of half the light; one was trained on
    A, the other on B.
    """
    movie, camera, _ = movie_of(name, None)
    thinning = Thinning(movie, camera, 0.5, seed)
    kept = thinning.kept_counts(0, movie.n_frames)
    held_out = thinning.held_out_counts(0, movie.n_frames).sum(axis=0)
    parts = [thinning.kept.frames(0, movie.n_frames)]
    used = thinning.kept_camera
    parts.append(used.adu(used.photoelectrons_from_counts(held_out)))
    logs = []
    for part in parts:
        chosen = TrainingSettings(minutes=minutes, seed=seed)
        model = run(Training(Stack(part), used, chosen).run(), training_words)
        frames = np.concatenate([chunk.frames for chunk in model.denoise(Stack(parts[0]))])
        mean = np.maximum(used.counts_from_photoelectrons(frames), 0.05 * kept.mean())
        logs.append(np.sum(held_out * np.log(mean) - mean, axis=(1, 2), dtype=float))
    photons = held_out.sum(dtype=float) * camera.excess_noise_factor
    more = logs[1] - logs[0]
    return name, f"{more.sum() / photons:+.5f}", f"{more.std() * len(more) ** 0.5 / photons:.5f}"


def split_of(name: str, camera: Camera, mean: float, p: float) -> tuple[object, ...]:
    """Return what the parts of a split of an even movie know of each other, as correlations."""
    random = np.random.default_rng(7)
    adu = recorded_adu(np.full((200, 128, 128), mean), camera, random)
    thinning = Thinning(Stack(np.clip(adu, 0, 65535).astype(np.uint16)), camera, p, 1)
    kept = thinning.kept_counts(0, 200).astype(float)
    held = thinning.held_out_counts(0, 200).sum(axis=0, dtype=float)
    a, b = ((part - part.mean()) / part.std() for part in (kept, held))
    return (
        name,
        f"{mean:g}",
        f"{p:g}",
        "yes" if thinning.is_exact else "no",
        f"{np.mean(a * b):+.4f}",
        f"{np.mean((a**2 - 1) * b) / (a**2).std():+.4f}",
        f"{np.mean(a * (b**2 - 1)) / (b**2).std():+.4f}",
        f"{kept.mean() / p / (held.mean() / (1 - p)):.4f}",
        f"{held.var() / held.mean():.4f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movies", nargs="*", default=[*CAMERAS, *OURS], help="default: all")
    parser.add_argument("--minutes", type=float, default=0.0, help="training time; 0: noisy movies alone")
    parser.add_argument("--retrain", action="store_true", help="train models on the parts alone, too")
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--parts", action="store_true", help="what parts and models know of held-out photons")
    parser.add_argument("--fresh", type=int, metavar="SEED", help="simulate movies of these kinds anew")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    if options.parts:
        cameras = {
            "photons": Camera(offset_adu=100.0),
            "EM 150": CAMERAS["low120"],
            "3.6 e/ADU": CAMERAS["default"],
            "read noise 1.6 e": OURS["no EM register"].camera,
        }
        rows = [
            split_of(name, camera, mean, p)
            for name, camera in cameras.items()
            for mean in (1.0, 5.0, 30.0)
            for p in (0.5, 0.7)
        ]
        moments = ("kept held", "kept^2 held", "kept held^2", "mean ratio", "held var/mean")
        print_table(("camera", "photons", "kept", "exact", *moments), rows)
        if options.minutes:
            rows = [leak_of(name, options.minutes, options.seed) for name in options.movies]
            print_table(("movie", "trained on held-out part, nat per photon more", "standard error"), rows)
        return
    rows = []
    for name in options.movies:
        rows += checked(name, options)
    estimated = ("false", "estimated", "off", "RMSE nm", "estimated", "off")
    print_table(("movie", "route", "threshold", "found", *estimated), rows)


if __name__ == "__main__":
    main()
