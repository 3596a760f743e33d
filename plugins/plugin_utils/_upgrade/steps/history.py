# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that look back: the last run of a server for a restore by hand, and the report of all servers of a run."""

from __future__ import annotations

import json
from pathlib import Path

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError
from ..._guard.client import is_guard_running
from .. import planning, rollout_table
from .. import record as states
from ..record import write_private
from .base import Result, StepBase


class StepsLookingBack(StepBase):
    """Nothing is changed here."""

    def _last(self) -> Result:
        """The last run that has a snapshot, and what a restore of it would mean."""
        cloud = self._look_at_cloud(self._some_name)
        folder = self._folder(cloud["server"]["id"])
        if is_guard_running(folder.lock_path):
            raise planning.guarded_by_other_run_error(folder.latest(), self._context)
        record = folder.latest_with_snapshot()
        if record is None:
            raise RewindError(
                f"There is no receipt of a guarded upgrade of {self._context.host} with a snapshot", kind=errors.NOT_FOUND,
                server=self._context.host, hint=f"receipts of this server lie in {folder.path}; rewind.vps.snapshot_info lists its snapshots",
            )
        listed = self._operate("snapshot_info", {
            "server": record.data["server"]["id"], "name": None, "match": None, "status": None, "older_than": None, "newer_than": None,
        })["snapshots"]
        found = next((item for item in listed if item["id"] == record.snapshot["id"]), None)
        if found is None or found["name"] != record.snapshot["name"] or found["status"] != "ready":
            state = "is not there any more" if found is None else f"is {found['status']} and called {found['name']}"
            raise RewindError(
                f"Snapshot {record.snapshot['name']} ({record.snapshot['id']}) of server {record.server_label} {state}",
                kind=errors.NOT_FOUND, server=record.server_label, snapshot=record.snapshot["id"],
                hint="choose another of its snapshots with rewind.vps.snapshot_restore: rewind.vps.snapshot_info lists them",
            )
        newer = [item["name"] for item in listed if (item["created_at"] or "") > (found["created_at"] or "")]
        lines = [
            f"Server {record.server_label} at {cloud['cloud']} would go back to snapshot {found['name']} of {found['created_at']}",
            f"Everything written on it since then is lost (run {record.run_id}, {states.describe_state(record)})",
        ] + ([f"Snapshots taken later: {', '.join(newer)}"] if newer else [])
        run = {
            "next": planning.ROLL_BACK, "resumed": True, "manual": True, "run_id": record.run_id, "run_record": str(record.path),
            "snapshot_name": found["name"], "marker": record.data["marker"], "server": cloud["server"], "cloud": cloud["cloud"],
            "tasks": [], "checks": planning.resolve_task_files("guarded_upgrade_checks", self._wishes["checks"], self._context.search_paths),
            "notify_tasks": [], "connection": self._context.connection, "match": self._match, **self._lists,
        }
        return {"changed": self._context.check_mode, "msg": ". ".join(lines), "plan": lines, "run": run}

    def _report(self) -> Result:
        """The table of all hosts of this run; C(whole) for the one that ended last of those that are worked on together."""
        process = self._context.process
        ours = {
            record.data["host"]: rollout_table.row(record) for record in states.latest_records(self._wishes["state_dir"])
            if (record.data["run"].get("pid"), record.data["run"].get("started")) == (process["pid"], process["started"])
        }
        rows = [ours.get(host) or rollout_table.not_reached_row(host) for host in self._wishes["hosts"]]
        together = [row for host, row in ours.items() if host in self._context.batch]
        last = max(together, key=lambda row: (row["ended_at"] or "", row["host"]), default=None)
        whole = all(row["ended_at"] for row in together) and last is not None and last["host"] == self._context.host
        result = {"changed": False, "rows": rows, "table": rollout_table.format_table(rows), "whole": whole, "path": None}
        if ours and not self._context.check_mode:
            first = min(item["run_id"] for item in ours.values())
            path = Path(self._wishes["state_dir"]) / "reports" / f"{first}.json"
            write_private(path, json.dumps({"hosts": rows}, indent=2) + "\n")
            result["path"] = str(path)
        return {**result, "msg": f"The same as JSON: {result['path']}" if result["path"] else "Nothing was begun"}
