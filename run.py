#!/usr/bin/env python3
"""Make the environment beside this file, once, and run napari-blinkspot in it.

    python3 run.py demo [FOLDER]       simulate, train, denoise, localize and score, without a display
    python3 run.py test [ARGUMENTS]    run the tests, viewer tests included; pytest gets the arguments
    python3 run.py gui                 open napari with the five docks and a sample movie

It needs Python 3.11 or later and nothing that has to be installed first. What an earlier run has done is
not done again, and an install that was interrupted goes on where it stopped.
"""

# Only the standard library, and only syntax that Python 3.6 can read: an older Python must get as far as the
# sentence below, which stands before the first annotation that it would stumble over.
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "run.py needs Python 3.11 or later and this is Python {}.{}: start it with a newer one, "
        "for instance 'python3.11 run.py'.".format(*sys.version_info[:2])
    )

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "blinkspot-installed.txt"
PYTHON_VERSION = "{}.{}".format(*sys.version_info[:2])

TORCH = "torch==2.13.0"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"

WINDOW_LIBRARIES = (
    "libdbus-1-3",
    "libegl1",
    "libfontconfig1",
    "libgl1",
    "libglib2.0-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-keysyms1",
    "libxcb-shape0",
    "libxkbcommon-x11-0",
)
VIRTUAL_DISPLAY = ("xauth", "xvfb")


class Command(NamedTuple):
    """What one word on the command line needs, and what it runs in the environment."""

    extras: tuple[str, ...]
    system_packages: tuple[str, ...]
    program: tuple[str, ...]
    in_project_folder: bool = False


COMMANDS = {
    "demo": Command(("all",), (), ("blinkspot", "demo")),
    "test": Command(
        ("all", "test"),
        WINDOW_LIBRARIES + VIRTUAL_DISPLAY,
        # As many at a time as there are cores; the tests of one file share what they have trained. In the
        # order of their names: xdist would put files of few, long tests last, where one core waits.
        ("python", "-m", "pytest", "-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder"),
        in_project_folder=True,
    ),
    "gui": Command(("all",), WINDOW_LIBRARIES, ("python", "-m", "blinkspot.plugin.launch")),
}


