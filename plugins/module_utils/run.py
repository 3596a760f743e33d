# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one room behind both doors: validated parameters in, a module's whole result out. Nothing is raised."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.rewind.vps.plugins.module_utils import arguments, errors
from ansible_collections.rewind.vps.plugins.module_utils.errors import RewindError, bad_input
from ansible_collections.rewind.vps.plugins.module_utils.operations import (
    server_info,
    signals,
    snapshot,
    snapshot_cron,
    snapshot_info,
    snapshot_restore,
    upgrade_preflight,
)
from ansible_collections.rewind.vps.plugins.module_utils.operations.task import Task
from ansible_collections.rewind.vps.plugins.module_utils.plain_text import plain, plain_in, writable
from ansible_collections.rewind.vps.plugins.module_utils.providers.registry import connect
from ansible_collections.rewind.vps.plugins.module_utils.secrets import Scrubber
from ansible_collections.rewind.vps.plugins.module_utils.wire import requests_available

_OPERATIONS = {
    "server_info": server_info.run,
    "snapshot": snapshot.run,
    "snapshot_cron": snapshot_cron.run,
    "snapshot_info": snapshot_info.run,
    "snapshot_restore": snapshot_restore.run,
    "upgrade_guard": upgrade_preflight.run,
}


def run(
    module: str,
    parameters: Mapping[str, Any],
    *,
    check_mode: bool,
    diff_mode: bool,
    tell: Callable[[str], None] = lambda text: None,
    hand_on_signal: Callable[[int], None] = lambda number: None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run one module.

    :arg parameters: as Ansible's validator leaves them.
    :arg tell: shows one line of progress, free of secrets.
    :arg hand_on_signal: called with a signal that was held back until nothing was left half done.
    :arg environ: where C(api_url)'s fallbacks are looked up; the process's own environment where not given.
    :returns: the result; with C(failed) and C(error) when it failed. C(warnings) is always there.
    """
    try:
        return _run(module, parameters, check_mode, diff_mode, tell, hand_on_signal, os.environ if environ is None else environ)
    except Exception as error:  # not even a mistake in the handling of mistakes may show an exception's text
        return {**mistake(error), "warnings": []}


def mistake(error: Exception) -> dict[str, Any]:
    """The result of a task that ended by a mistake of ours, after which nobody knows how far it came.

    Said without the exception's text, which may hold anything. For the doors too: what Ansible catches itself, it shows.
    """
    return _failure(_our_mistake(error, asked=True), None)


def _run(
    module: str,
    parameters: Mapping[str, Any],
    check_mode: bool,
    diff_mode: bool,
    tell: Callable[[str], None],
    hand_on_signal: Callable[[int], None],
    environ: Mapping[str, str],
) -> dict[str, Any]:
    scrubber = Scrubber([parameters.get(name) for name in arguments.SECRET_OPTIONS])
    task: Task | None = None
    try:
        if not requests_available():
            raise bad_input(
                "The Python library requests is missing where this task runs", "install it there: python -m pip install requests"
            )
        options = arguments.clean(parameters, environ)
        options["verify"] = _verify(options)
        task = Task(connect(options), options, check_mode, diff_mode, lambda text: tell(plain(scrubber.text(text))), hand_on_signal)
        result = _OPERATIONS[module](task)
        if "msg" in result:
            result["msg"] = plain(result["msg"])
    except RewindError as error:
        result = _failure(error, task)
    except signals.Ended:
        result = _failure(_interrupted(), task)
    except Exception as error:  # a mistake of ours: said without the exception's text, which may hold anything
        result = _failure(_our_mistake(error, asked=task is not None and task.done.asked), task)
    result["warnings"] = plain_in(task.warnings) if task else []
    return writable(scrubber.value(result))


def _verify(options: dict[str, Any]) -> bool | str:
    """What requests takes as verify."""
    if not options["validate_certs"]:
        return False
    path = options["ca_path"]
    if path is None:
        return True
    if not os.path.exists(path):
        raise bad_input(f"ca_path {path} does not exist where this task runs")
    return path


def _failure(error: RewindError, task: Task | None) -> dict[str, Any]:
    changed = task.done.changed if task else False
    if task:
        asked_for = task.options.get("id") or task.options.get("name")
        error.about((task.options["server"] or [None])[0], asked_for)
    result = {
        "failed": True,
        "changed": changed,
        "msg": error.text(already_changed=changed),
        "error": error.to_result(),
    }
    if task and task.done.pruned:
        result["pruned"] = [item.to_result() for item in task.done.pruned]
    return result


def _interrupted() -> RewindError:
    return RewindError(
        "The task was told to end while the server was stopped for its snapshot; the server runs again",
        kind=errors.INTERRUPTED,
        outcome=errors.UNKNOWN,
        hint="look at the server's snapshots (rewind.vps.snapshot_info), then run again; a rerun makes no second one",
    )


def _our_mistake(error: Exception, asked: bool) -> RewindError:
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown place"
    return RewindError(
        f"rewind.vps made a mistake of its own ({type(error).__name__} at {place})",
        kind=errors.INTERNAL,
        outcome=errors.UNKNOWN if asked else errors.REFUSED,
        hint="look at the server and its snapshots before running again, and please report this",
    )
