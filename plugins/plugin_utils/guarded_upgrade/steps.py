# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the role that the action C(upgrade_guard) does, one method each."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ansible_collections.rewind.vps.plugins.module_utils import arguments, errors
from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError, bad_input
from ansible_collections.rewind.vps.plugins.module_utils.polling import Deadline, wait_until
from ansible_collections.rewind.vps.plugins.module_utils.run import run as run_operation
from ansible_collections.rewind.vps.plugins.module_utils.secrets import Scrubber
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade import planning, processes, report, server_looks
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade import receipt as states
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.evidence import keep_evidence
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.guard_link import ask_guard, guard_is_there, start_guard
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.options import Context, cloud_options, secrets_of
from ansible_collections.rewind.vps.plugins.plugin_utils.guarded_upgrade.receipt import Receipt, ServerFolder, write_private

Result = dict[str, Any]


class OperationFailed(Exception):
    """An operation of the modules failed; C(result) is its whole result."""

    def __init__(self, result: Result) -> None:
        super().__init__(result["msg"])
        self.result = result


def _verdict_of(receipt: Receipt) -> Result:
    """What is known of a run that has ended by itself, or that ends before anything was changed."""
    outcome = receipt.outcome or (states.UPGRADED if receipt.state == states.CONFIRMED else states.NOT_STARTED)
    return {"outcome": outcome, "proof": receipt.data["proof"], "message": receipt.data["message"] or "nothing was changed on the server"}


def _next_for(outcome: str, receipt: Receipt) -> str:
    """What a person does now."""
    snapshot = f"{receipt.snapshot['name']} ({receipt.snapshot['id']})"
    evidence = f" What was seen before the restore is in {receipt.path.parent}." if receipt.data.get("evidence") else ""
    words = {
        states.UPGRADED: "",
        states.NOT_STARTED: "Mend what the failed task says, and run again.",
        states.ROLLED_BACK: f"Snapshot {receipt.snapshot['name']} is kept.{evidence}",
        states.ROLLBACK_FAILED: f"The server is NOT as it was. Snapshot {snapshot} is kept: look at the server in the cloud's panel, and "
                                f"restore that snapshot there or with the playbook rewind.vps.rollback.{evidence}",
        states.UNKNOWN: f"Look at the server in the cloud's panel now. Snapshot {snapshot} is kept: if the server is not as it was, restore it "
                        f"there or with the playbook rewind.vps.rollback.{evidence}",
    }
    return words[outcome]


def _deleted(pruned: list[Result], check_mode: bool = False) -> str:
    names = ", ".join(item["name"] for item in pruned)
    if not names:
        return "No older snapshot of this role to delete"
    return f"{'Would delete' if check_mode else 'Deleted'}: {names}"


