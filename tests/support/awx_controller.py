# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs jobs as Automation Controller and AWX do: with ansible-runner, in a directory with their layout."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ansible.parsing.dataloader import DataLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from support.playbook_runner import ROOT, PlaybookRunner, Run

if TYPE_CHECKING:
    from sandbox import SandboxHandle

AWX = ROOT / "extensions" / "awx"
BECOME_PASSWORD = "Xq7-Passw0rd-of-the-machine-credential"


def content(name: str) -> Any:
    """A file of extensions/awx/controller, as Ansible reads it, as plain data."""
    return json.loads(json.dumps(DataLoader().load_from_file(str(AWX / "controller" / name))))


def credential_types() -> dict[str, dict[str, Any]]:
    """By their names."""
    return {item["name"]: item for item in content("credential_types.yml")["controller_credential_types"]}


def injected_environment(type_name: str, **inputs: Any) -> dict[str, str]:
    """The environment that a credential of that type gives to a job.

    A controller leaves out fields that are empty, and takes an unset boolean for false.
    """
    kind = credential_types()[type_name]
    missing = {item["id"]: False for item in kind["inputs"]["fields"] if item["type"] == "boolean"}
    sandboxed = ImmutableSandboxedEnvironment()
    return {name: sandboxed.from_string(template).render({**missing, **inputs}) for name, template in kind["injectors"]["env"].items()}


def credentials(sandbox: SandboxHandle, cloud: str) -> dict[str, str]:
    """What the sandbox's credentials give to a job."""
    if cloud == "vpsorg":
        return injected_environment("VPS.org", api_token=sandbox.vpsorg_token, api_url=sandbox.vpsorg_url)
    return injected_environment("Ilkbyte", access_key=sandbox.ilkbyte_access_key, secret_key=sandbox.ilkbyte_secret_key, api_url=sandbox.ilkbyte_url)


def secrets(sandbox: SandboxHandle) -> list[str]:
    """Everything that a job must not reveal."""
    return [sandbox.vpsorg_token, sandbox.ilkbyte_access_key, sandbox.ilkbyte_secret_key, BECOME_PASSWORD]


@dataclass(frozen=True)
class Job:
    """What ansible-runner leaves of one job."""

    run: Run
    directory: Path

    @property
    def artifacts(self) -> Path:
        return self.directory / "artifacts" / "1"

    @property
    def status(self) -> str:
        """`successful` or `failed`, as the controller shows it."""
        return (self.artifacts / "status").read_text("utf-8")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The job's events in order."""
        found = [json.loads(path.read_text("utf-8")) for path in (self.artifacts / "job_events").glob("*.json")]
        return sorted(found, key=lambda event: event["counter"])

    @property
    def output(self) -> str:
        """What the controller shows as the job's output."""
        return "\n".join(event["stdout"] for event in self.events)

    def remaining_files(self) -> dict[str, str]:
        """All files that are left of it, but for what was put there before, and for ansible-runner's own copy of the environment."""
        paths = [path for path in self.artifacts.rglob("*") if path.is_file()]
        copy = self.artifacts / "command"
        assert copy in paths and copy.stat().st_mode & 0o077 == 0
        return {str(path.relative_to(self.directory)): path.read_text("utf-8", "replace") for path in paths if path != copy}


def launch(runner: PlaybookRunner, directory: Path, playbook: str, *, inventory: Path, environment: dict[str, str], extra_vars: dict[str, Any],
           files: dict[str, list[dict[str, Any]]] | None = None) -> Job:
    """Run one of the project's playbooks to its end, in the new private data directory `directory`.

    `files` are the user's task files in the project.
    """
    shutil.copytree(AWX / "project", directory / "project")
    for name, tasks in (files or {}).items():
        (directory / "project" / name).write_text(json.dumps(tasks), encoding="utf-8")
    for name in ("env", "inventory"):
        (directory / name).mkdir()
    shutil.copyfile(inventory, directory / "inventory" / "hosts.yml")
    passwords = {r"BECOME password.*:\s*?$": BECOME_PASSWORD}
    for name, value in {"envvars": environment, "extravars": extra_vars, "passwords": passwords}.items():
        (directory / "env" / name).write_text(yaml.safe_dump(value), encoding="utf-8")
    (directory / "env" / "cmdline").write_text("--ask-become-pass --forks 5", encoding="utf-8")
    run = runner.command("ansible-runner", "run", str(directory), "--playbook", playbook, "--ident", "1")
    return Job(run, directory)
