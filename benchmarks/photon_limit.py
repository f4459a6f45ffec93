"""How clean the best of all denoisers could make the shared movies: the limit that the photons set.

For each frame we sample the exact posterior of its molecules by Metropolis moves and average the pictures. No
estimate has a smaller expected squared error than that mean, whatever makes it. And our oracle knows more
than any denoiser can: the true number of molecules in the frame, the background, the shape of a spot, the
camera, and the ranges from which brightness and width were drawn (uniform). Its PSNR is therefore a generous
limit for whoever sees one frame at a time; as these movies' frames are independent, other frames hold
nothing more.

Likelihood, two ways: "quasi-Poisson" takes photoelectrons over the excess noise factor as Poisson counts, as
our denoiser does. "exact" is the register's law: Poisson electrons, each multiplied to an exponential
variate, so that z = (ADU - offset) * electrons_per_adu / em_gain has the density exp(-m - z) sqrt(m / z)
I1(2 sqrt(m z)) and the probability exp(-m) of being 0, where m is the mean; ADU are rounded, which matters
at 0 only. Without a register it is the Poisson law summed over the whole numbers that one ADU stands for.

Two chains, one from the truth and one from a start scattered by a pixel with brightness and width drawn anew,
must agree. Four half chains differ by what the sampling leaves; this is taken off the squared error. The
uncertainty is that of the mean over frames (bootstrap).
"""

from __future__ import annotations

import argparse
import time

from support import print_table, truth_movie
from support.clean_frames import clean_frames, settings_of
from support.limit import LAWS, photon_limit

from blinkspot.evaluation.scoring.picture_scores import psnr_db

MOVIES = ("low120", "yfp4_bg100", "default", "yfp3_bg100")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movies", nargs="+", choices=MOVIES, default=MOVIES[:2])
    parser.add_argument("--sweeps", type=int, default=1000, help="length of each chain")
    parser.add_argument("--frames", type=int, help="use the first so many frames")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for name in options.movies:
        shared, settings = truth_movie(name), settings_of(name)
        noisy = shared.camera.photoelectrons(shared.movie.frames(0, shared.movie.n_frames))
        noisy_db = psnr_db(noisy, clean_frames(shared.truth, settings, len(noisy)))
        for law in LAWS:
            started = time.process_time()
            limit = photon_limit(
                shared.movie,
                shared.truth,
                settings,
                law,
                sweeps=options.sweeps,
                frames=options.frames,
                seed=options.seed,
            )
            cpu_s = time.process_time() - started
            figures = (limit.psnr_db, limit.error_db, limit.from_truth_db, limit.scattered_db)
            rows.append((name, noisy_db, law, *figures, limit.first_halves_db, cpu_s))
            print(f"{name}, {law}: {limit.psnr_db:.2f} dB", flush=True)
    columns = ("limit dB", "+-", "from truth", "scattered", "first halves", "CPU s")
    print_table(("movie", "noisy dB", "law", *columns), rows)


if __name__ == "__main__":
    main()
