# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows a page as its reader would: saves the files that it shows and runs its commands, in order, in one shell."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from support.cases import credentials_environment
from support.doc_pages import Block, Command, missing_line
from support.playbook_runner import ROOT, other_python

if TYPE_CHECKING:
    from sandbox import SandboxHandle

COMMAND_SECONDS = 300
PROGRAMS = ("ansible", "ansible-doc", "ansible-galaxy", "ansible-inventory", "ansible-playbook", "ansible-vault")
PLACEHOLDER_VARIABLE = re.compile(r"\b\w+=(\.\.\.|…)(\s|$)")  # the reader's own value; the sandbox sets it already


class DocRunner:
    """A reader at a shell, in an empty home directory.

    `sandbox` provides the reader's accounts. It is None for a page that starts its own sandbox.
    """

    def __init__(self, directory: Path, sandbox: SandboxHandle | None) -> None:
        self.home = directory
        self.output = ""
        self._cleanup = ExitStack()
        self._bin = directory / ".bin"
        self._bin.mkdir()
        for program in PROGRAMS:
            self._script(program, f"exec {shlex.quote(sys.executable)} {shlex.quote(str(Path(sys.executable).with_name(program)))}")
        for program in ("python", "python3"):
            self._script(program, f"exec {shlex.quote(sys.executable)}")
        self._environment = directory / ".environment"
        self._environment.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in self._initial_environment(sandbox).items()),
                                     "utf-8")
        self._cwd_file = directory / ".cwd"
        self._cwd_file.write_text(str(directory), "utf-8")
        if sandbox is None:
            shutil.copytree(ROOT, directory / "rewind.vps", symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests"))
        else:
            self._link_collection()
            self._prepare(sandbox)

    def _script(self, name: str, command: str) -> None:
        path = self._bin / name
        path.write_text(f'#!/bin/sh\n{command} "$@"\n', "utf-8")
        path.chmod(0o755)

    def _initial_environment(self, sandbox: SandboxHandle | None) -> dict[str, str]:
        variables = {} if sandbox is None else {
            **credentials_environment(sandbox), "SANDBOX_INVENTORY": sandbox.inventory, "SHOP_VPS_TOKEN": sandbox.vpsorg_token,
        }
        return {
            "PATH": os.pathsep.join([str(self._bin), os.environ.get("PATH", os.defpath)]), "HOME": str(self.home), "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8", "TERM": "dumb", "COLUMNS": "150",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._short_directory()), "ANSIBLE_PIPELINING": "1", **variables,
        }

    def _short_directory(self) -> Path:
        """SSH's control sockets lie in it, and a socket's path may have a hundred characters."""
        from tempfile import TemporaryDirectory

        return Path(self._cleanup.enter_context(TemporaryDirectory(prefix="rw-doc-")))

    def _link_collection(self) -> None:
        """Installed already."""
        target = self.home / ".ansible" / "collections" / "ansible_collections" / "rewind"
        target.mkdir(parents=True)
        (target / "vps").symlink_to(Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections" / "rewind" / "vps")

    def _prepare(self, sandbox: SandboxHandle) -> None:
        """What pages take for granted: an inventory with the groups web and app, an upgrade, checks, and a snapshot to go back to."""
        groups: dict[str, Any] = {group: {"hosts": {name: {} for name in names}} for group, names in (("web", ["web1", "web2"]), ("app", ["app1"]))}
        sandbox_inventory = yaml.safe_load(Path(sandbox.inventory).read_text("utf-8"))
        # A server of the sandbox has no packages that could be upgraded, so where a page names no tasks these are taken.
        groups["web"]["vars"] = {"guarded_upgrade_tasks": [str(self.home / "upgrade.yml")]}
        # No other machine, but another Python: so a task that is delegated to it is a module in a process of its own, as it would be there.
        groups["bastions"] = {"hosts": {"bastion": {"ansible_connection": "local", "ansible_python_interpreter": other_python()}}}
        (self.home / "inventory").write_text(json.dumps({**sandbox_inventory, **groups}), "utf-8")
        (self.home / "ansible.cfg").write_text("[defaults]\ninventory = inventory\nlocalhost_warning = false\n", "utf-8")
        for name, task in (("upgrade", {"ansible.builtin.command": "true"}), ("checks", {"ansible.builtin.command": "true"})):
            (self.home / f"{name}.yml").write_text(json.dumps([{"name": name, **task}]), "utf-8")
        (self.home / "host_vars").mkdir()  # how to log in, for inventories that the pages show
        for cloud in sandbox_inventory["sandbox"]["children"].values():
            for name, variables in cloud["hosts"].items():
                (self.home / "host_vars" / f"{name}.yml").write_text(json.dumps({**sandbox_inventory["sandbox"]["vars"], **variables}), "utf-8")
        for cloud, server, name in (
            ("vpsorg", "web1", "preupgrade"), ("vpsorg", "web2", "preupgrade"), ("ilkbyte", "app1", "preupgrade"), ("ilkbyte", "app1", "nightly"),
        ):
            sandbox.admin.add_snapshot(cloud, server, name)

    # --- following a page

    def follow(self, block: Block) -> None:
        """Do what a block says.

        :raises AssertionError: a command ends otherwise, or does not print what the page shows.
        """
        if "in the background" in block.marks:
            (command,) = block.commands
            self._start_sandbox(command)
        elif block.language == "console":
            for command in block.commands:
                self._run_command(block, command)
        elif block.language in ("yaml", "ini"):
            self._apply_example(block)

    def _run_command(self, block: Block, command: Command) -> None:
        text = PLACEHOLDER_VARIABLE.sub("", command.text)
        script = f'. "$1"; cd "$(cat "$2")"; {text}\ns=$?; export -p > "$1"; pwd > "$2"; exit $s'
        run = subprocess.run(
            ["bash", "-c", script, "bash", str(self._environment), str(self._cwd_file)], env={}, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_SECONDS, check=False, encoding="utf-8")
        self.output += run.stdout
        context = f"{block.page.name}:{command.line}: $ {command.text}\n{run.stdout}"
        assert run.returncode == command.status, f"it ended with {run.returncode} and not {command.status}\n{context}"
        missing = missing_line(command.printed, run.stdout)
        assert missing is None, f"it does not print {missing!r}\n{context}"

    def _start_sandbox(self, command: Command) -> None:
        """As ``make sandbox`` does it, but in the environment that the tests run in."""
        arguments = shlex.split(command.text)
        assert arguments[0] == "make" and "sandbox" in arguments, command.text
        sandbox_arguments = [argument for each in arguments if each.startswith("ARGS=") for argument in shlex.split(each.removeprefix("ARGS="))]
        sandbox_arguments = [argument.replace("~", str(self.home), 1) if argument.startswith("~/") else argument for argument in sandbox_arguments]
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *sandbox_arguments, "--parent", str(os.getpid())], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT / "extensions")})
        assert process.stdout is not None
        self._cleanup.callback(process.wait, 30)
        self._cleanup.callback(process.terminate)
        assert process.stdout.readline(), "the sandbox did not start"

    def _apply_example(self, block: Block) -> None:
        """Save it if it says under which name; and where nothing says that a command uses it later, see that Ansible takes it."""
        content: Any = yaml.load(block.text, _ExampleLoader) if block.language == "yaml" else None
        if block.file_name:
            path = self.home / block.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
            return
        if isinstance(content, list) and all("hosts" in item for item in content):
            self._check(block, block.text)
        elif isinstance(content, list):
            tasks = "".join(f"    {line}" if line.strip() else line for line in block.text.splitlines(keepends=True))
            self._check(block, f"- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n{tasks}")
        else:
            assert isinstance(content, dict), f"{block.where}: neither a play, nor tasks, nor variables"
            if content.get("plugin") == "rewind.vps.servers":
                (self.home / "shown.rewind_vps.yml").write_text(block.text, "utf-8")
                self._run_command(block, Command(block.line, "ansible-inventory -i shown.rewind_vps.yml --list"))

    def _check(self, block: Block, text: str) -> None:
        (self.home / "shown.yml").write_text(text, "utf-8")
        self._run_command(block, Command(block.line, "ansible-playbook shown.yml --check"))

    def close(self) -> None:
        """End the background commands."""
        self._cleanup.close()


class _ExampleLoader(yaml.SafeLoader):
    """Takes Ansible's own tags for text."""


_ExampleLoader.add_constructor("!vault", lambda loader, node: loader.construct_scalar(node))
