# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A failure as a module's result, whatever it was."""

from __future__ import annotations

import os
import traceback
from typing import Any

from . import _errors as errors
from ._errors import RewindError
from ._module import signal_guard
from ._module.context import OperationContext


def error_result(error: BaseException, ctx: OperationContext | None) -> dict[str, Any]:
    """The result of a task that ended so.

    :arg error: a L(RewindError), an L(signal_guard.Interrupted), or a mistake of ours,
        which is told without the exception's text: that may hold anything.
    :arg ctx: None where it had not begun.
    """
    if isinstance(error, RewindError):
        return _build_result(error, ctx)
    if isinstance(error, signal_guard.Interrupted):
        return _build_result(_interrupted_error(error, request_sent=ctx is not None and ctx.changes.request_sent), ctx)
    return _build_result(_internal_error(error, request_sent=ctx is not None and ctx.changes.request_sent), ctx)


def internal_error_result(error: Exception) -> dict[str, Any]:
    """The result of a task that ended by a mistake of ours, after which nobody knows how far it came."""
    return _build_result(_internal_error(error, request_sent=True), None)


def _build_result(error: RewindError, ctx: OperationContext | None) -> dict[str, Any]:
    changed = ctx.changes.changed if ctx else False
    if ctx:
        snapshot_reference = ctx.options.get("id") or ctx.options.get("name")
        error.add_context(ctx.options["server"], snapshot_reference)
    result = {
        "failed": True,
        "changed": changed,
        "msg": error.format(already_changed=changed),
        "error": error.to_result(),
    }
    if ctx and ctx.changes.pruned:
        result["pruned"] = [item.to_result() for item in ctx.changes.pruned]
    return result


def _interrupted_error(interruption: signal_guard.Interrupted, request_sent: bool) -> RewindError:
    message = "The task was told to end while the server was stopped for its snapshot; the server runs again"
    if isinstance(interruption, signal_guard.Cancelled):
        if not request_sent:
            return RewindError("The task was told to end before it had asked for anything", kind=errors.INTERRUPTED, hint="run again")
        message = "The task was told to end while it waited for what it had asked for"
    return RewindError(
        message,
        kind=errors.INTERRUPTED,
        outcome=errors.UNKNOWN,
        hint="look at the server's snapshots (rewind.vps.snapshot_info), then run again; a rerun makes no second one",
    )


def _internal_error(error: BaseException, request_sent: bool) -> RewindError:
    frames = traceback.extract_tb(error.__traceback__)
    location = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown place"
    return RewindError(
        f"rewind.vps made a mistake of its own ({type(error).__name__} at {location})",
        kind=errors.INTERNAL,
        outcome=errors.UNKNOWN if request_sent else errors.NOT_APPLIED,
        hint="look at the server and its snapshots before running again, and please report this",
    )
