# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers' public command-line clients work with the sandbox, unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from api_calls import IlkbyteCalls

from sandbox import SandboxHandle


def run(home: Path, module: str, *arguments: str, typed: str = "") -> str:
    environment = {**os.environ, "HOME": str(home), "COLUMNS": "200"}
    command = f"from {module} import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", command, *arguments], input=typed, capture_output=True, text=True, env=environment, cwd=home, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_vpsorg_login(sandbox: SandboxHandle, tmp_path: Path) -> None:
    """The file that this client leaves has the content that tests/functional/parity_cases.py gives to the modules."""
    address = sandbox.vpsorg_url.removesuffix("/api/v1")
    assert "2 server(s) found" in run(tmp_path, "vps_cli.cli", "login", "--api-url", address, typed=f"{sandbox.vpsorg_token}\n")
    config = tmp_path / ".vps" / "config.json"
    assert json.loads(config.read_text("utf-8")) == {"api_token": sandbox.vpsorg_token, "api_url": address}
    assert config.stat().st_mode & 0o777 == 0o600

    (tmp_path / "vps.yaml").write_text("name: shop\n", "utf-8")  # otherwise it asks what to deploy
    linked = run(tmp_path, "vps_cli.cli", "link", typed="2\n")
    assert "web1.example.com" in linked and "web2.example.com" in linked
    web2 = next(row for row in sandbox.admin.servers("vpsorg") if row["name"] == "web2")
    assert json.loads((tmp_path / ".vps-link").read_text("utf-8"))["server_uuid"] == web2["uuid"]


def test_ilkbyte_snapshots(sandbox: SandboxHandle, ilkbyte: IlkbyteCalls, tmp_path: Path) -> None:
    (tmp_path / ".ilkbyte.ini").write_text(
        f"[cli]\nhost = {sandbox.ilkbyte_url}\nsecret_key = {sandbox.ilkbyte_secret_key}\naccess_key = {sandbox.ilkbyte_access_key}\n", "utf-8"
    )
    assert "app1" in run(tmp_path, "ilkbyte_cli.main", "server", "list")
    sandbox.admin.add_snapshot("ilkbyte", "app1", "before")
    assert "before" in run(tmp_path, "ilkbyte_cli.main", "snapshot", "list", "app1")
    assert "Snapshot reverted!" in run(tmp_path, "ilkbyte_cli.main", "snapshot", "restore", "app1", "before")
    ilkbyte.until(lambda: sandbox.admin.events("restore_done"))
    assert "Snapshot recreated!" in run(tmp_path, "ilkbyte_cli.main", "snapshot", "update", "app1", "before")
    ilkbyte.until(lambda: sandbox.admin.events("snapshot_recreated"))
    assert "Snapshot deleted!" in run(tmp_path, "ilkbyte_cli.main", "snapshot", "delete", "app1", "before")
    ilkbyte.until(lambda: sandbox.admin.events("snapshot_deleted"))
    assert "not found!" in run(tmp_path, "ilkbyte_cli.main", "snapshot", "list", "unknown")
