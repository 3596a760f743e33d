# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides what a run does with a server, before anything is changed."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...module_utils import _errors as errors
from ...module_utils._errors import RewindError, invalid_argument
from . import record as states
from .checks.base import WARN
from .options import RunContext
from .package_selection import parse_selection
from .record import RunRecord, describe_state, latest_records

# What comes next for a server
UPGRADE = "upgrade"
CLEAN_UP = "clean_up"  # an earlier run has confirmed its upgrade, and was interrupted before it ended
ROLL_BACK = "roll_back"  # an earlier run was interrupted while armed, and its guard has stopped
CONFIRM = "confirm"  # an upgrade that awaits it
REPORT = "report"  # an earlier run has ended, and its outcome was not reported
CONTAINER_FILES = ("/run/.containerenv", "/.dockerenv")  # of Podman and Docker
NONE = "none"  # there is nothing to recover

MAX_RESUMABLE_SNAPSHOT_AGE = 1800
MAX_CLOCK_SKEW = 300  # clocks may differ by so much

FAILED_OUTCOMES = (states.ROLLED_BACK, states.ROLLBACK_FAILED, states.UNKNOWN)

# The role overrides these keywords for its own tasks and the user's. Handlers take them from the play.
HANDLER_KEYWORD_RISKS = {
    "force_handlers": "the handlers that a failed upgrade has notified would run on the restored server",
    "ignore_errors": "a failed handler would be ignored, and a broken upgrade confirmed",
    "any_errors_fatal": "a failed handler of one server would roll back the other servers of its batch",
}


def validate_play(context: RunContext) -> None:
    """Raise `invalid_argument` for a play whose keywords would make its handlers dangerous, or which can't be guarded."""
    for keyword, risk in HANDLER_KEYWORD_RISKS.items():
        is_single_host = keyword == "any_errors_fatal" and len(context.batch) == 1
        if keyword in context.play_keywords and not is_single_host:
            raise invalid_argument(
                f"The play has {keyword}, so {risk}",
                "remove it from the play, the command line and ansible.cfg: this role runs the handlers itself before its checks, and "
                "stops the roll-out after a failure",
            )
    if context.conditional:
        raise invalid_argument(
            f"The role has a condition ({context.conditional}), which Ansible would evaluate again before each of its tasks, including the rollback",
            "put the condition on an include_role instead",
        )
    if context.delegated:
        raise invalid_argument(
            f"The role is delegated to {context.delegated}, so it would change another server than {context.host}", "remove delegate_to",
        )
    if context.connection == "local":
        raise invalid_argument(
            f"The connection of {context.host} is local, so the guard would run on the server that it guards",
            "run the playbook on another machine, over SSH",
        )


def warn_too_few_forks(context: RunContext) -> list[str]:
    """Return a warning if the servers of a batch wait for each other's tasks while the time of all of them runs."""
    if context.forks is None or len(context.batch) <= context.forks:
        return []
    servers = len(context.batch)
    return [
        f"{servers} servers are upgraded together with {context.forks} forks. The time for the upgrade and its checks runs for all of them at "
        "once, so a server that hangs uses up the time of the others. "
        f"Use as many forks as servers (-f {servers}), or a smaller serial."
    ]


def warn_container(parameters: dict[str, Any]) -> list[str]:
    """Return a warning if the guard may end before a person has decided: with its container."""
    if parameters["confirm"] != "manual" or not any(map(os.path.exists, CONTAINER_FILES)) and "KUBERNETES_SERVICE_HOST" not in os.environ:
        return []
    return [
        "Ansible runs in a container, and the guard ends with it. If that happens before the upgrade is confirmed, nothing is rolled back by "
        "itself: run rewind.vps.recover, with guarded_upgrade_state_dir on a volume"
    ]