class Steps:
    """:arg parameters: as options.OPTIONS has them, validated."""

    def __init__(self, parameters: dict[str, Any], context: Context) -> None:
        self._wishes = parameters
        self._context = context

    def do(self, step: str) -> Result:
        """Do one step.

        :raises RewindError: it can't be done, or the guard refuses.
        :raises OperationFailed: a module's operation failed.
        """
        return getattr(self, f"_{step}")()

    # --- before anything is changed

    def _plan(self) -> Result:
        wishes, context = self._wishes, self._context
        files = {name: planning.found_files(f"guarded_upgrade_{name}", wishes[name], context.folders)
                 for name in ("tasks", "checks", "notify_tasks")}
        if context.forces_handlers:
            raise bad_input(
                "force_handlers is on, so the handlers that a failed upgrade has notified would run on the restored server",
                "leave it out of the play, the command line and ansible.cfg; this role runs the handlers itself, before its checks",
            )
        planning.stop_after_failures(wishes["state_dir"], context)
        name = self._some_name
        cloud = self._look_at_cloud(name)
        folder = self._folder(cloud["server"]["id"])
        previous = self._previous(folder)
        coming, taken_up = planning.what_comes_next(previous, context, wishes["resume_within"], wishes["accept"])
        run: dict[str, Any] = {
            "next": coming, "taken_up": taken_up, "run_id": name[len(wishes["prefix"]):], "snapshot_name": name, **files,
            "server": cloud["server"], "cloud": cloud["cloud"], "match": self._match, "connection": context.connection,
        }
        if taken_up:
            run.update(run_id=previous.run_id, snapshot_name=previous.snapshot["name"])
        if coming == planning.UPGRADE:
            if taken_up:
                cloud = self._look_at_cloud(run["snapshot_name"])
            if cloud["obstacle"]:
                raise OperationFailed({"failed": True, "changed": False, **cloud["obstacle"]})
        run["receipt"] = str(folder.receipt_path(run["run_id"]))
        run["marker"] = server_looks.marker_path(wishes["marker_dir"], run["run_id"])
        lines = planning.plan_lines(run, wishes, cloud)
        return {"changed": context.check_mode, "msg": ". ".join(lines), "plan": lines, "run": run}

    def _look_at_cloud(self, snapshot_name: str) -> Result:
        reference = self._wishes["server"]
        return self._operate("upgrade_guard", {
            "server": [reference] if reference else None, "host": self._context.host, "address": self._context.address,
            "name": snapshot_name, "match": self._match,
        })

    @property
    def _some_name(self) -> str:
        return f"{self._wishes['prefix']}{states.new_run_id()}"

    @property
    def _match(self) -> str:
        """Only names that this role makes: what a person calls C(rewind-before-php) is not among them."""
        return self._wishes["prefix"] + states.RUN_ID_GLOB

    def _previous(self, folder: ServerFolder) -> Receipt | None:
        """The newest receipt, once no guard is at work on the server.

        :raises RewindError: C(busy), another run is at work.
        """
        if not guard_is_there(folder.lock_path):
            return folder.last()
        previous = folder.last()
        if self._context.check_mode or not planning.is_being_undone(previous):
            raise planning.guarded_by(previous, self._context)
        self._context.tell(f"the guard of an earlier run is at work on server {previous.server_label}; waiting for it")
        wait_until(
            lambda: None if guard_is_there(folder.lock_path) else True, what=f"the guard of run {previous.run_id} to be done",
            deadline=Deadline(self._wishes["rollback_timeout"]), expected=60, tell=self._context.tell, hint=f"see {previous.path}",
        )
        return folder.last()

    def _begin(self) -> Result:
        """Start the guard, with a new receipt or the one that is taken up again."""
        run, look = self._run, server_looks.parse_look(self._wishes["look"])
        path = Path(run["receipt"])
        if look is None and run["next"] == planning.UPGRADE:
            raise RewindError(
                f"The look at {self._context.host} came to no end, so nothing is begun", kind=errors.NOT_READY, server=self._context.host,
                hint="run the playbook with -v and look at the task before this one",
            )
        if run["next"] == planning.UPGRADE:
            self._must_be_unmarked(look, path)
        fresh = not run["taken_up"]
        receipt = self._start_guard(path, self._new_receipt(run, look) if fresh else None)
        if run["taken_up"] and run["next"] == planning.UPGRADE:
            receipt = self._ask(receipt, {"do": "note", "facts": {"before": look}})
        if run.get("by_hand"):
            marked = look is not None and receipt.data["marker"] in look["markers"]
            receipt = self._ask(receipt, {"do": "note", "facts": {"marker_written": marked}})
        if fresh:
            ServerFolder(self._wishes["state_dir"], run["provider"], run["server"]["id"], run["api_url"]).drop_old_runs()
        words = "has taken up" if run["taken_up"] else "has begun"
        return self._done(receipt, f"The guard (process {receipt.data['guard']['pid']}) {words} run {receipt.run_id}", changed=False)

    def _must_be_unmarked(self, look: dict[str, Any], path: Path) -> None:
        """Another controller may be at work, or have been cut off: its marker tells."""
        ours = {receipt.parent.name for receipt in path.parent.parent.glob("*/receipt.json")}
        foreign = [marker for marker in look["markers"] if server_looks.run_of_marker(marker) not in ours]
        if foreign:
            raise RewindError(
                f"Server {self._context.host} carries the marker of a guarded upgrade that this controller knows nothing of ({foreign[0]})",
                kind=errors.BUSY, server=self._context.host,
                hint="is another controller upgrading it, or was one cut off? End it there; if it is over, remove that file",
            )

    def _new_receipt(self, run: dict[str, Any], look: dict[str, Any]) -> dict[str, Any]:
        return {
            "version": 1, "run_id": run["run_id"], "host": self._context.host, "provider": run["provider"], "api_url": run["api_url"],
            "cloud": run["cloud"], "server": {key: run["server"].get(key) for key in ("id", "name", "address")},
            "snapshot": {"name": run["snapshot_name"], "id": None, "created_at": None}, "marker": run["marker"], "before": look,
            "state": states.PLANNED, "history": [{"at": states.now_text(), "state": states.PLANNED}], "outcome": None, "message": None,
            "proof": [], "run": {}, "tasks": run["tasks"], "checks": run["checks"],
        }

    # --- the snapshot

    def _snapshot(self) -> Result:
        wishes = self._wishes
        receipt = self._ask(self._receipt, self._move(states.SNAPSHOTTING, wishes["snapshot_timeout"], guard_acts=False))
        result = self._operate("snapshot", {
            "server": [receipt.data["server"]["id"]], "name": receipt.snapshot["name"], "id": None, "description": None,
            "state": "present", "max_age": None, "stop_server": wishes["stop_server"], "wait": True,
            "wait_timeout": wishes["snapshot_timeout"],
            # Only to make room where it is full; trimming waits until the upgrade is confirmed.
            "when_full": "prune", "retain": {"count": 10000, "match": self._match},
        })
        made = {key: result["snapshot"][key] for key in ("id", "name", "created_at")}
        receipt = self._ask(receipt, {**self._move(states.READY, None), "facts": {"snapshot": made}})
        return {**self._done(receipt, result["msg"], changed=result["changed"]), "snapshot": result["snapshot"], "pruned": result["pruned"]}

    # --- behind the guard

    def _arm(self) -> Result:
        receipt = self._ask(self._receipt, self._move(states.ARMED, self._wishes["timeout"]))
        pid = receipt.data["guard"]["pid"]
        return self._done(
            receipt,
            f"From here on server {receipt.server_label} goes back to snapshot {receipt.snapshot['name']} unless the upgrade is confirmed; "
            f"if this run is killed, its guard (process {pid}) sees to it, and {receipt.path} shows how it goes",
            changed=False,
        )

    def _upgrading(self) -> Result:
        request = self._move(states.UPGRADING, self._wishes["timeout"])
        request["facts"]["marker_written"] = True
        return self._with_deadline(self._ask(self._receipt, request), self._wishes["timeout"])

    def _checking(self) -> Result:
        receipt = self._ask(self._receipt, self._move(states.CHECKING, self._wishes["check_timeout"]))
        return self._with_deadline(receipt, self._wishes["check_timeout"])

    def _with_deadline(self, receipt: Receipt, seconds: int) -> Result:
        result = self._done(receipt, f"{states.said(receipt).capitalize()}, within {seconds} s", changed=False)
        result["run"]["deadline"] = int(time.time()) + seconds
        return result

    def _compare(self) -> Result:
        """A built-in check: no unit fails that did not fail before."""
        receipt = self._receipt
        after = server_looks.parse_look(self._wishes["look"])
        if after is None:
            raise RewindError(
                f"The look at server {receipt.server_label} came to no end", kind=errors.NOT_READY, server=receipt.server_label,
            )
        units = server_looks.units_failed_since(receipt.data["before"], after)
        if units:
            raise RewindError(
                f"Failed since the upgrade on server {receipt.server_label}: {', '.join(units)}",
                kind=errors.OPERATION_FAILED, outcome=errors.FAILED, server=receipt.server_label,
            )
        return self._done(receipt, f"No unit fails on {receipt.data['host']} that did not fail before", changed=False)

    def _confirm(self) -> Result:
        receipt = self._ask(self._receipt, self._move(states.CONFIRMED, None))
        return self._done(receipt, f"The upgrade of server {receipt.server_label} is confirmed; it is not rolled back any more", changed=False)

    def _trim(self) -> Result:
        """Delete this role's snapshots of this server beyond those to keep. Trouble is a warning: the upgrade is confirmed."""
        receipt, pruned, warnings = self._receipt, [], []
        try:
            self._delete_beyond_keep(receipt.data["server"]["id"], pruned)
        except OperationFailed as failure:
            warnings.append(f"Older snapshots of this role may be left: {failure.result['msg']}")
        return {**self._done(receipt, _deleted(pruned), changed=bool(pruned)), "pruned": pruned, "warnings": warnings}

    def _prune(self) -> Result:
        """The same by itself, without an upgrade."""
        server = self._look_at_cloud(self._some_name)["server"]
        folder = self._folder(server["id"])
        previous = self._previous(folder)
        if previous is not None and previous.state != states.ENDED:
            raise RewindError(
                f"The guarded upgrade {previous.run_id} of server {previous.server_label} is {states.said(previous)} and may need its snapshot",
                kind=errors.BUSY, server=previous.server_label, hint="run the guarded upgrade again first, which ends it",
            )
        pruned: list[Result] = []
        try:
            self._delete_beyond_keep(server["id"], pruned)
        except OperationFailed as failure:
            return {**failure.result, "changed": bool(pruned), "pruned": pruned}
        return {"changed": bool(pruned), "msg": _deleted(pruned, self._context.check_mode), "pruned": pruned, "server": server}

    def _delete_beyond_keep(self, server_id: str, pruned: list[Result]) -> None:
        listed = self._operate("snapshot_info", {
            "server": [server_id], "name": None, "match": self._match, "status": ["ready"], "older_than": None, "newer_than": None,
        })["snapshots"]
        # With a schedule on it somebody has made it his own.
        for snapshot in [item for item in listed if not item["schedule"]][self._wishes["keep"]:]:
            if not self._context.check_mode:
                self._operate("snapshot", {
                    "server": [server_id], "name": snapshot["name"], "id": snapshot["id"], "description": None, "state": "absent",
                    "max_age": None, "retain": None, "when_full": "fail", "stop_server": False, "wait": True, "wait_timeout": 600,
                })
            pruned.append(snapshot)

    # --- when it went wrong

    def _evidence(self) -> Result:
        receipt, wishes = self._receipt, self._wishes
        scrubber = Scrubber([*secrets_of(wishes), *self._context.more_secrets])
        files = keep_evidence(receipt.path.parent, wishes["failed_task"], wishes["failed_result"], wishes["server_log"], scrubber)
        if files:
            self._ask(receipt, {"do": "note", "facts": {"evidence": files}})
        return self._done(receipt, f"Kept as evidence: {', '.join(files)}" if files else "There was no evidence to keep", changed=False)

    def _roll_back(self) -> Result:
        """Have the guard restore the receipt's snapshot; or say that there is nothing to restore."""
        receipt = self._receipt
        by_hand = bool(self._wishes["run"].get("by_hand"))
        if receipt.state in states.UNARMED and not by_hand:
            return self._done(receipt, f"Nothing was changed on server {receipt.server_label}, so nothing is restored", changed=False)
        if receipt.state in (states.CONFIRMED, states.ENDED) and not by_hand:
            return self._done(receipt, f"The guarded upgrade of server {receipt.server_label} is {states.said(receipt)}", changed=False)
        look = server_looks.parse_look(self._wishes["look"])
        if receipt.state == states.RESTORING and not by_hand and look is not None and receipt.data["marker"] not in look["markers"]:
            detail = "the restore that an earlier run asked for is done"
            receipt = self._ask(receipt, {"do": "restored_already", "detail": detail})
            return self._done(receipt, f"Server {receipt.server_label}: {detail}", changed=False)
        scrubber = Scrubber([*secrets_of(self._wishes), *self._context.more_secrets])
        reason = scrubber.text(self._wishes["reason"] or "it failed")
        receipt = self._ask(receipt, {"do": "roll_back", "reason": reason, "by_hand": by_hand})
        message = receipt.data.get("message") if receipt.state == states.ENDED else receipt.data.get("restore_message")
        return self._done(receipt, message or states.said(receipt), changed=True)

    def _prove(self) -> Result:
        """Hold the restored server against what it was; nothing is changed."""
        receipt = self._receipt
        if receipt.state == states.RESTORED:
            checks = {"not_run": None}.get(self._wishes["checks_result"], self._wishes["checks_result"])
            verdict = server_looks.prove(receipt.data, server_looks.parse_look(self._wishes["look"]), checks)
        else:
            verdict = _verdict_of(receipt)
        verdict["reason"] = receipt.data.get("reason") or self._wishes["reason"]
        verdict["next"] = _next_for(verdict["outcome"], receipt)
        return {**self._done(receipt, verdict["message"], changed=False), **verdict}

    def _end(self) -> Result:
        wishes, receipt = self._wishes, self._receipt
        receipt = self._ask(receipt, {
            "do": "end", "outcome": wishes["outcome"], "message": wishes["message"], "proof": wishes["proof"],
        })
        return self._done(receipt, f"Run {receipt.run_id} of server {receipt.server_label} is {states.said(receipt)}", changed=False)

    def _told(self) -> Result:
        receipt = self._ask(self._receipt, {"do": "told"})
        return self._done(receipt, f"Run {receipt.run_id} of server {receipt.server_label} is told", changed=False)

    # --- by hand, and looking back

    def _last(self) -> Result:
        """The last run that has a snapshot, and what a restore of it would mean."""
        cloud = self._look_at_cloud(self._some_name)
        folder = self._folder(cloud["server"]["id"])
        if guard_is_there(folder.lock_path):
            raise planning.guarded_by(folder.last(), self._context)
        receipt = folder.last_with_snapshot()
        if receipt is None:
            raise RewindError(
                f"There is no receipt of a guarded upgrade of {self._context.host} with a snapshot", kind=errors.NOT_FOUND,
                server=self._context.host, hint=f"receipts of this server lie in {folder.path}; rewind.vps.snapshot_info lists its snapshots",
            )
        listed = self._operate("snapshot_info", {
            "server": [receipt.data["server"]["id"]], "name": None, "match": None, "status": None, "older_than": None, "newer_than": None,
        })["snapshots"]
        found = next((item for item in listed if item["id"] == receipt.snapshot["id"]), None)
        if found is None or found["name"] != receipt.snapshot["name"] or found["status"] != "ready":
            state = "is not there any more" if found is None else f"is {found['status']} and called {found['name']}"
            raise RewindError(
                f"Snapshot {receipt.snapshot['name']} ({receipt.snapshot['id']}) of server {receipt.server_label} {state}",
                kind=errors.NOT_FOUND, server=receipt.server_label, snapshot=receipt.snapshot["id"],
                hint="choose another of its snapshots with rewind.vps.snapshot_restore: rewind.vps.snapshot_info lists them",
            )
        newer = [item["name"] for item in listed if (item["created_at"] or "") > (found["created_at"] or "")]
        lines = [
            f"Server {receipt.server_label} at {cloud['cloud']} would go back to snapshot {found['name']} of {found['created_at']}",
            f"Everything written on it since then is lost (run {receipt.run_id}, {states.said(receipt)})",
        ] + ([f"Snapshots taken later: {', '.join(newer)}"] if newer else [])
        run = {
            "next": planning.ROLL_BACK, "taken_up": True, "by_hand": True, "run_id": receipt.run_id, "receipt": str(receipt.path),
            "snapshot_name": found["name"], "marker": receipt.data["marker"], "server": cloud["server"], "cloud": cloud["cloud"],
            "tasks": [], "checks": planning.found_files("guarded_upgrade_checks", self._wishes["checks"], self._context.folders),
            "notify_tasks": [], "connection": self._context.connection, "match": self._match,
        }
        return {"changed": self._context.check_mode, "msg": ". ".join(lines), "plan": lines, "run": run}

    def _report(self) -> Result:
        """The table of all hosts of this run; C(whole) for the one that ended last of those that are worked on together."""
        process = self._context.process
        ours = {
            receipt.data["host"]: report.row(receipt) for receipt in states.all_receipts(self._wishes["state_dir"])
            if (receipt.data["run"].get("pid"), receipt.data["run"].get("started")) == (process["pid"], process["started"])
        }
        rows = [ours.get(host) or report.untouched_row(host) for host in self._wishes["hosts"]]
        together = [row for host, row in ours.items() if host in self._context.batch]
        last = max(together, key=lambda row: (row["ended_at"] or "", row["host"]), default=None)
        whole = all(row["ended_at"] for row in together) and last is not None and last["host"] == self._context.host
        result = {"changed": False, "rows": rows, "table": report.table(rows), "whole": whole, "path": None}
        if ours and not self._context.check_mode:
            first = min(item["run_id"] for item in ours.values())
            path = Path(self._wishes["state_dir"]) / "reports" / f"{first}.json"
            write_private(path, json.dumps({"hosts": rows}, indent=2) + "\n")
            result["path"] = str(path)
        return {**result, "msg": f"The same as JSON: {result['path']}" if result["path"] else "Nothing was begun"}

    # --- how it is done

    @property
    def _run(self) -> dict[str, Any]:
        """The plan, with the cloud that the options name."""
        if not self._wishes["run"]:
            raise bad_input("run is missing: the plan's result goes there")
        options = arguments.clean({**cloud_options(self._wishes)})
        return {**self._wishes["run"], "provider": options["provider"], "api_url": options["api_url"]}

    @property
    def _receipt(self) -> Receipt:
        if not self._wishes["run"]:
            raise bad_input("run is missing: the plan's result goes there")
        return Receipt.load(Path(self._wishes["run"]["receipt"]))

    def _folder(self, server_id: str) -> ServerFolder:
        options = arguments.clean({**cloud_options(self._wishes)})
        return ServerFolder(self._wishes["state_dir"], options["provider"], server_id, options["api_url"])

    def _move(self, state: str, seconds: int | None, *, guard_acts: bool = True) -> dict[str, Any]:
        """The request to go on, with the seconds that this part may take."""
        allowed = seconds + self._wishes["grace"] if seconds and guard_acts else None
        return {"do": "move", "to": state, "seconds": allowed, "facts": {"seconds_allowed": seconds}}

    def _start_guard(self, path: Path, receipt: dict[str, Any] | None) -> Receipt:
        context, wishes = self._context, self._wishes
        return start_guard({
            "receipt_path": str(path), "receipt": receipt, "run": {"process": context.process, "what": context.what},
            # As cleaned here: addresses may come from this task's environment, which the guard does not have.
            "parameters": {**cloud_options(wishes), "api_url": arguments.clean({**cloud_options(wishes)})["api_url"]},
            "rollback_seconds": wishes["rollback_timeout"], "terminal": context.terminal,
        })

    def _ask(self, receipt: Receipt, request: dict[str, Any]) -> Receipt:
        """Ask the guard; where it is gone, another one takes up the receipt first.

        A task may outlive its run by a moment. Then it is not for it to go on: the guard or the next run does.
        """
        if not processes.is_alive(self._context.process):
            raise RewindError(f"The run is gone, so {receipt.data['host']} is left to its guard", kind=errors.INTERRUPTED, outcome=errors.UNKNOWN)
        answer = ask_guard(receipt, request, self._context.tell)
        if answer is None:
            self._context.tell(f"the guard of server {receipt.server_label} is gone; starting another one")
            answer = ask_guard(self._start_guard(receipt.path, None), request, self._context.tell)
        if answer is None:
            raise RewindError(
                f"The guard of server {receipt.server_label} went away twice", kind=errors.INTERNAL, outcome=errors.UNKNOWN,
                server=receipt.server_label, snapshot=receipt.snapshot["name"], hint=f"see {receipt.path}, then run again",
            )
        return answer

    def _operate(self, module: str, options: dict[str, Any]) -> Result:
        """Run one of the modules' operations here."""
        result = run_operation(
            module, {**cloud_options(self._wishes), **options}, check_mode=False, diff_mode=False, tell=self._context.tell,
        )
        if result.get("failed"):
            raise OperationFailed(result)
        return result

    def _done(self, receipt: Receipt, message: str, *, changed: bool) -> Result:
        run = {
            **(self._wishes["run"] or {}), "state": receipt.state, "outcome": receipt.outcome, "snapshot": receipt.snapshot,
            "receipt": str(receipt.path), "marker_written": bool(receipt.data.get("marker_written")),
        }
        return {"changed": changed, "msg": message, "run": run}
