# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed in the environments, from where, and what the programs in them see of the user's settings."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from pathlib import Path

import pytest

from tools.environments import (
    CONSTRAINTS,
    IMPORTER_CONSTRAINTS,
    RECIPES,
    constraints,
    digest,
    package_name,
    pins,
    read_pip_settings,
    uv_variables,
    write_pip_settings,
)
from tools.get_pip import find_bundled_pip
from tools.workspace import neutral_variables

TESTS = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_package_is_pinned(name: str) -> None:
    pinned = {package_name(pin) for pin in constraints(TESTS, RECIPES[name]).split("\n")}
    named = {package_name(pin) for file in RECIPES[name].requirements for pin in pins(TESTS / file)}

    assert named
    assert named <= pinned


def test_every_line_is_an_exact_version() -> None:
    files = (CONSTRAINTS, IMPORTER_CONSTRAINTS, *RECIPES["test"].without_dependencies)

    assert [line for file in files for line in pins(TESTS / file) if "==" not in line.split(";")[0]] == []
    assert {package_name(pin) for pin in pins(TESTS / "requirements-tools.txt")} <= {package_name(pin) for pin in pins(TESTS / CONSTRAINTS)}


@pytest.mark.skipif(Path(sys.prefix).parts[-2:] != (".nox", "test"), reason="not in the environment of make test")
def test_nothing_is_installed_that_is_not_pinned() -> None:
    allowed = {package_name(pin) for file in (CONSTRAINTS, *RECIPES["test"].without_dependencies) for pin in pins(TESTS / file)}

    assert {package_name(package.metadata["Name"]) for package in importlib.metadata.distributions()} - allowed == set()


def test_secrets_are_searched_on_four_cores_from_the_oldest_supported() -> None:
    versions = []
    for name in ("oldest", "middle", "test", "next"):
        cores = [line for line in constraints(TESTS, RECIPES[name]).split("\n") if package_name(line) == "ansible-core" and "<" not in line]
        assert len(cores) == 1, name
        versions.append(tuple(map(int, re.match(r"ansible-core==(\d+)\.(\d+)\.", cores[0]).groups())))

    assert versions == sorted(set(versions))
    assert versions[:2] == [(2, 16), (2, 19)]
    assert 'requires_ansible: ">=2.16.0"' in (TESTS.parent / "meta/runtime.yml").read_text(encoding="utf-8")


def test_a_changed_pin_replaces_the_environment(tmp_path: Path) -> None:
    for file in TESTS.glob("*.txt"):
        shutil.copy(file, tmp_path)
    before = digest(tmp_path, RECIPES["test"])
    assert before == digest(TESTS, RECIPES["test"])
    (tmp_path / CONSTRAINTS).write_text("requests==2\n", encoding="utf-8")

    assert digest(tmp_path, RECIPES["test"]) != before
    assert digest(tmp_path, RECIPES["oldest"]) != digest(tmp_path, RECIPES["test"])


def test_uv_and_ansible_test_use_the_settings_of_pip(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://user:pw@mirror.example/simple\nextra-index-url =\n  https://one\n  https://two\ntimeout = 7\n"
                      "find-links = /wheels\n  /more\ncert = /ca.pem\n", encoding="utf-8")
    pip = {"PYTHONPATH": find_bundled_pip()}  # a wheel can be imported
    environ = {**pip, "PIP_CONFIG_FILE": str(config), "PIP_TIMEOUT": "9", "HOME": str(tmp_path)}

    settings = read_pip_settings(environ)
    uv = uv_variables(settings, {"HOME": str(tmp_path)})

    assert uv["UV_DEFAULT_INDEX"] == "https://user:pw@mirror.example/simple"
    assert uv["UV_INDEX"] == "https://one https://two"
    assert uv["UV_FIND_LINKS"] == "/wheels,/more"
    assert (uv["UV_HTTP_TIMEOUT"], uv["SSL_CERT_FILE"], uv["UV_PYTHON_DOWNLOADS"]) == ("9", "/ca.pem", "never")
    assert uv_variables(settings, {"UV_DEFAULT_INDEX": "mine"})["UV_DEFAULT_INDEX"] == "mine"
    assert "UV_CACHE_DIR" not in uv and "UV_CACHE_DIR" in uv_variables({}, {"HOME": "/nonexistent"})

    write_pip_settings(settings, tmp_path / "home")
    assert "index-url = https://user:pw@mirror.example/simple\n" in (tmp_path / "home/.config/pip/pip.conf").read_text(encoding="utf-8")
    assert (tmp_path / "home/.config/pip/pip.conf").stat().st_mode & 0o077 == 0


def test_neither_real_credentials_nor_the_users_settings_reach_the_programs(tmp_path: Path) -> None:
    removed = ("VPS_API_TOKEN", "ILKBYTE_SECRET_KEY", "REWIND_PROGRESS", "ANSIBLE_STDOUT_CALLBACK", "MAKEFLAGS", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME")
    environ = {"PATH": "/usr/bin", "HOME": "/home/user", "NO_PROXY": "intranet", "TERM": "xterm", **dict.fromkeys(removed, "precious")}

    result = neutral_variables(tmp_path / "odd dir é's", tmp_path / "venv", tmp_path / "collections", tmp_path / "rw", environ)

    assert "precious" not in " ".join(result.values())
    assert set(removed).isdisjoint(result)
    assert (result["HOME"], result["TERM"], result["NO_PROXY"]) == (str(tmp_path / "venv/home"), "xterm", "intranet,127.0.0.1,localhost,::1")
    assert result["PATH"] == f"{tmp_path / 'venv/bin'}:/usr/bin"
    assert result["PYTHONPATH"] == str(tmp_path / "odd dir é's/extensions")
    with_colon = neutral_variables(tmp_path / "a:b", tmp_path / "venv", tmp_path / "collections", tmp_path / "rw", {})
    assert with_colon["PYTHONPATH"].endswith("collections/ansible_collections/rewind/vps/extensions")
