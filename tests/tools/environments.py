# SPDX-License-Identifier: GPL-3.0-or-later
"""The environments of the sessions. Several sessions share one, which nox's own environments cannot do; uv creates them."""

from __future__ import annotations

import ast
import configparser
import glob
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import bootstrap

ROOT = Path(bootstrap.ROOT)
ENVIRONMENTS = Path(bootstrap.environments_dir())
CONSTRAINTS, IMPORTER_CONSTRAINTS = "constraints.txt", "constraints-importer.txt"
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "HTTPS_PROXY",
}


@dataclass(frozen=True)
class Recipe:
    """The packages of one environment. Files are named relative to `tests/`."""

    requirements: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()
    overrides: str = ""  # a file of pins that replace those of constraints.txt
    oldest: int = bootstrap.OLDEST  # minor version of Python 3
    newest: int = bootstrap.NEWEST


CLIENTS, SCHEMA = "requirements-clients.txt", "requirements-rulebook-schema.txt"
_TESTS = ("requirements-test.txt",)
RECIPES = {
    "demo": Recipe(("requirements-demo.txt",)),
    "test": Recipe((*_TESTS, "requirements-lint.txt"), (CLIENTS, SCHEMA)),
    "mutation": Recipe((*_TESTS, "requirements-mutation.txt"), (CLIENTS, SCHEMA)),
    "molecule": Recipe(("requirements-molecule.txt",)),
    "ecosystem": Recipe(("requirements-ecosystem.txt",)),
    "importer": Recipe(("requirements-importer.txt",), overrides=IMPORTER_CONSTRAINTS),
    "rulebooks": Recipe(("requirements-rulebooks.txt",), (CLIENTS,)),
    # What a user has who installs a release and runs its demo.
    "release": Recipe(("requirements-demo.txt",)),
    # The tests with another ansible-core: the oldest supported one, the first that tags data, and the newest pre-release.
    "oldest": Recipe(_TESTS, (CLIENTS, SCHEMA), "requirements-oldest.txt", newest=12),
    "middle": Recipe(_TESTS, (CLIENTS, SCHEMA), "requirements-middle.txt", newest=13),
    "next": Recipe(_TESTS, (CLIENTS, SCHEMA), "requirements-next.txt", oldest=13),
}


def ensure(name: str, run: Callable[..., object]) -> Path:
    """Create the environment of a recipe, or replace it where a requirement file has changed. `run` is nox's `session.run`."""
    from uv import find_uv_bin

    recipe, directory = RECIPES[name], ENVIRONMENTS / name
    python, stamp = directory / "bin" / "python", directory / "stamp"
    wanted = f"{directory}\n{digest(ROOT / 'tests', recipe)}\n"
    with bootstrap.locked(str(directory)):
        if python.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            return directory
        settings = read_pip_settings(os.environ)
        options = {"env": uv_variables(settings, os.environ), "silent": True, "log": False, "external": True}
        interpreter = find_python(recipe, os.environ)
        print(f"==> creating the environment {directory} with {interpreter}", flush=True)
        run(find_uv_bin(), "venv", "--clear", "--python", interpreter, str(directory), **options)
        constraints_file = directory / "constraints.txt"
        constraints_file.write_text(constraints(ROOT / "tests", recipe), encoding="utf-8")
        install = (find_uv_bin(), "pip", "install", "--python", str(python), "--constraint", str(constraints_file))
        for extra, files in (((), recipe.requirements), (("--no-deps",), recipe.without_dependencies)):
            if files:
                run(*install, *extra, *(word for file in files for word in ("--requirement", str(ROOT / "tests" / file))), **options)
        write_pip_settings(settings, directory / "home")
        stamp.write_text(wanted, encoding="utf-8")
    return directory


def find_python(recipe: Recipe, environ: Mapping[str, str]) -> str:
    """The newest Python on this machine that the recipe allows. Exits with a message if there is none."""
    this, *others = bootstrap.candidates(environ)  # this one belongs to the environment of nox, so it is the last
    suitable = [candidate for candidate in (*others, this) if bootstrap.is_suitable(candidate, recipe.oldest, recipe.newest)]
    for minor in range(recipe.newest, recipe.oldest - 1, -1):
        for candidate in suitable:
            if bootstrap.is_suitable(candidate, minor, minor):
                return candidate
    machine = environ.get("REWIND_PYTHON") or "This machine"
    raise SystemExit(f"{machine} has no Python 3.{recipe.oldest} to 3.{recipe.newest}, which this session needs.")


def read_pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What pip would use now, from its files and variables, by option name ("index-url", "cert", ...)."""
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    settings: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in answer.stdout.splitlines():
        name, _equals, value = line.partition("=")
        section, _dot, option = name.partition(".")
        if section in settings:
            settings[section][option] = str(ast.literal_eval(value))
    merged = {option: value for section in settings.values() for option, value in section.items()}
    for variable, option in (("REQUESTS_CA_BUNDLE", "cert"), ("SSL_CERT_FILE", "cert"), ("https_proxy", "proxy"), ("HTTPS_PROXY", "proxy")):
        if environ.get(variable):
            merged.setdefault(option, environ[variable])
    return merged


def uv_variables(settings: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The environment variables with which uv uses pip's settings, the machine's certificates, and no Python that it downloads itself."""
    result = {**environ, "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "true", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    for option, variable in PIP_TO_UV.items():
        if option in settings:
            result.setdefault(variable, ("," if option == "find-links" else " ").join(settings[option].split()))
    if not os.access(environ.get("HOME", ""), os.W_OK):
        result.setdefault("UV_CACHE_DIR", str(ENVIRONMENTS / "uv-cache"))
    return result


def write_pip_settings(settings: Mapping[str, str], home: Path) -> None:
    """Write the settings where ansible-test's pip reads them, for the owner only: a mirror's URL may have a password."""
    config = configparser.RawConfigParser()
    config["global"] = settings
    path = home / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as file:
        config.write(file)


def digest(tests: Path, recipe: Recipe) -> str:
    """Changes when anything changes that decides what is installed."""
    texts = [repr(recipe), *(path.read_text(encoding="utf-8") for path in sorted(map(Path, glob.glob(glob.escape(str(tests)) + "/*.txt"))))]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def constraints(tests: Path, recipe: Recipe) -> str:
    """The constraints of a recipe: constraints.txt with the overrides in place of its pins. uv rejects an override that contradicts them."""
    overrides = pins(tests / recipe.overrides) if recipe.overrides else []
    names = {package_name(pin) for pin in overrides}
    return "\n".join([*overrides, *(pin for pin in pins(tests / CONSTRAINTS) if package_name(pin) not in names), ""])


def pins(path: Path) -> list[str]:
    """The lines of a requirements or constraints file that name a package."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def package_name(pin: str) -> str:
    """The normalised name in a line such as "Ruamel.yaml==0.19.1 ; python_version < '3.12'"."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>!~;\[ ]", pin, maxsplit=1)[0]).lower()
