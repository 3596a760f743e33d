# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of an operation on many servers: each server has its own, and a failure of one does not affect the others."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import _errors as errors

if TYPE_CHECKING:
    from .._module.context import OperationContext

MAX_FAILURES_IN_MSG = 5  # the result has all
MAX_WARNINGS = 20
RERUN_RESUMES = "Fix this and run again: a rerun processes only what is missing and repeats nothing."
RERUN_REPEATS = "Fix this and run again for the servers in failed_servers only: a rerun would repeat the others."
RERUN_READS = "Fix this and run again."
SEVERITY = (errors.NOT_APPLIED, errors.FAILED, errors.UNKNOWN)


@dataclass
class ServerResult:
    """What one server of a bulk task ended with.

    Attributes:
        reference: What the user calls it.
        value: The operation's result; None if it failed.
        failure: A failed task's result; None if it succeeded.
    """

    reference: str
    value: Any = None
    failure: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


def result_by_server(ctx: OperationContext, server_results: list[ServerResult], rerun_hint: str) -> dict[str, Any]:
    """The result of a module that changes something, with one result for each server."""
    if not server_results:
        ctx.warnings.append("The list of servers is empty; nothing was done.")
    by_server: dict[str, Any] = {}
    diffs = []
    for item in server_results:
        result = dict(item.value if item.failure is None else item.failure)
        diff = result.pop("diff", None)
        if diff is not None and diff["before"] != diff["after"]:
            diffs.append({"before_header": item.reference, "after_header": item.reference, **diff})
        by_server[item.reference] = result
    changed = [result for result in by_server.values() if result["changed"]]
    verb = "would be changed" if ctx.check_mode else "changed"
    result = {
        "changed": bool(changed),
        "msg": f"{format_server_count(len(server_results))}: {len(changed)} {verb}, {len(server_results) - len(changed)} unchanged",
        "by_server": by_server,
        **failure_summary(ctx, server_results, rerun_hint),
    }
    if ctx.diff_mode:
        result["diff"] = diffs
    return result


def failure_summary(ctx: OperationContext, server_results: list[ServerResult], rerun_hint: str = RERUN_READS) -> dict[str, Any]:
    """The keys of a result that describe failures: `failed_servers`, and if there are any `failed`, `msg` and `error`."""
    ctx.warnings += _limit_warnings([warning for item in server_results for warning in item.warnings])
    failed = [item for item in server_results if item.failure is not None]
    summary: dict[str, Any] = {
        "failed_servers": [
            {"server": item.reference, **{key: item.failure[key] for key in ("changed", "msg", "error")}} for item in failed
        ]
    }
    if failed:
        done = [item for item in server_results if item.failure is None]
        summary.update(
            failed=True,
            msg=_message(failed, done, ctx.check_mode, rerun_hint),
            error=_common_error([item.failure["error"] for item in failed]),
        )
    return summary


def format_server_count(servers: int) -> str:
    """For example `1 server`."""
    return f"{servers} server{'' if servers == 1 else 's'}"


def summarize(item: ServerResult) -> str | None:
    """How a server ended, for a progress message; None if nothing was changed."""
    if item.failure is not None:
        return f"failed ({item.failure['error']['kind']}, {item.failure['error']['outcome']})"
    return "done" if isinstance(item.value, dict) and item.value.get("changed") else None


def copy_error(error: Exception) -> Exception:
    """A copy for one of the servers that an error concerns: each adds its own context."""
    try:
        return copy.copy(error).with_traceback(error.__traceback__)
    except TypeError:  # its constructor takes other arguments than it stores
        return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)


def _message(failed: list[ServerResult], done: list[ServerResult], check_mode: bool, rerun_hint: str) -> str:
    messages = [f"{item.reference}: {item.failure['msg']}" for item in failed[:MAX_FAILURES_IN_MSG]]
    more = len(failed) - len(messages)
    if more:
        messages.append(f"And {more} more, see failed_servers.")
    changed = sum(1 for item in done if isinstance(item.value, dict) and item.value.get("changed"))
    verb = "would be changed" if check_mode else "were changed"
    succeeded = f"; {changed} of the other {len(done)} {verb}" if done and rerun_hint != RERUN_READS else ""
    return f"{len(failed)} of {format_server_count(len(failed) + len(done))} failed{succeeded}. {' '.join(messages)} {rerun_hint}"


def _common_error(failed_errors: list[dict[str, Any]]) -> dict[str, Any]:
    """One `error` for all: the values they have in common, and the worst outcome."""
    common = {key: value if all(error[key] == value for error in failed_errors) else None for key, value in failed_errors[0].items()}
    common["kind"] = common["kind"] or errors.MULTIPLE
    common["outcome"] = max((error["outcome"] for error in failed_errors), key=SEVERITY.index)
    if len(failed_errors) > 1:
        common["hint"] = "see failed_servers for the hint of each"
    return common


def _limit_warnings(warnings: list[str]) -> list[str]:
    unique = list(dict.fromkeys(warnings))
    if len(unique) <= MAX_WARNINGS:
        return unique
    return [*unique[:MAX_WARNINGS], f"There were {len(unique) - MAX_WARNINGS} more warnings like these."]
