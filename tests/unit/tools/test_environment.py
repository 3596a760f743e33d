# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into the environments, and when they are made anew."""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path

import pytest

from tools.console import Problem
from tools.environment import ANOTHER_PLACE, MARKER, _create, environment_folder
from tools.installer import install_environment
from tools.pip_settings import read_pip_settings, uv_environment, write_pip_settings
from tools.pythons import Interpreter
from tools.recipes import (
    CONSTRAINTS,
    IMPORTER_CONSTRAINTS,
    LEAK_CORES,
    OLDEST_CORE,
    RECIPES,
    TEST,
    constraints,
    digest,
    package_name,
    pins,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=str)
def test_every_named_package_is_pinned(recipe) -> None:
    pinned = {package_name(pin) for pin in constraints(ROOT, recipe).split("\n")}
    named = {package_name(pin) for file in recipe.requirements for pin in pins(ROOT / file)}

    assert named
    assert named <= pinned


def test_every_line_is_an_exact_version() -> None:
    lines = [*pins(ROOT / CONSTRAINTS), *pins(ROOT / IMPORTER_CONSTRAINTS), *(pin for name in TEST.bare for pin in pins(ROOT / name))]

    assert [line for line in lines if "==" not in line.split(";")[0]] == []


@pytest.mark.skipif(not (Path(sys.prefix) / "rewind-test.json").exists(), reason="not in the environment of make test")
def test_nothing_is_installed_that_is_not_pinned() -> None:
    allowed = {package_name(pin) for pin in [*pins(ROOT / CONSTRAINTS), *(pin for name in TEST.bare for pin in pins(ROOT / name))]}
    installed = {package_name(package.metadata["Name"]) for package in importlib.metadata.distributions()}

    assert installed - allowed - {"pip", "setuptools"} == set()


def test_the_oldest_core_is_the_one_that_the_collection_promises() -> None:
    lines = constraints(ROOT, OLDEST_CORE).split("\n")
    promised = (ROOT / "meta/runtime.yml").read_text(encoding="utf-8")

    cores = [line for line in lines if package_name(line) == "ansible-core"]
    assert len(cores) == 1
    assert cores[0].startswith("ansible-core==2.16.")
    assert 'requires_ansible: ">=2.16.0"' in promised


def test_leaks_are_looked_for_on_four_cores_in_order() -> None:
    versions = []
    for recipe in LEAK_CORES:
        lines = [line for line in constraints(ROOT, recipe).split("\n") if package_name(line) == "ansible-core" and "<" not in line]
        assert len(lines) == 1, recipe.name
        versions.append(re.match(r"ansible-core==(\d+)\.(\d+)\.", lines[0]).groups())

    numbers = [(int(major), int(minor)) for major, minor in versions]
    assert numbers == sorted(set(numbers))
    assert numbers[:2] == [(2, 16), (2, 19)]
    assert len({recipe.folder_suffix for recipe in LEAK_CORES}) == 4


def test_a_changed_pin_makes_another_digest(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / CONSTRAINTS).write_text("requests==1\n", encoding="utf-8")
    before = digest(tmp_path, TEST)
    (tmp_path / CONSTRAINTS).write_text("requests==2\n", encoding="utf-8")

    assert digest(tmp_path, TEST) != before
    assert digest(tmp_path, OLDEST_CORE) != digest(tmp_path, TEST)


def test_a_folder_that_is_not_ours_is_not_cleared(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")

    with pytest.raises(Problem, match=ANOTHER_PLACE):
        _create(tmp_path, Interpreter(sys.executable, sys.version_info[:2]))

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_half_made_environment_of_ours_is_made_again(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text(str(tmp_path), encoding="utf-8")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/half").write_text("", encoding="utf-8")

    _create(tmp_path, Interpreter(sys.executable, sys.version_info[:2]))

    assert (tmp_path / "bin/python").exists()
    assert not (tmp_path / "lib/half").exists()


def test_the_environment_lies_in_the_checkout_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REWIND_VENV", raising=False)
    assert environment_folder(tmp_path) == tmp_path / ".venv"
    assert ":" not in str(environment_folder(tmp_path / "a:b"))
    assert environment_folder(tmp_path / "a:b") != environment_folder(tmp_path / "a:c")

    monkeypatch.setenv("REWIND_VENV", str(tmp_path / "elsewhere"))
    assert environment_folder(tmp_path, "-oldest") == tmp_path / "elsewhere-oldest"


def test_downloads_go_into_the_environment_where_the_home_cannot_hold_them(tmp_path: Path) -> None:
    elsewhere = {"UV_CACHE_DIR": str(tmp_path / "cache/uv"), "PIP_CACHE_DIR": str(tmp_path / "cache/pip")}

    assert install_environment({"HOME": "/nonexistent", "PIP_USER": "1"}, tmp_path).items() >= elsewhere.items()
    assert install_environment({"HOME": str(tmp_path), "PIP_USER": "1"}, tmp_path) == {"HOME": str(tmp_path)}


def test_pip_settings_survive_a_change_of_home(tmp_path: Path) -> None:
    pytest.importorskip("pip")
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://user:pw@mirror.example/simple\ntimeout = 7\n", encoding="utf-8")
    environ = {"PIP_CONFIG_FILE": str(config), "PIP_TIMEOUT": "9", "HOME": str(tmp_path), "SSL_CERT_FILE": "/ca.pem"}

    settings = read_pip_settings(Path(sys.executable), environ)
    write_pip_settings(settings, tmp_path / "home")
    again = read_pip_settings(Path(sys.executable), {"HOME": str(tmp_path / "home")})

    assert settings["index-url"] == again["index-url"] == "https://user:pw@mirror.example/simple"
    assert settings["timeout"] == again["timeout"] == "9"
    assert (tmp_path / "home/.config/pip/pip.conf").stat().st_mode & 0o077 == 0
    assert uv_environment(settings, {})["UV_DEFAULT_INDEX"] == settings["index-url"]
    assert json.dumps(uv_environment({}, {"UV_DEFAULT_INDEX": "mine"}), sort_keys=True).count("mine") == 1
