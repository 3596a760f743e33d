# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module `snapshot_cron`: adds a schedule to a snapshot, or removes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import _errors as errors
from .._argspec import PROVIDER, ArgumentSpec, require_range, validate_names, validate_servers
from .._errors import RewindError
from .._provider.base import Schedule, Server, Snapshot, unsupported
from .._signal_guard import guard_signals
from .._state.server_lock import lock_server
from .._wait.waiters import is_observed
from .context import OperationContext, candidates_hint, select_snapshot
from .permissions import predict_change

SPEC = PROVIDER.merge(ArgumentSpec(
    {
        "server": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "day": {"type": "int"},
        "hour": {"type": "int"},
        "minute": {"type": "int", "aliases": ["min"]},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    },
    required_if=[["state", "present", ["day", "hour", "minute"]]],
))
RANGES = {"day": (1, 365), "hour": (0, 23), "minute": (0, 59)}


def validate(options: dict[str, Any]) -> None:
    validate_servers(options, may_be_all=False)
    validate_names(options, "name")
    for name, (minimum, maximum) in RANGES.items():
        if options[name] is not None:
            require_range(name, options[name], minimum, maximum)


def run(ctx: OperationContext) -> dict[str, Any]:
    options, provider = ctx.options, ctx.provider
    if not provider.capabilities.schedule:
        raise unsupported(
            provider, "snapshot schedules",
            "use the role rewind.vps.snapshot_schedule, which uses a systemd timer or cron and supports retention",
        )
    desired = Schedule(options["day"], options["hour"], options["minute"]) if options["state"] == "present" else None
    with lock_server(ctx) as server:
        server, snapshots = ctx.get_server_and_snapshots(server)
        snapshot = select_snapshot(provider, server, snapshots, options["name"], None)
        if desired is not None and snapshot is None:
            raise RewindError(
                f"Server {server.label} has no snapshot {options['name']} to attach a schedule to",
                kind=errors.NOT_FOUND, server=server.label, snapshot=options["name"],
                hint=f"create it first with rewind.vps.snapshot, or {candidates_hint(snapshots)}",
            )
        return _ensure(ctx, server, snapshot, desired)


def _ensure(ctx: OperationContext, server: Server, snapshot: Snapshot | None, desired: Schedule | None) -> dict[str, Any]:
    """Set the desired schedule, or remove the existing one."""
    name = ctx.options["name"]
    label = f"snapshot {name} of server {server.label}"
    old = snapshot.schedule if snapshot else None
    if desired is None and old is None:
        return _result(ctx, server, snapshot, None, None, f"{name} of server {server.label} has no schedule")
    if desired is not None and old is not None and _same(ctx, old, desired, label):
        return _result(ctx, server, snapshot, old, old, f"The schedule of {label} is unchanged")
    if ctx.check_mode:
        predict_change(ctx)
    elif desired is None or old is None:
        _change(ctx, snapshot, desired)
    else:
        # Between the two requests there is no schedule, so the task must not be interrupted there.
        with guard_signals(ctx.redeliver_signal):
            _replace(ctx, snapshot, old, desired)
    summary = f"{'would be' if ctx.check_mode else 'is'} {'set' if desired else 'removed'}"
    return _result(ctx, server, snapshot, old, desired, f"The schedule of {label} {summary}")


def _replace(ctx: OperationContext, snapshot: Snapshot, old: Schedule, desired: Schedule) -> None:
    """Remove the old schedule and add the new one. If that fails, add the old one again, and state in the error what is set now."""
    _change(ctx, snapshot, None)
    try:
        _change(ctx, snapshot, desired)
    except RewindError as error:
        when = f"every {old.day} day(s) at {old.hour:02d}:{old.minute:02d}" if old.is_complete else "which cannot be parsed"
        if error.outcome == errors.UNKNOWN:
            problem = "and it is unknown whether the new one was set"
        elif _restore(ctx, snapshot, old):
            ctx.changes.changed = False
            error.message = f"The new schedule of snapshot {snapshot.name} was rejected, and the old one ({when}) was restored: {error.message}"
            raise
        else:
            error.outcome = errors.FAILED
            problem = "the new one was rejected, and the old one could not be restored"
        error.message = f"The old schedule of snapshot {snapshot.name} ({when}) was deleted, {problem}: {error.message}"
        error.hint = "check it with rewind.vps.snapshot_info, and run again to set the schedule"
        raise


def _same(ctx: OperationContext, old: Schedule, desired: Schedule, label: str) -> bool:
    """Compare what is known. If the provider's text cannot be parsed, only the time of day is compared."""
    if (old.hour, old.minute) != (desired.hour, desired.minute):
        return False
    if old.day is None:
        ctx.warnings.append(
            f"The schedule of {label} cannot be parsed, so only its time of day was compared "
            f"({old.hour:02d}:{old.minute:02d}, from its next run), not its interval in days."
        )
        return True
    return old.day == desired.day


def _change(ctx: OperationContext, snapshot: Snapshot, desired: Schedule | None) -> None:
    """Add the schedule, or remove the existing one. If the outcome is unknown, the list decides."""
    provider = ctx.provider
    try:
        if desired is None:
            ctx.send_change(lambda: provider.remove_schedule(snapshot))
        else:
            ctx.send_change(lambda: provider.add_schedule(snapshot, desired))
    except RewindError as error:
        error.add_context(snapshot.server.label, snapshot.name)
        if error.outcome != errors.UNKNOWN or not is_observed(lambda: _is_listed(ctx, snapshot, desired)):
            raise
    ctx.changes.changed = True


def _is_listed(ctx: OperationContext, snapshot: Snapshot, desired: Schedule | None) -> bool:
    listed = ctx.provider.list_snapshots(snapshot.server)
    latest = next((item.schedule for item in listed if item.id == snapshot.id), None)
    if desired is None or latest is None:
        return desired is None and latest is None
    return (latest.hour, latest.minute) == (desired.hour, desired.minute) and latest.day in (None, desired.day)


def _restore(ctx: OperationContext, snapshot: Snapshot, old: Schedule) -> bool:
    try:
        if old.is_complete:
            _change(ctx, snapshot, old)
        return old.is_complete
    except RewindError:
        return False


def _result(
    ctx: OperationContext, server: Server, snapshot: Snapshot | None, before: Schedule | None, after: Schedule | None, message: str,
) -> dict[str, Any]:
    result = {
        "changed": ctx.changes.changed,
        "msg": message,
        "server": server.to_result(),
        "snapshot": replace(snapshot, schedule=after).to_result() if snapshot else None,
        "schedule": after.to_result() if after else None,
    }
    if ctx.diff_mode:
        result["diff"] = {"before": _for_diff(before), "after": _for_diff(after)}
    return result


def _for_diff(schedule: Schedule | None) -> dict[str, Any]:
    return {"schedule": {"day": schedule.day, "hour": schedule.hour, "minute": schedule.minute} if schedule else None}
