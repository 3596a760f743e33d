# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one room behind both doors: validated parameters in, a module's whole result out. Nothing is raised."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable

from . import _argspec as argspec
from ._error_results import error_result, internal_error_result
from ._errors import invalid_argument
from ._http import requests_available
from ._http.rate_limit import RateLimit
from ._module import server_info, signal_guard, snapshot, snapshot_cron, snapshot_info, snapshot_restore, upgrade_preflight
from ._module.context import OperationContext
from ._provider.registry import connect
from ._redaction import Redactor
from ._text import sanitize, sanitize_nested

_OPERATIONS = {
    "server_info": server_info.run,
    "snapshot": snapshot.run,
    "snapshot_cron": snapshot_cron.run,
    "snapshot_info": snapshot_info.run,
    "snapshot_restore": snapshot_restore.run,
    "upgrade_guard": upgrade_preflight.run,
}
READ_RETRY_SECONDS = 60.0  # seconds for which a read is asked again that the cloud has had too many of


def execute(
    module: str,
    parameters: Mapping[str, Any],
    *,
    check_mode: bool,
    diff_mode: bool,
    progress: Callable[[str], None] = lambda text: None,
    redeliver_signal: Callable[[int], None] = lambda number: None,
    environ: Mapping[str, str] | None = None,
    redactor: Redactor | None = None,
) -> dict[str, Any]:
    """Run one module.

    :arg parameters: as Ansible's validator leaves them.
    :arg progress: shows one line of progress, free of secrets.
    :arg redeliver_signal: called with a signal that was held back until nothing was left half done.
    :arg environ: where C(api_url)'s fallbacks are looked up; the process's own environment where not given.
    :arg redactor: knows the parameters' secrets; made here where not given.
    :returns: the result; with C(failed) and C(error) when it failed. C(warnings) is always there.
    """
    try:
        redactor = redactor or Redactor([parameters.get(name) for name in argspec.SECRET_OPTIONS])
        return _execute(module, parameters, check_mode, diff_mode, progress, redeliver_signal, os.environ if environ is None else environ, redactor)
    except Exception as error:  # not even a mistake in the handling of mistakes may show an exception's text
        return {**internal_error_result(error), "warnings": []}


def _execute(
    module: str,
    parameters: Mapping[str, Any],
    check_mode: bool,
    diff_mode: bool,
    progress: Callable[[str], None],
    redeliver_signal: Callable[[int], None],
    environ: Mapping[str, str],
    redactor: Redactor,
) -> dict[str, Any]:
    ctx: OperationContext | None = None
    try:
        if not requests_available():
            raise invalid_argument(
                "The Python library requests is missing where this task runs", "install it there: python -m pip install requests"
            )
        options = argspec.normalize_params(parameters, environ)
        options["verify"] = _tls_verify(options)
        if argspec.may_query_many(options):
            options["rate_limit"] = RateLimit(options.get("wait_timeout", READ_RETRY_SECONDS))
        ctx = OperationContext(
            connect(options), options, check_mode, diff_mode, lambda text: progress(sanitize(redactor.redact_text(text))), redeliver_signal,
        )
        result = _dispatch(module, ctx)
    except (Exception, signal_guard.Interrupted) as error:
        result = error_result(error, ctx)
    result["warnings"] = sanitize_nested(ctx.warnings) if ctx else []
    return redactor.redact(result)


def _dispatch(module: str, ctx: OperationContext) -> dict[str, Any]:
    ctx.connect = lambda: connect(ctx.options)
    result = _OPERATIONS[module](ctx)
    return {**result, "msg": sanitize(result["msg"])} if "msg" in result else result


def _tls_verify(options: dict[str, Any]) -> bool | str:
    """What requests takes as verify."""
    if not options["validate_certs"]:
        return False
    path = options["ca_path"]
    if path is None:
        return True
    if not os.path.exists(path):
        raise invalid_argument(f"ca_path {path} does not exist where this task runs")
    return path
