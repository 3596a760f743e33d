# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the virtual environments that the other commands run in, and leaves them alone while they are up to date."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from tools.console import Problem, say
from tools.installer import Installer, install_environment
from tools.pip_settings import read_pip_settings, uv_environment, write_pip_settings
from tools.pythons import Interpreter, find_python, probe
from tools.recipes import RECIPES, Recipe, constraints, digest

# Written before anything else: says that the folder is ours to clear, and for which place it was made.
MARKER = "rewind-environment"
ANOTHER_PLACE = "name another place: REWIND_VENV=/path/to/folder"


@dataclass(frozen=True)
class Environment:
    """A virtual environment that is ready for use."""

    root: Path  # the checkout
    folder: Path  # the environment

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def home(self) -> Path:
        """The home folder of everything that runs in the environment."""
        return self.folder / "home"


def environment_folder(root: Path, suffix: str = "") -> Path:
    """Where the environment lies: REWIND_VENV, else .venv in the checkout."""
    named = os.environ.get("REWIND_VENV")
    if named:
        return Path(os.path.abspath(named + suffix))
    if os.pathsep in str(root):
        # No folder with a colon can stand in PATH, so venv refuses such a place.
        place = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"rewind.vps-{os.getuid()}-{place}{suffix}"
    return root / f".venv{suffix}"


def ensure(root: Path, recipe: Recipe) -> Environment:
    """Return the environment of a recipe, made or brought up to date where needed. Raises Problem."""
    environment = Environment(root, environment_folder(root, recipe.folder_suffix))
    with _locked(environment.folder):
        if not _is_current(environment, recipe):
            _make(environment, recipe)
    return environment


def _make(environment: Environment, recipe: Recipe) -> None:
    for stamp in environment.folder.glob("rewind-*.json"):
        stamp.unlink()
    interpreter = _interpreter_in(environment, recipe)
    if not interpreter:
        interpreter = find_python(os.environ, recipe.oldest, recipe.newest)
        _create(environment.folder, interpreter)
    environment.home.mkdir(exist_ok=True)
    settings = read_pip_settings(environment.python, install_environment(os.environ))
    write_pip_settings(settings, environment.home)
    constraints_file = environment.folder / f"rewind-{recipe.name}-constraints.txt"
    constraints_file.write_text(constraints(environment.root, recipe), encoding="utf-8")
    say(f"==> installing the packages for {recipe.name} (Python {interpreter.version[0]}.{interpreter.version[1]})")
    environ = uv_environment(settings, install_environment(os.environ, environment.folder))
    installer = Installer(environment.root, environment.folder, constraints_file, environ)
    installer.install(recipe.requirements)
    if recipe.bare:
        installer.install(recipe.bare, dependencies=False)
    _stamp(environment, recipe).write_text(json.dumps(_facts(environment, recipe)), encoding="utf-8")


def _create(folder: Path, interpreter: Interpreter) -> None:
    marker = folder / MARKER
    inside = [path for path in folder.iterdir() if path != marker]
    if inside and not marker.exists():
        raise Problem(f"{folder} was not made by this tool. Remove it, or {ANOTHER_PLACE}")
    say(f"==> making a virtual environment in {folder} with {interpreter.path}")
    marker.write_text(str(folder), encoding="utf-8")
    for path in inside:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    command = [interpreter.path, "-I", "-m", "venv", str(folder)]
    if subprocess.call(command, env=install_environment(os.environ), stdin=subprocess.DEVNULL) != 0:
        raise Problem(f"{interpreter.path} could not make a virtual environment in {folder} (see above).")


def _interpreter_in(environment: Environment, recipe: Recipe) -> Interpreter | None:
    """The interpreter of an environment that can be kept: it runs, has pip, and was made for this place."""
    marker = environment.folder / MARKER
    if not marker.exists() or marker.read_text(encoding="utf-8") != str(environment.folder):
        return None
    interpreter, _reason = probe(str(environment.python), recipe.oldest, recipe.newest)
    return interpreter if interpreter and _works(environment, "import pip") else None


def _is_current(environment: Environment, recipe: Recipe) -> bool:
    for candidate in filter(None, (recipe, RECIPES.get(recipe.part_of))):
        with contextlib.suppress(OSError, ValueError):
            stamp = json.loads(_stamp(environment, candidate).read_text(encoding="utf-8"))
            if stamp == _facts(environment, candidate):
                return _works(environment, "")
    return False


def _works(environment: Environment, code: str) -> bool:
    with contextlib.suppress(OSError):
        command = [str(environment.python), "-I", "-c", code]
        return subprocess.call(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    return False


def _stamp(environment: Environment, recipe: Recipe) -> Path:
    return environment.folder / f"rewind-{recipe.name}.json"


def _facts(environment: Environment, recipe: Recipe) -> dict[str, str]:
    # The folder: an environment that was moved or copied has its old place in all its scripts.
    return {"digest": digest(environment.root, recipe), "folder": str(environment.folder)}


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the environment's folder: two commands at once must not both install into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise Problem(f"Cannot use {folder} ({error.strerror}): {ANOTHER_PLACE}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"==> waiting for another command that prepares {folder}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
