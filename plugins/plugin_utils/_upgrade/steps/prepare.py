# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps before anything is changed on the server: plan, guard, snapshot; and what earlier runs have left."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ....module_utils import _errors as errors
from ....module_utils._errors import RewindError
from ....module_utils._module import snapshot_info
from ..._guard.client import is_guard_running
from .. import evidence, planning, probe, process_identity
from .. import record as states
from ..checks import tasks
from ..checks.parsing import OPTION as CHECKS_OPTION
from ..checks.parsing import parse_checks
from ..package_selection import parse_selection
from ..record import MARKER_PREFIX, RunRecord, write_private
from .base import GUARDED_CONNECTION, OperationFailed, Result
from .rescue import RescueSteps

ROLLBACK_FILES = ("rescue_tasks", "restored_tasks")  # options with files of tasks before and after a restore


class PrepareSteps(RescueSteps):
    """Nothing here changes the server."""

    def _plan(self) -> Result:
        params, context = self._params, self._context
        parse_selection(params)
        files, warnings = self._validate_files("tasks", "before_snapshot_tasks", *ROLLBACK_FILES, "after_tasks", roles=params["roles"])
        planning.stop_after_failed_host(params["state_dir"], context)
        self._require_space()
        name = self._new_snapshot_name
        cloud = self._preflight(name)
        server_records = self._server_records(cloud["server"]["id"])
        previous = self._latest_record(server_records)
        planning.validate_record(previous, context)
        planning.require_decision(previous, params["accept_run"])
        next_action, resumed = planning.decide_next_action(previous, context, params["auto_recover_within"], params["accept_run"])
        run: dict[str, Any] = {
            "next": next_action, "resumed": resumed, "run_id": name[len(params["snapshot_prefix"]):], "snapshot_name": name, **files,
            "server": cloud["server"], "cloud": cloud["cloud"], "match": self._name_pattern, "connection": context.connection,
            "login": context.login, "options": self._role_options, "preview": context.check_mode,
        }
        if resumed:
            run.update(run_id=previous.run_id, snapshot_name=previous.snapshot["name"])
        if next_action == planning.UPGRADE:
            if resumed:
                cloud = self._preflight(run["snapshot_name"])
            if cloud["blocker"]:
                raise OperationFailed({"failed": True, "changed": False, **cloud["blocker"]})
        run["run_record"] = str(server_records.record_path(run["run_id"]))
        run["include_file"] = self._include_file(Path(run["run_record"]))
        # The path of the interrupted run, even if the option has changed.
        marker = previous.data["marker"] if resumed else evidence.marker_path(params["marker_dir"], run["run_id"])
        run.update(evidence.run_fields(marker))
        run["is_this_upgrade"] = planning.is_this_runs_upgrade(previous, run, params["auto_recover_within"])
        lines = planning.plan_lines(run, params, cloud)
        if next_action == planning.UPGRADE:
            run["controller"] = self._observe_controller()
            warnings += planning.warn_too_few_forks(context) + self._warn_certificates(run["controller"]) + planning.warn_container(params)
        if resumed and not context.check_mode:
            context.progress(lines[0])
        return {"changed": False, "msg": ". ".join(lines), "plan": lines, "run": run, "warnings": warnings}

    def _find_interrupted(self) -> Result:
        params, context = self._params, self._context
        files, warnings = self._validate_files(*ROLLBACK_FILES, "after_tasks")
        cloud = self._preflight(self._new_snapshot_name)
        server_records = self._server_records(cloud["server"]["id"])
        previous = self._latest_record(server_records)
        planning.validate_record(previous, context)
        next_action, dummy = planning.decide_next_action(previous, context, params["auto_recover_within"], params["accept_run"])
        run: dict[str, Any] = {
            "next": planning.NONE, "resumed": False, "tasks": [], **files, "server": cloud["server"], "cloud": cloud["cloud"],
            "match": self._name_pattern, "connection": context.connection, "login": context.login, "options": self._role_options,
            "preview": context.check_mode,
        }
        if next_action == planning.UPGRADE:
            lines = [planning.nothing_to_recover_message(previous, cloud["server"])]
            return {"changed": False, "msg": lines[0], "plan": lines, "run": run, "warnings": warnings}
        run.update(
            next=next_action, resumed=True, run_id=previous.run_id, snapshot_name=previous.snapshot["name"], run_record=str(previous.path),
            include_file=self._include_file(previous.path), **evidence.run_fields(previous.data["marker"]),
        )
        lines = planning.plan_lines(run, params, cloud)
        return {"changed": False, "msg": ". ".join(lines), "plan": lines, "run": run, "warnings": warnings}

    def _find_last(self) -> Result:
        """Return the last run with a snapshot, and what a restore would discard."""
        files, warnings = self._validate_files(*ROLLBACK_FILES)
        cloud = self._preflight(self._new_snapshot_name)
        server_records = self._server_records(cloud["server"]["id"])
        latest = server_records.latest()
        is_awaiting = latest is not None and latest.state == states.AWAITING
        if is_guard_running(server_records.lock_path) and not is_awaiting:
            raise planning.guarded_by_other_run_error(latest, self._context)
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
        ] + ([f"Snapshots taken later: {', '.join(newer)}"] if newer else []) + planning.rescue_lines(files, self._params)
        run = {
            "next": planning.ROLL_BACK, "resumed": True, "manual": True, "run_id": record.run_id, "run_record": str(record.path),
            "snapshot_name": snapshot["name"], **evidence.run_fields(record.data["marker"]), "server": cloud["server"],
            "cloud": cloud["cloud"], "tasks": [], "after_tasks": [], **files, "connection": self._context.connection,
            "login": self._context.login, "match": self._name_pattern, "options": self._role_options, "preview": self._context.check_mode,
            "ask_once": self._context.is_linear, "is_run_waiting": is_awaiting and process_identity.is_alive(record.data["run"]),
        }
        run["include_file"] = self._include_file(record.path)
        return {"changed": False, "msg": ". ".join(lines), "plan": lines, "run": run, "warnings": warnings}

    def _ask(self) -> Result:
        """Ask the person at the terminal whether to restore: once for all servers where they pass the steps together."""
        hosts = self._context.batch if self._context.is_linear else [self._context.host]
        answer = self._context.ask(f"Restore {', '.join(hosts)} as shown above? Only yes continues")
        return {"changed": False, "msg": "Asked for confirmation", "user_input": answer}

    def _include_file(self, record_path: Path) -> str:
        """Return the path of the file that includes the user's files with the play's `collections`; empty if it has none.

        The keyword takes no template, and a role's tasks do not inherit it from the play.
        """
        return str(record_path.parent / "include.json") if self._context.user_collections() else ""

    def _write_include_file(self, run: dict[str, Any]) -> None:
        if not run.get("include_file"):
            return
        include = {
            "name": "Include the user's file", "ansible.builtin.include_tasks": "{{ __guarded_upgrade_user_file }}",
            "loop": "{{ __guarded_upgrade_files }}", "loop_control": {"loop_var": "__guarded_upgrade_user_file"},
        }
        block = {"name": "Use the play's collections", "collections": self._context.user_collections(), "block": [include]}
        write_private(Path(run["include_file"]), json.dumps([block]))

    def _validate_files(self, *options: str, roles: Sequence[str] = ()) -> tuple[dict[str, Any], list[str]]:
        """Return `checks`, and the paths of the user's files by option, when they and the play can be guarded, and warnings."""
        context = self._context
        self._check_selection(options, list(roles))
        checks = parse_checks(self._params["checks"])
        files = {name: planning.resolve_task_files(f"guarded_upgrade_{name}", self._params[name], context.search_paths) for name in options}
        file_checks = [check for check in checks if check["type"] == tasks.NAME]
        paths = planning.resolve_task_files(CHECKS_OPTION, [check["options"]["tasks"] for check in file_checks], context.search_paths)
        for check, path in zip(file_checks, paths):
            check["options"]["tasks"] = path
        planning.validate_play(context)
        others = [*paths, *(path for name, names in files.items() if name != "tasks" for path in names)]
        return {**files, "checks": checks}, context.check_tasks(files.get("tasks"), list(roles), others)

    def _check_selection(self, options: Sequence[str], roles: list[str]) -> None:
        """Comes first: where tags do not select the role, errors in its files do not matter."""
        files = []
        with contextlib.suppress(RewindError):
            names = [check["options"]["tasks"] for check in parse_checks(self._params["checks"]) if check["type"] == tasks.NAME]
            files += planning.resolve_task_files(CHECKS_OPTION, names, self._context.search_paths)
        for name in options:
            with contextlib.suppress(RewindError):
                files += planning.resolve_task_files(name, self._params[name], self._context.search_paths)
        self._context.check_selection(files, roles)

    def _start_guard(self) -> Result:
        """Start the guard, with a new run record or the one that is resumed."""
        run, probe_result = self._run, probe.parse_probe(self._params["probe"])
        path = Path(run["run_record"])
        if probe_result is None and run["next"] == planning.UPGRADE:
            raise RewindError(
                f"The server probe on {self._context.host} did not complete; upgrade not started", kind=errors.NOT_READY, server=self._context.host,
                hint="run the playbook with -v and see the result of the task before this one",
            )
        is_new = not run["resumed"]
        if run["next"] == planning.UPGRADE:
            self._require_no_foreign_marker(probe_result, path)
            if is_new:
                run = {**run, "marker": evidence.marker_path(self._require_marker_dir(probe_result), run["run_id"])}
        # The guard of an upgrade that awaits its confirmation is running.
        is_running = bool(run.get("manual")) and is_guard_running(path.parent.parent / "lock")
        record = self._record if is_running else self._launch_guard(path, self._new_record(run, probe_result) if is_new else None)
        self._write_include_file(run)
        if run["resumed"] and run["next"] == planning.UPGRADE:
            record = self._send(record, {"command": "update", "fields": {"before": probe_result}})
        if run.get("manual"):
            has_marker = probe_result is not None and record.data["marker"] in probe_result["markers"]
            fields = {"marker_written": has_marker, **evidence.observed_fields(probe_result)}
            if probe_result is None:
                fields["times_before_restore"] = evidence.times_on_unobserved_server(record.data)
            record = self._send(record, {"command": "update", "fields": {**fields, "rescue": None}})
        elif run["next"] == planning.ROLL_BACK and record.state in states.ARMED_STATES and record.data.get("rescue"):
            with contextlib.suppress(RewindError):  # a full disk
                record = self._send(record, {"command": "update", "fields": {"rescue": None}})  # it was interrupted, and starts over
        if is_new:
            self._server_records(run["server"]["id"]).prune_old()
        verb = "resumed" if run["resumed"] else "started"
        result = self._result(record, f"Guard {verb} for run {record.run_id} (PID {record.data['guard']['pid']})", changed=False)
        result["run"].update(**self._connection_fields(), **self._rescue_fields(record))
        return {**result, "warnings": self._marker_warnings(record) if is_new else []}

    def _connection_fields(self) -> dict[str, str]:
        """Return `connection_fact`, the value of ansible_connection during the run, and `connection_variable`, its value afterwards; else empty.

        This step has the guarded connection by a keyword. If it has another one, a variable of the host comes before the keyword.
        """
        run, current = self._run, self._context.connection
        if run["connection"] not in ("ssh", GUARDED_CONNECTION):
            return {"connection_fact": "", "connection_variable": ""}
        is_left_over = bool((run.get("login") or {}).get("is_left_over"))
        has_variable = current != GUARDED_CONNECTION or (run["connection"] == GUARDED_CONNECTION and not is_left_over)
        needs_fact = has_variable or is_left_over or self._context.has_handlers
        return {
            "connection_fact": GUARDED_CONNECTION if needs_fact else "", "connection_variable": run["connection"] if has_variable else "",
        }

    def _require_marker_dir(self, probe_result: dict[str, Any]) -> str:
        """Return a directory whose content survives a boot. In another one, a boot would remove the marker as a restore does."""
        if probe_result["marker_dir"] is None:
            raise RewindError(
                f"Server {self._context.host} has no writable directory on a local disk for the rollback marker; upgrade not started",
                kind=errors.NOT_READY, server=self._context.host,
                hint="set guarded_upgrade_marker_dir to a directory that is part of the snapshot, and is neither in memory nor on a network. "
                "Is become set?",
            )
        return probe_result["marker_dir"]

    def _marker_warnings(self, record: RunRecord) -> list[str]:
        wanted = evidence.marker_path(self._params["marker_dir"], record.run_id)
        if record.data["marker"] == wanted:
            return []
        return [
            f"guarded_upgrade_marker_dir ({self._params['marker_dir']}) of server {self._context.host} is missing, read-only, emptied by a boot, "
            f"or not on a local disk, so the marker is {record.data['marker']}"
        ]

    def _require_no_foreign_marker(self, probe_result: dict[str, Any], path: Path) -> None:
        """Raise `busy` if the marker of another controller's run is on the server."""
        own_run_ids = {record.parent.name for record in path.parent.parent.glob("*/run.json")}
        foreign = [marker for marker in probe_result["markers"] if marker.rpartition(MARKER_PREFIX)[2] not in own_run_ids]
        if foreign:
            raise RewindError(
                f"Server {self._context.host} has the marker of a guarded upgrade that is unknown to this controller ({foreign[0]})",
                kind=errors.BUSY, server=self._context.host,
                hint="if another controller is upgrading it or was interrupted, finish that run there; otherwise remove that file",
            )

    def _new_record(self, run: dict[str, Any], probe_result: dict[str, Any]) -> dict[str, Any]:
        return {
            "version": 1, "run_id": run["run_id"], "host": self._context.host, **self._endpoint, "cloud": run["cloud"],
            "server": {key: run["server"].get(key) for key in ("id", "name", "address")},
            "snapshot": {"name": run["snapshot_name"], "id": None, "created_at": None}, "marker": run["marker"], "before": probe_result,
            "state": states.PLANNED, "history": [{"at": states.utc_timestamp(), "state": states.PLANNED}], "outcome": None, "message": None,
            "verification": [], "run": {}, "tasks": run["tasks"], "checks": [check["label"] for check in run["checks"]],
            **{name: self._params[name] for name in ("roles", "packages", "exclude")},
        }

    def _request_snapshot(self) -> Result:
        """Have the guard take the run's snapshot. The guards of a batch do so at the same time."""
        params = self._params
        record = self._send(self._record, {"command": "take_snapshot", "params": {
            "match": self._name_pattern, "stop_server": params["stop_server"], "seconds": params["snapshot_timeout"],
        }})
        return self._result(record, f"The guard takes snapshot {record.snapshot['name']} of server {record.server_label}", changed=False)

    def _wait_snapshot(self) -> Result:
        """Wait until the snapshot is ready. Raise OperationFailed if it is not."""
        record = self._wait_for_guard(self._record)
        result = record.data.get("snapshot_result")
        if result is not None and result.get("failed"):
            raise OperationFailed(result)
        if result is None or record.state != states.READY:
            raise RewindError(
                f"The guarded upgrade of server {record.server_label} is {states.describe_state(record)}, and its snapshot is not ready",
                kind=errors.NOT_READY, server=record.server_label, snapshot=record.snapshot["name"], hint=f"see {record.path}, then run again",
            )
        return {**result, **self._result(record, result["msg"], changed=result["changed"])}
