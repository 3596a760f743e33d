# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/adding-a-cloud.md quotes the code that is tested here, and its steps are sufficient."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from example_sandbox import DIRECTORY, ExampleSandbox
from mutation.mutant import Mutant
from support.playbook_runner import ROOT, PlaybookRunner, Run, other_python

PAGE = (ROOT / "docs" / "adding-a-cloud.md").read_text("utf-8")


def excerpts(name: str) -> list[str]:
    """Return the page's blocks with this mark, in order."""
    return re.findall(rf"^<!-- file: {re.escape(name)} -->\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("file", ["examplecloud/provider.py", "examplecloud/sandbox_side.py", "providers.py"])
def test_every_excerpt_is_in_its_file(file: str) -> None:
    shown = excerpts(f"tests/provider_contract/{file}")
    code = (DIRECTORY.parent / file).read_text("utf-8")
    assert shown and not [excerpt for excerpt in shown if excerpt not in code]


def test_the_page_names_every_file_that_lists_the_providers() -> None:
    listing = [path for directory in ("plugins", "roles") for path in (ROOT / directory).rglob("*.*")
               if path.suffix in (".py", ".yml") and re.search(r"choices: \[vpsorg, ilkbyte\]", path.read_text("utf-8"))]
    assert listing
    missing = [path.relative_to(ROOT).as_posix() for path in listing if path.relative_to(ROOT).as_posix() not in PAGE]
    assert not missing


class ExtendedCollection:
    """A copy of the collection with steps 1 and 2 of the page."""

    def __init__(self, directory: Path, sandbox: ExampleSandbox) -> None:
        self._collections = directory / "collections"
        copy = self._collections / "ansible_collections" / "rewind" / "vps"
        for name in ("plugins", "meta"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "galaxy.yml", copy)
        providers = copy / "plugins" / "module_utils" / "_provider"
        shutil.copy(DIRECTORY / "provider.py", providers / "examplecloud.py")
        (lines,) = excerpts("registry")
        with (providers / "registry.py").open("a", encoding="utf-8") as registry:
            registry.write(lines)
        runner = directory / "stage"
        runner.mkdir()
        self._runner, self._sandbox = PlaybookRunner(sandbox, runner), sandbox  # type: ignore[arg-type]

    def ad_hoc(self, *words: str) -> Run:
        return self._runner.command("ansible", *words, environment={
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections), "EXAMPLECLOUD_URL": self._sandbox.examplecloud_url})


@pytest.mark.playbook
@pytest.mark.duration(8)
def test_one_file_and_two_lines_are_all_that_modules_need(shared_example_sandbox: ExampleSandbox, tmp_path: Path) -> None:
    shared_example_sandbox.admin.reset(servers=2)
    collection = ExtendedCollection(tmp_path, shared_example_sandbox)
    (command,) = excerpts("command")
    options = re.fullmatch(r'\$ ansible localhost -m rewind\.vps\.server_info -a "(.*)"\n', command)[1]
    packed = ("-e", json.dumps({"ansible_python_interpreter": other_python()}))  # by module execution, so that Ansible must have packed it, too
    run = collection.ad_hoc("localhost", "-m", "rewind.vps.server_info", "-a", options, *packed, "-vvv")
    assert run.status == 0 and '"name": "box1"' in run.stdout and '"name": "box2"' in run.stdout, run.output
    assert "examplekey0123456789" not in run.output, "its secret is hidden without any further code"
    run = collection.ad_hoc("localhost", "-m", "rewind.vps.server_info", "-a", "provider=examplecloud")
    assert run.status != 0 and "ExampleCloud needs an API key, and none was given" in run.output
    assert "set example_key, or EXAMPLECLOUD_KEY in the environment" in run.output


def test_the_mutant_of_the_page_fits() -> None:
    (entry,) = excerpts("mutant")
    mutant = eval(entry.strip().removesuffix(","), {"Mutant": Mutant})  # noqa: S307
    source = (DIRECTORY / "provider.py").read_text("utf-8")
    assert mutant.applied_to(source) != source
    file, test = mutant.tests[0].split("::")
    assert f"def {test}(" in (ROOT / "tests" / file).read_text("utf-8")
