"""False molecules on empty frames, over what was asked for, at five backgrounds and two cameras.

Each movie is shot noise alone. Widths are free, or as known from a movie whose molecules have a sigma of
1.1 +- 0.1 pixels. Asked: 0.8 to 1.25 times what the user sets.
"""

import numpy as np
from support import print_table

from blinkspot import Camera
from blinkspot.localization.acceptance import EmptyFrames, false_molecules
from blinkspot.localization.frame import FrameLocalizer
from blinkspot.localization.psf import PsfWidth
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.progress import finish

CAMERAS = {
    "EMCCD": Camera(offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0),
    "sCMOS, read noise 1.6 e": Camera(offset_adu=100.0, electrons_per_adu=0.5, read_noise_electrons=1.6),
}
BACKGROUNDS_PHOTONS = (1.0, 5.0, 20.0, 100.0, 400.0)
WIDTHS = {"free": PsfWidth(), "known": PsfWidth(1.1, 0.1, 100)}
ASKED = (1.0, 0.1)
SIZE_PX = 256
FRAMES = 2400
AT_ONCE = 8


def recorded(camera: Camera, background: float, random: np.random.Generator) -> np.ndarray:
    electrons = random.poisson(background, (AT_ONCE, SIZE_PX, SIZE_PX)).astype(float)
    if camera.em_gain > 1:
        electrons = random.gamma(electrons, camera.em_gain)
    electrons += random.normal(0.0, camera.read_noise_electrons, electrons.shape)
    return np.round(electrons / camera.electrons_per_adu + camera.offset_adu)


def main() -> None:
    rows = []
    for name, camera in CAMERAS.items():
        for background in BACKGROUNDS_PHOTONS:
            level = float(camera.counts_from_photoelectrons(np.full((1, 1), background))[0, 0])
            for kind, width in WIDTHS.items():
                widths = "learned" if kind == "known" else "free"
                settings = LocalizerSettings(false_per_frame=min(ASKED), widths=widths)
                law = finish(false_molecules(EmptyFrames.like(camera, level, width, settings.fit_window_px)))
                # The lower number's molecules are among the higher one's.
                wide = law.acceptance(max(ASKED), SIZE_PX**2)
                localizer = FrameLocalizer(camera, settings, width, wide)
                random = np.random.default_rng(7)
                column = localizer.columns.index("log_likelihood_ratio")
                ratios = np.concatenate(
                    [
                        finish(localizer.rows(0, recorded(camera, background, random), None))[:, column]
                        for _ in range(0, FRAMES, AT_ONCE)
                    ]
                )
                cells = []
                for asked in ASKED:
                    threshold = law.acceptance(asked, SIZE_PX**2).log_likelihood_ratio
                    found = int((ratios >= threshold).sum())
                    over = found / FRAMES / asked
                    cells.append(f"{over:.3f} +- {over / max(found, 1) ** 0.5:.3f}")
                rows.append((name, background, kind, *cells))
                print(*rows[-1], flush=True)
    print_table(("camera", "background", "widths", *(f"found / {each:g} asked" for each in ASKED)), rows)


if __name__ == "__main__":
    main()
