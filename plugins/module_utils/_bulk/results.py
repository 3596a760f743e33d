# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same for many servers in one task: each has a result of its own, and one's trouble stays its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _errors as errors
from .._module.context import OperationContext, ServerResult

MAX_FAILURES_IN_MSG = 5  # failures in the message; the result has all
MAX_WARNINGS = 20
RERUN_RESUMES = "Run again when that is mended: it takes up what is missing, and begins nothing twice."
RERUN_REPEATS = "Run again only for those in failed_servers when that is mended: for the others it would be done once more."
RERUN_READS = "Run again when that is mended."
SEVERITY = (errors.NOT_APPLIED, errors.FAILED, errors.UNKNOWN)


def run_on_each(ctx: OperationContext, operation: Callable[[OperationContext], dict[str, Any]], rerun_hint: str) -> dict[str, Any]:
    """A module that changes something, for many servers.

    :arg rerun_hint: what to say about running it again after a failure.
    """
    server_results = ctx.for_each(operation, ctx.options["servers"])
    if not server_results:
        ctx.warnings.append("The list of servers is empty, so there was nothing to do.")
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
        "msg": f"{format_server_count(len(server_results))}: {len(changed)} {verb}, {len(server_results) - len(changed)} as wished already",
        "by_server": by_server,
        **failure_summary(ctx, server_results, rerun_hint),
    }
    if ctx.diff_mode:
        result["diff"] = diffs
    return result


def failure_summary(ctx: OperationContext, server_results: list[ServerResult], rerun_hint: str = RERUN_READS) -> dict[str, Any]:
    """What a result says of those that failed: C(failed_servers), and with it C(failed), C(msg) and C(error)."""
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
    """So many servers, in words."""
    return f"{servers} server{'' if servers == 1 else 's'}"


def _message(failed: list[ServerResult], done: list[ServerResult], check_mode: bool, rerun_hint: str) -> str:
    messages = [f"{item.reference}: {item.failure['msg']}" for item in failed[:MAX_FAILURES_IN_MSG]]
    more = len(failed) - len(messages)
    if more:
        messages.append(f"And {more} more, see failed_servers.")
    changed = sum(1 for item in done if isinstance(item.value, dict) and item.value.get("changed"))
    verb = "would be changed" if check_mode else "were changed"
    succeeded = f"; of the other {len(done)}, which went well, {changed} {verb}" if done and rerun_hint != RERUN_READS else ""
    return f"{len(failed)} of {format_server_count(len(failed) + len(done))} failed{succeeded}. {' '.join(messages)} {rerun_hint}"


def _common_error(failed_errors: list[dict[str, Any]]) -> dict[str, Any]:
    """One C(error) for all: what they have in common, and the worst of the outcomes."""
    common = {key: value if all(error[key] == value for error in failed_errors) else None for key, value in failed_errors[0].items()}
    common["kind"] = common["kind"] or errors.MULTIPLE
    common["outcome"] = max((error["outcome"] for error in failed_errors), key=SEVERITY.index)
    if len(failed_errors) > 1:
        common["hint"] = "see failed_servers for what to do about each"
    return common


def _limit_warnings(warnings: list[str]) -> list[str]:
    unique = list(dict.fromkeys(warnings))
    if len(unique) <= MAX_WARNINGS:
        return unique
    return [*unique[:MAX_WARNINGS], f"There were {len(unique) - MAX_WARNINGS} more warnings like these."]
