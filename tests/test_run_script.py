"""``run.py`` decides rightly; the programs that it starts are faked, so nothing is installed here."""

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

RUN_SCRIPT = Path(__file__).resolve().parents[1] / "run.py"
Programs = list[tuple[list[str], dict[str, str]]]


def load() -> ModuleType:
    """Return ``run.py`` as a module."""
    spec = importlib.util.spec_from_file_location("run_script", RUN_SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return ``run.py`` as a module whose project lies in an empty folder, on Linux, without a GPU."""
    module = load()
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / module.STAMP.name)
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module, "has_nvidia_gpu", lambda: False)
    return module


class FakeMachine:
    """Stands in for every other program: notes what is started, and fails where it is told to."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.started: list[str] = []
        self.fails: Callable[[str], bool] = lambda line: False
        self.installed_packages = ""

    def run(self, command: tuple[str, ...], **options: object) -> subprocess.CompletedProcess[str]:
        """Take the place of ``subprocess.run``."""
        python = Path(self.module.program_path("python"))
        if command[0] == str(python) and not python.exists():
            raise FileNotFoundError(command[0])
        line = " ".join(command).replace(str(python), "VENV").replace(sys.executable, "SYSTEM")
        self.started.append(line)
        if self.fails(line):
            return subprocess.CompletedProcess(command, 1, "", "")
        if " -m venv " in line:
            python.parent.mkdir(parents=True, exist_ok=True)
            python.touch()
        return subprocess.CompletedProcess(command, 0, self.installed_packages, "")

    def lines_with(self, part: str) -> list[str]:
        """Return the command lines started so far that contain ``part``."""
        return [line for line in self.started if part in line]


@pytest.fixture
def machine(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    """Return a machine on which every program does its work, until a test says otherwise."""
    fake = FakeMachine(run)
    monkeypatch.setattr(run.subprocess, "run", fake.run)
    return fake


def test_first_run_makes_environment_then_torch_then_the_project(
    run: ModuleType, machine: FakeMachine
) -> None:
    run.make_environment(("all", "test"))
    wanted = ["-m venv", "--dry-run", f"install {run.TORCH}", "--editable .[all,test]"]
    at = [machine.started.index(machine.lines_with(part)[0]) for part in wanted]
    assert at == sorted(at)


def test_second_run_starts_nothing(run: ModuleType, machine: FakeMachine) -> None:
    run.make_environment(("all", "test"))
    machine.started.clear()
    run.make_environment(("all", "test"))
    run.make_environment(("all",))
    assert machine.started == []


def test_more_extras_are_added_to_the_same_environment(run: ModuleType, machine: FakeMachine) -> None:
    run.make_environment(("all",))
    machine.started.clear()
    run.make_environment(("all", "test"))
    assert machine.lines_with("--editable .[all,test]")
    assert not machine.lines_with("-m venv")


@pytest.mark.parametrize("change", ["pyproject.toml", "folder", "python", "torch"])
def test_what_decides_the_contents_makes_it_install_again(
    run: ModuleType, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str
) -> None:
    run.make_environment(("all",))
    if change == "pyproject.toml":
        (tmp_path / "pyproject.toml").write_text("[project]\ndependencies = ['another']\n")
    elif change == "folder":
        moved = tmp_path / "moved"
        moved.mkdir()
        (moved / "pyproject.toml").write_text("[project]\n")
        monkeypatch.setattr(run, "ROOT", moved)
    elif change == "python":
        monkeypatch.setattr(run, "PYTHON_VERSION", "3.99")
    else:
        monkeypatch.setattr(run, "TORCH", "torch==99")
    assert run.installed_extras() == set()


@pytest.mark.parametrize("step", ["torch", "--editable"])
def test_failed_install_leaves_no_stamp_and_is_taken_up_again(
    run: ModuleType, machine: FakeMachine, step: str
) -> None:
    run.make_environment(("all",))
    machine.fails = lambda line: step in line
    with pytest.raises(run.CannotGoOnError, match="could not install"):
        run.make_environment(("all", "test"))
    assert run.installed_extras() == set()
    machine.fails = lambda line: False
    machine.started.clear()
    run.make_environment(("all", "test"))
    assert run.installed_extras() == {"all", "test"}
    assert not machine.lines_with("-m venv"), "the environment itself was whole"


def test_environment_whose_interpreter_is_gone_is_made_anew(run: ModuleType, machine: FakeMachine) -> None:
    run.make_environment(("all",))
    Path(run.program_path("python")).unlink()
    machine.started.clear()
    run.make_environment(("all",))
    assert machine.lines_with("-m venv --clear")


@pytest.mark.skipif(os.name == "nt", reason="a link stands in for the interpreter")
@pytest.mark.parametrize(("version", "made_anew"), [(sys.version_info, False), ((3, 99), True)])
def test_environment_of_another_python_is_made_anew(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], made_anew: bool
) -> None:
    """The question put to the environment's interpreter, here a real one, tells the versions apart."""
    python = Path(run.program_path("python"))
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    needed: list[str] = []
    monkeypatch.setattr(run, "need", lambda command, otherwise: needed.append(" ".join(command)))
    monkeypatch.setattr(run, "add_pip", lambda python: None)
    monkeypatch.setattr(run, "torch_requirement", lambda install: [run.TORCH])
    monkeypatch.setattr(run.sys, "version_info", version)
    run.make_environment(("all",))
    assert any("-m venv --clear" in line for line in needed) == made_anew


def test_pip_comes_from_python_itself_where_it_can(run: ModuleType, machine: FakeMachine) -> None:
    machine.fails = lambda line: line.endswith("-m pip --version")
    run.make_environment(("all",))
    assert machine.lines_with("VENV -m ensurepip")
    assert not machine.lines_with("SYSTEM -m pip")


def test_pip_comes_from_the_system_where_ensurepip_is_lacking(run: ModuleType, machine: FakeMachine) -> None:
    machine.fails = lambda line: line.endswith("-m pip --version") or "ensurepip" in line
    run.make_environment(("all",))
    assert machine.lines_with("SYSTEM -m pip --python VENV install")
    assert not machine.lines_with("apt-get")


def test_without_any_pip_the_line_to_type_is_named(
    run: ModuleType, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian(run, monkeypatch, root=False)
    machine.fails = lambda line: " -m pip" in line or "ensurepip" in line
    with pytest.raises(
        run.CannotGoOnError, match=rf"sudo apt-get install --yes python{run.PYTHON_VERSION}-venv"
    ):
        run.make_environment(("all",))


def test_without_gpu_the_cpu_build_that_pip_knows_is_taken(run: ModuleType, machine: FakeMachine) -> None:
    assert run.torch_requirement(("pip", "install")) == [f"{run.TORCH}+cpu"]
    assert not machine.lines_with(run.TORCH_CPU_INDEX)


def test_without_gpu_the_public_cpu_index_comes_next(run: ModuleType, machine: FakeMachine) -> None:
    machine.fails = lambda line: run.TORCH_CPU_INDEX not in line
    assert run.torch_requirement(("pip", "install")) == [
        f"{run.TORCH}+cpu",
        "--extra-index-url",
        run.TORCH_CPU_INDEX,
    ]


def test_without_gpu_and_without_cpu_build_any_build_is_taken_with_a_word(
    run: ModuleType, machine: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.fails = lambda line: True
    assert run.torch_requirement(("pip", "install")) == [run.TORCH]
    assert "CUDA" in capsys.readouterr().out


@pytest.mark.parametrize(("platform", "gpu"), [("linux", True), ("darwin", False), ("win32", False)])
def test_elsewhere_the_plain_name_is_right(
    run: ModuleType, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, platform: str, gpu: bool
) -> None:
    monkeypatch.setattr(run.sys, "platform", platform)
    monkeypatch.setattr(run, "has_nvidia_gpu", lambda: gpu)
    assert run.torch_requirement(("pip", "install")) == [run.TORCH]
    assert machine.started == []


@pytest.mark.skipif(os.name == "nt", reason="makes a program of a plain file")
def test_nvidia_driver_is_known_by_its_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load().has_nvidia_gpu() == any(Path("/dev").glob("nvidia[0-9]*"))
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    assert load().has_nvidia_gpu()


def debian(run: ModuleType, monkeypatch: pytest.MonkeyPatch, *, root: bool) -> None:
    """Make ``run.py`` believe that it is on Debian, as root or as an ordinary user."""
    monkeypatch.setattr(run.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(run.os, "geteuid", lambda: 0 if root else 1000)


def test_missing_packages_are_those_neither_installed_nor_provided(
    run: ModuleType, machine: FakeMachine
) -> None:
    machine.installed_packages = (
        "installed, xauth, \n"
        "installed, libglib2.0-0t64, libglib2.0-0 (= 2.84.4-3~deb13u1), libgio-fam\n"
        "config-files, xvfb, xserver\n"
    )
    assert run.missing_packages(("xvfb", "xauth", "libglib2.0-0", "libegl1")) == ["xvfb", "libegl1"]
    assert machine.lines_with("${db:Status-Status}, ${Package}, ${Provides}")


def test_root_installs_just_what_is_missing(
    run: ModuleType, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian(run, monkeypatch, root=True)
    machine.installed_packages = "installed, xauth, \n"
    run.provide_system_packages(("xauth", "xvfb"))
    assert machine.started[1:] == [
        "apt-get update -qq",
        "env DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq xvfb",
    ]


def test_nothing_is_installed_where_all_is_there(
    run: ModuleType, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian(run, monkeypatch, root=True)
    machine.installed_packages = "installed, xauth, \ninstalled, xvfb, xserver\n"
    run.provide_system_packages(("xauth", "xvfb"))
    assert not machine.lines_with("apt-get")


def test_ordinary_user_is_given_the_line_and_status_2(
    run: ModuleType, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    debian(run, monkeypatch, root=False)
    machine.installed_packages = "installed, xauth, \n"
    assert run.main(["test"]) == 2
    assert "sudo apt-get install --yes libdbus-1-3" in capsys.readouterr().err
    assert not machine.lines_with("venv"), "it says so before the long install"


def test_window_needs_no_virtual_display_and_the_demo_needs_no_window(run: ModuleType) -> None:
    assert "xvfb" in run.COMMANDS["test"].system_packages
    assert "xvfb" not in run.COMMANDS["gui"].system_packages
    assert "libegl1" in run.COMMANDS["gui"].system_packages
    assert run.COMMANDS["demo"].system_packages == ()


def test_another_linux_goes_on_with_a_word(
    run: ModuleType, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    run.provide_system_packages(("libegl1",))
    assert "libegl1" in capsys.readouterr().out
    assert machine.started == []


@pytest.fixture
def handed_over(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Note the program that takes this process's place, and its environment, instead of letting it."""
    noted: Programs = []

    def execve(path: str, program: list[str], environment: dict[str, str]) -> None:
        noted.append((program, environment))
        raise SystemExit

    monkeypatch.setattr(run, "prepare", lambda name: None)
    monkeypatch.setattr(run.os, "execve", execve)
    return noted


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot replace a process")
@pytest.mark.parametrize("arguments", [["test", "-k", "camera"], ["test", "--", "-k", "camera"]])
def test_extra_arguments_reach_the_program(
    run: ModuleType,
    machine: FakeMachine,
    handed_over: Programs,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("PIP_FIND_LINKS", "wheels")
    with pytest.raises(SystemExit):
        run.main(arguments)
    ((program, environment),) = handed_over
    assert program == [run.program_path("python"), *run.COMMANDS["test"].program[1:], "-k", "camera"]
    assert "PYTHONPATH" not in environment
    assert environment["PIP_FIND_LINKS"] == "wheels"
    assert Path.cwd() == tmp_path, "pytest finds its settings in the project's folder"


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot replace a process")
def test_demo_writes_where_the_user_stands(
    run: ModuleType,
    machine: FakeMachine,
    handed_over: Programs,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(SystemExit):
        run.main(["demo", "folder"])
    assert handed_over[0][0] == [run.program_path("blinkspot"), "demo", "folder"]
    assert Path.cwd() == tmp_path.parent


def test_windows_paths_and_exit_status(
    run: ModuleType, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "prepare", lambda name: None)
    monkeypatch.setattr(run, "os", type("Windows", (), {"name": "nt", "environ": os.environ}))
    assert Path(run.program_path("blinkspot")).parts[-2:] == ("Scripts", "blinkspot.exe")
    assert run.main(["demo"]) == 0
    machine.fails = lambda line: "demo" in line
    assert run.main(["demo"]) == 1


def test_interrupt_is_clean(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "prepare", interrupted)
    assert run.main(["demo"]) == 130
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["dmeo"], 2), (["--help"], 0)])
def test_usage_is_shown_where_no_command_is_named(
    run: ModuleType, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int
) -> None:
    assert run.main(arguments) == status
    shown = capsys.readouterr()
    assert "run.py demo" in (shown.err if status else shown.out)


def test_older_python_can_read_the_file_and_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    source = RUN_SCRIPT.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or later and this is Python 3\.8"):
        exec(compile(source, RUN_SCRIPT, "exec"), {"__name__": "run_script", "__file__": str(RUN_SCRIPT)})


def test_only_the_standard_library_is_imported() -> None:
    for node in ast.walk(ast.parse(RUN_SCRIPT.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
