# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's artifact, and the metadata in it. `make release-check` installs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml
from jinja2 import Environment
from jinja2.meta import find_undeclared_variables
from support.collection_link import copy_collection, project_files

from tools.release import faults

ROOT = Path(__file__).resolve().parents[3]
JINJA = Environment()
JINJA.filters["b64encode"] = str  # Ansible's; only names are read


def test_the_archive_holds_the_collection_and_nothing_of_the_tools(tmp_path: Path) -> None:
    copy = copy_collection(ROOT, tmp_path / "copy")
    # What tools leave in a checkout must not be released.
    for name in (".nox/bin/python", "plugins/modules/__pycache__/snapshot.cpython-312.pyc"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "ansible", "galaxy", "collection", "build", str(copy)]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)}, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    archive = next(tmp_path.glob("rewind-vps-*.tar.gz"))
    with tarfile.open(archive) as content:
        names = content.getnames()

    assert faults(archive, project_files(ROOT), {}) == []
    assert {"plugins/modules/snapshot.py", ".ansible-lint"} <= set(names)
    assert [name for name in names if name.endswith(".pyc") or name.startswith(".nox")] == []


def test_an_execution_environment_gets_what_the_plugins_import() -> None:
    described = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text(encoding="utf-8"))

    assert described["dependencies"] == {"python": "requirements.txt"}
    # ansible-builder searches beside the description when it builds from it, at the root when it finds the collection.
    for file in (ROOT / "meta/requirements.txt", ROOT / "requirements.txt"):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if not line.startswith("#")] == ["requests"]


def test_the_version_to_come_has_a_changelog_entry() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    changes = ROOT / "changelogs/changelog.yaml"
    released = yaml.safe_load(changes.read_text(encoding="utf-8"))["releases"] if changes.exists() else {}

    assert version in released or (ROOT / f"changelogs/fragments/{version}.yml").exists()


def test_the_first_comment_of_each_playbook_names_its_variables() -> None:
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        (play,) = yaml.safe_load(text)
        tasks = [inner for task in play.get("tasks", []) for inner in (task, *task.get("block", []))]
        own = {*play.get("vars", {}), *(name for task in tasks for name in (*task.get("vars", {}), task.get("register")))}
        own |= {"now", "query", "omit", "inventory_hostname", "ansible_playbook_python", "rewind_provider", "rewind_api_url", "rewind_server_id"}
        read = {name for template in re.findall(r"\{\{.*?\}\}", text, re.DOTALL) for name in find_undeclared_variables(JINJA.parse(template))} - own
        comment = text.partition("\n---\n")[0]
        assert read and [name for name in read if not re.search(rf"\b{name}\b", comment)] == [], path.name
