# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that read earlier runs: the last run of a server for a manual restore, and the report of all servers of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError
from ....module_utils._module import snapshot_info
from ..._guard.client import is_guard_running
from .. import outcomes, planning
from .. import record as states
from ..record import write_private
from .base import Result, StepBase


class HistorySteps(StepBase):
    """Nothing is changed here."""

    def _find_last(self) -> Result:
        """Return the last run with a snapshot, and what a restore would discard."""
        cloud = self._preflight(self._new_snapshot_name)
        server_records = self._server_records(cloud["server"]["id"])
        if is_guard_running(server_records.lock_path):
            raise planning.guarded_by_other_run_error(server_records.latest(), self._context)
        record = server_records.latest_with_snapshot()
        if record is None:
            raise RewindError(
                f"There is no run record of a guarded upgrade of {self._context.host} with a snapshot", kind=errors.NOT_FOUND,
                server=self._context.host,
                hint=f"run records of this server are in {server_records.path}; rewind.vps.snapshot_info lists its snapshots",
            )
        snapshots = self._run_operation(snapshot_info, {
            "server": record.data["server"]["id"], "name": None, "match": None, "status": None, "older_than": None, "newer_than": None,
        })["snapshots"]
        snapshot = next((item for item in snapshots if item["id"] == record.snapshot["id"]), None)
        if snapshot is None or snapshot["name"] != record.snapshot["name"] or snapshot["status"] != "ready":
            state = "no longer exists" if snapshot is None else f"is {snapshot['status']}, and its name is {snapshot['name']}"
            raise RewindError(
                f"Snapshot {record.snapshot['name']} ({record.snapshot['id']}) of server {record.server_label} {state}",
                kind=errors.NOT_FOUND, server=record.server_label, snapshot=record.snapshot["id"],
                hint="choose another of its snapshots with rewind.vps.snapshot_restore: rewind.vps.snapshot_info lists them",
            )
        newer = [item["name"] for item in snapshots if (item["created_at"] or "") > (snapshot["created_at"] or "")]
        lines = [
            f"Server {record.server_label} at {cloud['cloud']} would be restored to snapshot {snapshot['name']} of {snapshot['created_at']}",
            f"All data written on it since then would be lost (run {record.run_id}, {states.describe_state(record)})",
        ] + ([f"Snapshots taken later: {', '.join(newer)}"] if newer else [])
        run = {
            "next": planning.ROLL_BACK, "resumed": True, "manual": True, "run_id": record.run_id, "run_record": str(record.path),
            "snapshot_name": snapshot["name"], "marker": record.data["marker"], "server": cloud["server"], "cloud": cloud["cloud"],
            "tasks": [], "checks": planning.resolve_task_files("guarded_upgrade_checks", self._params["checks"], self._context.search_paths),
            "notify_tasks": [], "connection": self._context.connection, "match": self._name_pattern, "options": self._role_options,
        }
        return {"changed": False, "msg": ". ".join(lines), "plan": lines, "run": run}

    def _rollout_table(self) -> Result:
        """Write the report of all hosts of this run, and show it in the step of the host of the batch that ended last."""
        context, process = self._context, self._context.process
        own_rows = {
            record.data["host"]: outcomes.row(record) for record in states.latest_records(self._params["state_dir"])
            if (record.data["run"].get("pid"), record.data["run"].get("started")) == (process["pid"], process["started"])
        }
        if not own_rows:
            return {"changed": False, "msg": "No upgrade was started"}
        rows = [own_rows.get(host) or outcomes.not_reached_row(host) for host in context.all_hosts]
        path = Path(self._params["state_dir"]) / "reports" / f"{min(item['run_id'] for item in own_rows.values())}.json"
        message: Any = f"The same as JSON: {path}"
        if not context.check_mode:
            write_private(path, json.dumps({"hosts": rows}, indent=2) + "\n")
        if not (self._params["show_report"] and self._is_last_of_batch(own_rows)):
            return {"changed": False, "msg": message}
        # Ansible shows the whole result of such a task, as it does for `debug`.
        return {"changed": False, "msg": [*outcomes.format_table(rows), message], "_ansible_verbose_always": True}

    def _is_last_of_batch(self, own_rows: dict[str, dict[str, Any]]) -> bool:
        rows = [row for host, row in own_rows.items() if host in self._context.batch]
        last = max(rows, key=lambda row: (row["ended_at"] or "", row["host"]), default=None)
        return last is not None and last["host"] == self._context.host and all(row["ended_at"] for row in rows)