def validate_record(previous: RunRecord | None, context: RunContext) -> None:
    """Raise RewindError if two hosts of this run are one server, or if the newest run record is from the future."""
    if previous is None:
        return
    if is_same_run(previous, context) and previous.data["host"] != context.host:
        raise RewindError(
            f"Hosts {context.host} and {previous.data['host']} resolve to the same server ({previous.server_label})",
            kind=errors.AMBIGUOUS, server=previous.server_label, hint="give each host its own guarded_upgrade_server, never a group",
        )
    started_at = datetime.strptime(previous.run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    if (started_at - datetime.now(timezone.utc)).total_seconds() > MAX_CLOCK_SKEW:
        raise RewindError(
            f"The newest run record of server {previous.server_label} is from the future ({previous.run_id}), so the last run is unknown",
            kind=errors.NOT_READY, server=previous.server_label, hint=f"set the clock, or move {previous.path.parent} away",
        )


def resolve_task_files(option: str, names: list[str], search_paths: list[str]) -> list[str]:
    """Return the absolute paths of the user's files. Raise `invalid_argument` with the searched paths if one is missing."""
    paths = []
    for name in names:
        expanded = Path(os.path.expanduser(name))
        candidates = [expanded] if expanded.is_absolute() else [Path(directory, expanded) for directory in search_paths]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            searched = ", ".join(dict.fromkeys(str(candidate) for candidate in candidates))
            raise invalid_argument(f"{option}: there is no file {name} (searched: {searched})", "correct the path; nothing was started")
        if not os.access(path, os.R_OK):
            raise invalid_argument(f"{option}: {path} can't be read", "correct its permissions; nothing was started")
        paths.append(str(path))
    return paths


def stop_after_failed_host(state_dir: str, context: RunContext) -> None:
    """Raise RewindError if the upgrade of another server in this run has failed or was lost."""
    for record in latest_records(state_dir):
        host = record.data["host"]
        if host == context.host or not is_same_run(record, context):
            continue
        has_failed = record.state == states.ENDED and record.outcome in FAILED_OUTCOMES
        is_lost = record.state not in (states.ENDED, states.CONFIRMED, states.AWAITING) and host not in context.batch
        if has_failed or is_lost:
            raise RewindError(
                f"Roll-out stopped before {context.host}: the upgrade of {host} in this run is {describe_state(record)}",
                kind=errors.OPERATION_FAILED, server=context.host, hint=f"check {host} first ({record.path})",
            )


def is_same_run(record: RunRecord, context: RunContext) -> bool:
    run = record.data["run"]
    return (run.get("pid"), run.get("started")) == (context.process["pid"], context.process["started"])


def decide_next_action(previous: RunRecord | None, context: RunContext, auto_recover_within: int, accept_run: str | None) -> tuple[str, bool]:
    """Decide what to do with a server that has no active guard.

    Args:
        previous: The newest run record.
        auto_recover_within: Seconds within which an interrupted run may be resumed.
        accept_run: The id of a run whose unfinished upgrade the user accepts as it is.

    Returns:
        One of the actions above, and whether the run record is resumed.

    Raises:
        RewindError: A person has to decide.
    """
    if previous is None or previous.run_id == accept_run:
        return UPGRADE, False
    state, is_recent = previous.state, _seconds_since_deadline(previous) <= auto_recover_within
    if state == states.ENDED:
        is_reported = previous.data.get("acknowledged") or previous.outcome == states.NOT_STARTED
        return (UPGRADE, False) if is_reported else (REPORT, True)
    if state == states.CONFIRMED:
        return CLEAN_UP, True
    if state in states.UNARMED_STATES:
        # Older than that, its snapshot is not "just before the upgrade" any more.
        return UPGRADE, _seconds_since_deadline(previous) <= min(auto_recover_within, MAX_RESUMABLE_SNAPSHOT_AGE)
    if is_recent:
        return ROLL_BACK, True
    snapshot = previous.snapshot
    raise RewindError(
        f"An earlier guarded upgrade of {previous.server_label} ({previous.run_id}) was interrupted while it was {describe_state(previous)}, "
        f"too long ago to roll it back without asking: all data written since {previous.data['history'][-1]['at']} would be lost",
        kind=errors.NOT_READY, server=previous.server_label, snapshot=snapshot["name"],
        hint=f"restore its snapshot {snapshot['name']} with the playbook rewind.vps.rollback, or accept the server as it is: "
        f"run again with -e guarded_upgrade_accept_run={previous.run_id}",
    )


def is_this_runs_upgrade(previous: RunRecord | None, run: dict[str, Any], auto_recover_within: int) -> bool:
    """Whether a confirmed upgrade is the one that this run was to do: the same files, a short time ago."""
    if run["next"] not in (CLEAN_UP, REPORT):
        return True
    options = run["options"]
    same = previous.data.get("tasks") == run["tasks"] and all(previous.data.get(name) == options[name] for name in ("roles", "packages", "exclude"))
    return same and _seconds_since_deadline(previous) <= auto_recover_within


def _seconds_since_deadline(record: RunRecord) -> float:
    last_change = datetime.fromisoformat(record.data["history"][-1]["at"].replace("Z", "+00:00"))
    return (datetime.now(timezone.utc) - last_change).total_seconds() - (record.data.get("seconds_allowed") or 0)


def require_decision(previous: RunRecord | None, accept_run: str | None) -> None:
    """Raise RewindError if a person still has time to confirm an earlier upgrade. Its guard is gone; the playbook `recover` rolls it back."""
    if previous is None or previous.run_id == accept_run:
        return
    if previous.state == states.AWAITING and _seconds_since_deadline(previous) <= 0:
        raise awaiting_error(previous)


def awaiting_error(record: RunRecord) -> RewindError:
    """Return the error for a server whose upgrade a person has to confirm first."""
    return RewindError(
        f"The guarded upgrade {record.run_id} of server {record.server_label} awaits its confirmation until {_deadline_text(record)}",
        kind=errors.BUSY, server=record.server_label, snapshot=record.snapshot["name"], hint=confirmation_commands(record),
    )


def confirmation_commands(record: RunRecord) -> str:
    """Return how a person decides about an upgrade that awaits its confirmation."""
    host = record.data["host"]
    return f"confirm it with ansible-playbook rewind.vps.confirm -e target={host}, or roll it back with rewind.vps.rollback -e target={host}"


def awaiting_message(record: RunRecord) -> str:
    return (
        f"The upgrade of server {record.server_label} has passed its checks and awaits its confirmation until {_deadline_text(record)}; "
        f"then it is rolled back. To decide now, {confirmation_commands(record)}"
    )


def _deadline_text(record: RunRecord) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(states.confirmation_deadline(record) or 0))


