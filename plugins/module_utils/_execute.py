# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an operation in both execution modes: validated parameters in, a module's complete result out. Nothing is raised."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable

from . import _argspec as argspec
from ._errors import Interrupted, error_result, internal_error_result, invalid_argument
from ._http.checks import requests_available
from ._http.rate_limit import RateLimit
from ._module.context import OperationContext
from ._provider.registry import connect
from ._redaction import Redactor
from ._text import sanitize, sanitize_nested

READ_RETRY_SECONDS = 60.0  # for which a read is retried that the provider has rate limited


def execute(
    operation: Any,
    parameters: Mapping[str, Any],
    *,
    check_mode: bool,
    diff_mode: bool,
    progress: Callable[[str], None] = lambda text: None,
    redeliver_signal: Callable[[int], None] = lambda number: None,
    environ: Mapping[str, str] | None = None,
    redactor: Redactor | None = None,
) -> dict[str, Any]:
    """Run one operation.

    Args:
        operation: A file of `_module/`. Its `validate` checks and normalizes its own options in place, its `run` returns the result.
        parameters: As Ansible's validator leaves them.
        progress: Shows one line of progress, free of secrets.
        redeliver_signal: Called with a signal that was deferred, once nothing is left half done.
        environ: Where the fallbacks of `api_url` are read; by default the process's own environment.
        redactor: Knows the secrets of the parameters; created here by default.

    Returns:
        The result, with `failed` and `error` if it failed, and always with `warnings`.
    """
    try:
        redactor = redactor or Redactor([parameters.get(name) for name in argspec.SECRET_OPTIONS])
        ctx: OperationContext | None = None
        try:
            options = _validate(operation, parameters, os.environ if environ is None else environ)
            ctx = OperationContext(
                connect(options), options, check_mode, diff_mode, lambda text: progress(sanitize(redactor.redact_text(text))), redeliver_signal,
                connect=lambda: connect(options),
            )
            result = operation.run(ctx)
            if "msg" in result:
                result = {**result, "msg": sanitize(result["msg"])}
        except (Exception, Interrupted) as error:
            result = error_result(error, ctx)
        result["warnings"] = sanitize_nested(ctx.warnings) if ctx else []
        return redactor.redact(result)
    except Exception as error:  # also of the error handling itself: no exception's text may be shown
        return {**internal_error_result(error), "warnings": []}


def _validate(operation: Any, parameters: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    if not requests_available():
        raise invalid_argument(
            "The Python library requests is missing where this task runs", "install it there: python -m pip install requests"
        )
    options = argspec.normalize_params(parameters, environ)
    operation.validate(options)
    options["verify"] = _tls_verify(options)
    if "concurrency" in options and options["server"] is None:  # all connections of the task share one limit
        options["rate_limit"] = RateLimit(options.get("wait_timeout", READ_RETRY_SECONDS))
    return options


def _tls_verify(options: dict[str, Any]) -> bool | str:
    """Return the argument `verify` of requests."""
    if not options["validate_certs"]:
        return False
    path = options["ca_path"]
    if path is None:
        return True
    if not os.path.exists(path):
        raise invalid_argument(f"ca_path {path} does not exist where this task runs")
    return path