class CannotGoOnError(Exception):
    """Something is missing that the user has to supply; the message says what and how."""


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status (2 where it could not be started)."""
    if not arguments or arguments[0] not in COMMANDS:
        asked_for_help = arguments[:1] in (["-h"], ["--help"])
        print(__doc__, file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    name, *extra = arguments
    try:
        prepare(name)
        return hand_over(COMMANDS[name], extra[1:] if extra[:1] == ["--"] else extra)
    except CannotGoOnError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nrun.py: stopped; the same command goes on from here.", file=sys.stderr)
        return 130


def prepare(name: str) -> None:
    """Install what the command ``name`` needs: system packages, environment, this project."""
    provide_system_packages(COMMANDS[name].system_packages)
    make_environment(COMMANDS[name].extras)


def hand_over(command: Command, extra: list[str]) -> int:
    """Let the command's program take this process's place, with the extra arguments.

    On Windows, where a process cannot be replaced, run it and return its exit status.
    """
    program = [program_path(command.program[0]), *command.program[1:], *extra]
    if command.in_project_folder:
        os.chdir(ROOT)
    say(" ".join(program))
    if os.name == "posix":
        os.execve(program[0], program, child_environment())
    return subprocess.run(program, env=child_environment(), check=False).returncode


def make_environment(extras: tuple[str, ...]) -> None:
    """Make the virtual environment and install PyTorch and this project with ``extras`` into it.

    The stamp that says so is written last: whatever interrupts an install, the next run takes it up again.
    """
    if set(extras) <= installed_extras():
        return
    python = program_path("python")
    same_python = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if not succeeds(python, "-c", same_python):
        say(f"Making {ENVIRONMENT} with Python {PYTHON_VERSION}")
        # Without pip, since Debian's venv has none to give unless python3-venv is installed; see add_pip.
        make = (sys.executable, "-m", "venv", "--clear", "--without-pip", str(ENVIRONMENT))
        need(make, f"could not make {ENVIRONMENT}; the reason stands above.")
    STAMP.unlink(missing_ok=True)
    if not succeeds(python, "-m", "pip", "--version"):
        add_pip(python)
    install = (python, "-m", "pip", "install")
    otherwise = "pip could not install {}; the reason stands above, and the same command tries again."
    say("Installing PyTorch (a large download, the first time)")
    need((*install, *torch_requirement(install)), otherwise.format("PyTorch"))
    say("Installing napari-blinkspot and what it needs (some hundred packages, a few minutes)")
    need((*install, "--quiet", "--editable", f".[{','.join(extras)}]"), otherwise.format("napari-blinkspot"))
    STAMP.write_text(f"{fingerprint()}\n{' '.join(extras)}\n")


def installed_extras() -> set[str]:
    """Return the extras that an earlier run installed to the end, for the project as it now is."""
    try:
        stamp, _, extras = STAMP.read_text().partition("\n")
    except OSError:
        return set()
    usable = stamp == fingerprint() and Path(program_path("python")).exists()
    return set(extras.split()) if usable else set()


def fingerprint() -> str:
    """Return a digest of what decides the environment's contents.

    The folder is part of it, since the scripts and the editable install hold its path.
    """
    decisive = [PYTHON_VERSION, TORCH, str(ROOT), (ROOT / "pyproject.toml").read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(decisive).encode()).hexdigest()


def add_pip(python: str) -> None:
    """Put pip into the environment: Python's own copy, else by means of the system's pip.

    ``pip --python`` works inside the environment, so a system Python that is 'externally managed' allows it.
    """
    own_copy = (python, "-m", "ensurepip", "--default-pip")
    system_pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "pip")
    if succeeds(*own_copy) or succeeds(*system_pip):
        return
    provide_system_packages((f"python{PYTHON_VERSION}-venv",))
    need(own_copy, f"{sys.executable} has neither ensurepip nor pip 22.3 or later: install pip for it.")


def torch_requirement(install: tuple[str, ...]) -> list[str]:
    """Return pip's arguments for PyTorch: its CPU build where the CUDA build would waste gigabytes.

    That is on Linux without an NVIDIA GPU: the plain name brings CUDA there, and only there. The version tag
    ``+cpu`` keeps pip from taking any other build, wherever it looks. PyTorch's own index comes second,
    because pip's configuration may know a source that is nearer. Each is only asked, without installing.
    """
    if sys.platform != "linux" or has_nvidia_gpu():
        return [TORCH]
    for source in ([], ["--extra-index-url", TORCH_CPU_INDEX]):
        wanted = [f"{TORCH}+cpu", *source]
        if succeeds(*install, "--dry-run", "--no-deps", "--retries", "1", "--timeout", "15", *wanted):
            return wanted
    say(f"No CPU build of PyTorch within reach (tried {TORCH_CPU_INDEX}): taking the larger CUDA build")
    return [TORCH]


def has_nvidia_gpu() -> bool:
    """Tell whether an NVIDIA driver is at work here."""
    return shutil.which("nvidia-smi") is not None or any(Path("/dev").glob("nvidia[0-9]*"))


def provide_system_packages(packages: tuple[str, ...]) -> None:
    """Install the Debian packages that are missing, or name the line that does."""
    if not packages or sys.platform != "linux":
        return
    if shutil.which("dpkg-query") is None:
        say(f"Not a Debian system: going on in the hope that it has the likes of {' '.join(packages)}")
        return
    missing = missing_packages(packages)
    if not missing:
        return
    install = ("apt-get", "install", "--yes", *missing)
    by_hand = f"type 'sudo {' '.join(install)}', then the same command again."
    if os.geteuid() != 0:
        raise CannotGoOnError(f"the system lacks {len(missing)} of the packages that this needs: {by_hand}")
    say(f"Installing system packages: {' '.join(missing)}")
    need(("apt-get", "update", "-qq"), f"apt-get could not read the package lists; when it can, {by_hand}")
    unasked = ("env", "DEBIAN_FRONTEND=noninteractive", *install[:3], "-qq", *missing)
    need(unasked, f"apt-get could not install them; when it can, {by_hand}")


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Return those of the Debian packages that are neither installed nor provided by one that is.

    (``libglib2.0-0``, for one, is now provided by ``libglib2.0-0t64``.)
    """
    query = ("dpkg-query", "--show", "--showformat", "${db:Status-Status}, ${Package}, ${Provides}\n")
    listing = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    present: set[str] = set()
    for line in listing.splitlines():
        status, *names = line.split(", ")
        if status == "installed":
            present.update(name.split(" ")[0] for name in names)
    return [package for package in packages if package not in present]


def program_path(name: str) -> str:
    """Path of a program in the environment, there or not."""
    if os.name == "nt":
        return str(ENVIRONMENT / "Scripts" / f"{name}.exe")
    return str(ENVIRONMENT / "bin" / name)


def child_environment() -> dict[str, str]:
    """Return this process's environment without what would lead Python out of the virtual one."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}


def succeeds(*command: str) -> bool:
    """Run a command quietly and tell whether it did its work; a program that is not there did not."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=child_environment(), capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def need(command: tuple[str, ...], otherwise: str) -> None:
    """Run a command that must do its work; where it does not, stop with the sentence ``otherwise``."""
    if subprocess.run(command, cwd=ROOT, env=child_environment(), check=False).returncode != 0:
        raise CannotGoOnError(otherwise)


def say(step: str) -> None:
    """Print what is done next, before the output of the program that does it."""
    print(f"==> {step}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