def guarded_by_other_run_error(previous: RunRecord | None, context: RunContext) -> RewindError:
    """Return the error for a server that another run is upgrading."""
    if previous is None:
        return RewindError(
            f"Another run is starting a guarded upgrade of {context.host}", kind=errors.BUSY, hint="run again when it has ended",
        )
    run = previous.data["run"]
    owner = "This run" if is_same_run(previous, context) else f"Another run (process {run.get('pid')}, {run.get('command')})"
    return RewindError(
        f"{owner} guards server {previous.server_label} already, as host {previous.data['host']}; its upgrade is {describe_state(previous)}",
        kind=errors.BUSY, server=previous.server_label, hint=f"run again when it has ended; {previous.path} shows its state",
    )


def nothing_to_recover_message(previous: RunRecord | None, server: dict[str, Any]) -> str:
    label = server["name"] or server["id"]
    if previous is None:
        return f"There is no run record of a guarded upgrade of server {label} here, so there is nothing to recover"
    if previous.state in states.UNARMED_STATES:
        return (
            f"The guarded upgrade {previous.run_id} of server {label} was interrupted before it upgraded anything, so there is nothing to roll "
            "back. If it was to stop the server or services for its snapshot, check that they are running"
        )
    return f"The last guarded upgrade of server {label}, {previous.run_id}, is {describe_state(previous)}, and there is nothing left to recover"


def _check_lines(checks: list[dict[str, Any]], parameters: dict[str, Any]) -> list[str]:
    """Return what is checked, and when."""
    labels = [f"{check['label']}{' (a warning only)' if check['level'] == WARN else ''}" for check in checks]
    labels = [*(["the built-in checks"] if parameters["builtin_checks"] else []), *labels]
    before = [check["label"] for check in checks if check["baseline"]]
    soak = f", and repeatedly for {parameters['soak_time']} s" if parameters["soak_time"] else ""
    lines = [f"Check before the snapshot: {', '.join(before)}"] if before else []
    return [*lines, f"Check: {', '.join(labels) or 'nothing'}, within {parameters['check_timeout']} s{soak}"]


def _confirmation_plan(parameters: dict[str, Any]) -> str:
    if parameters["confirm"] == "automatic":
        return "confirm"
    after = "" if parameters["confirm_wait"] else ", after this run"
    return f"wait up to {parameters['confirm_within']} s for a person to confirm with the playbook rewind.vps.confirm{after}"


def rescue_lines(run: dict[str, Any], parameters: dict[str, Any]) -> list[str]:
    """Return which of the user's tasks run before and after a restore."""
    before, after = (", ".join(run.get(name) or []) for name in ("rescue_tasks", "restored_tasks"))
    lines = [f"Before a restore, if the server answers: {before}, within {parameters['rescue_timeout']} s"] if before else []
    return lines + ([f"After a verified restore: {after}"] if after else [])


def plan_lines(run: dict[str, Any], parameters: dict[str, Any], cloud: dict[str, Any]) -> list[str]:
    """Return what a run would do, line by line."""
    server = cloud["server"]["name"] or cloud["server"]["id"]
    if run["next"] != UPGRADE:
        descriptions = {
            CLEAN_UP: "clean up after its confirmed upgrade, and upgrade nothing",
            ROLL_BACK: f"restore its snapshot {run['snapshot_name']}, and upgrade nothing",
            REPORT: "report how it ended, and upgrade nothing",
        }
        lines = [f"Resume run {run['run_id']} of server {server}: {descriptions[run['next']]}"]
        return lines + (rescue_lines(run, parameters) if run["next"] == ROLL_BACK else [])
    evicted = [item["name"] for item in cloud["evictions"]]
    stopped = " with the server stopped" if parameters["stop_server"] else ""
    before = [f"Before the snapshot: {', '.join(run['before_snapshot_tasks'])}"] if run.get("before_snapshot_tasks") else []
    upgrade = ", ".join([*run["tasks"], *(f"role {name}" for name in parameters["roles"])]) or parse_selection(parameters)
    lines = [
        *before,
        f"Take snapshot {run['snapshot_name']} of server {server} at {cloud['cloud']}{stopped}",
        f"Upgrade: {upgrade}, within {parameters['timeout']} s",
        *_check_lines(run["checks"], parameters),
        f"On success: {_confirmation_plan(parameters)}, and keep the newest {parameters['keep_snapshots']} of these snapshots",
        f"On failure: restore {run['snapshot_name']}, verify, fail the play",
        *rescue_lines(run, parameters),
    ]
    return ([f"Delete {', '.join(evicted)} (this role's own) to make room"] if evicted else []) + lines
