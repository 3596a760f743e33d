# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret leaves through the inventory plugin: not in variables, caches, messages, logs or process lists, and not when something fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.cases import CLOUDS, apply_calls
from support.inventory_file import cache
from support.playbook_runner import Run
from support.secret_cases import ACCESS, ADD_CREDENTIALS, SECRET, TOKEN, VARIABLES, message_with_secrets
from support.secret_channels import ProcessWatch

if TYPE_CHECKING:
    from functional.secret_scan.conftest import SecretScanRunner

pytestmark = [pytest.mark.playbook, pytest.mark.secret_scan]

INHERITED = {**VARIABLES["vpsorg"], **VARIABLES["ilkbyte"]}


def write(secret_scan: SecretScanRunner, **config: Any) -> str:
    """Write an inventory file with the credentials in plain text."""
    sandbox = secret_scan.runner.sandbox
    apply_calls(sandbox.admin, ADD_CREDENTIALS)
    accounts = [
        {"name": "shop", "provider": "vpsorg", "api_token": TOKEN, "api_url": sandbox.vpsorg_url},
        {"provider": "ilkbyte", "access_key": ACCESS, "secret_key": SECRET, "api_url": sandbox.ilkbyte_url},
    ]
    path = secret_scan.directory / "given.rewind_vps.yml"
    path.write_text(yaml.safe_dump({"plugin": "rewind.vps.servers", "accounts": accounts, **config}, sort_keys=False), encoding="utf-8")
    return str(path)


def run_verbose(secret_scan: SecretScanRunner, program: str, *arguments: str, inherited: bool = False) -> Run:
    """Run a program at the highest verbosity, and search everything."""
    environment = {
        **secret_scan.environment, "ANSIBLE_DEBUG": "1", "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_DISPLAY_TRACEBACK": "always",
        "ANSIBLE_LOG_PATH": str(secret_scan.directory / "log"), **(INHERITED if inherited else {}),
    }
    with ProcessWatch(str(secret_scan.directory)) as watch:
        run = secret_scan.runner.command(program, "-vvvvv", *arguments, environment=environment)
    secret_scan.search(run, watch, inherited=inherited)
    return run


def test_a_play_with_credentials_from_the_inventory(secret_scan: SecretScanRunner, tmp_path: Path) -> None:
    path = write(secret_scan, **cache(tmp_path), compose={"everything": "vars | default('none')"}, keyed_groups=[{"key": "rewind_account"}])
    playbook = tmp_path / "play.yml"
    refusal = {"name": "Refused", "ignore_errors": True, "delegate_to": "localhost", "rewind.vps.snapshot_restore": {"name": "none"}}
    playbook.write_text(json.dumps([{"hosts": "web1:app1", "gather_facts": False, "connection": "local", "tasks": [
        {"name": "Works", "rewind.vps.snapshot": {"name": "one"}, "delegate_to": "localhost"}, refusal,
        {"name": "Shown", "ansible.builtin.debug": {"var": "hostvars"}},
    ]}]), encoding="utf-8")
    run = run_verbose(secret_scan, "ansible-playbook", "-i", path, str(playbook))
    assert run.status == 0, run.output
    assert "changed: [web1 -> localhost]" in run.stdout and len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_refusal_that_quotes_the_credentials(secret_scan: SecretScanRunner, cloud: str) -> None:
    path = write(secret_scan)
    body = {"detail": message_with_secrets(cloud), "error": message_with_secrets(cloud)}
    secret_scan.runner.sandbox.admin.fault("status", status=403, body=body, cloud=cloud, times=None)
    run = run_verbose(secret_scan, "ansible-inventory", "-i", path, "--list")
    assert "provides no hosts" in run.output and "hostvars" in run.stdout


FAILURES: dict[str, dict[str, Any]] = {
    "an unknown option": {TOKEN: 1}, "a value of another kind": {"cache_timeout": TOKEN}, "an expression": {"strict": True, "compose": {"x": TOKEN}},
    "a condition": {"filters": [{"include": f"'{ACCESS[:8]}' in no_such"}]}, "a name": {"hostnames": [f"'{SECRET[:9]}' ~ no_such"]},
    "another option of an account": {"accounts": [{"provider": TOKEN, "api_token": TOKEN}]},
    "a name of an account": {"accounts": [{"provider": "vpsorg", "name": SECRET, "secret_key": SECRET, "api_token": TOKEN}]},
    "a template": {"accounts": [
        {"provider": "vpsorg", "api_token": TOKEN}, {"provider": "ilkbyte", "access_key": f"{{{{ '{ACCESS[2:10]}' ~ x }}}}"}]},
}


@pytest.mark.slow
@pytest.mark.parametrize("how", FAILURES)
def test_an_invalid_file(secret_scan: SecretScanRunner, how: str) -> None:
    run = run_verbose(secret_scan, "ansible-inventory", "-i", write(secret_scan, **FAILURES[how]), "--list")
    assert "provides no hosts" in run.output


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--list",), ("--graph", "--vars"), ("--list", "--yaml"), ("--list", "--export")], ids="".join)
def test_what_is_listed_with_credentials_from_the_environment(secret_scan: SecretScanRunner, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    sandbox = secret_scan.runner.sandbox
    accounts = [{"provider": "vpsorg", "api_url": sandbox.vpsorg_url}, {"provider": "ilkbyte", "api_url": sandbox.ilkbyte_url}]
    run = run_verbose(secret_scan, "ansible-inventory", "-i", write(secret_scan, accounts=accounts, **cache(tmp_path)), *arguments, inherited=True)
    assert run.status == 0 and "web1" in run.stdout and "app1" in run.stdout
