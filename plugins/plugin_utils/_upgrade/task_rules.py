# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tasks can't be guarded: those that end the play for a server without a failure, or fail healthy servers."""

from __future__ import annotations

from dataclasses import dataclass

# Any other meta action, a misspelt one too, ends the play for hosts, clears their failures, or ends the whole run.
HARMLESS_META_ACTIONS = ("flush_handlers", "reset_connection", "clear_facts", "noop")
# They act on all hosts of the batch, whichever host runs them.
BATCH_META_ACTIONS = ("end_play", "end_batch", "clear_host_errors", "refresh_inventory")
OTHER_META_ACTIONS = ("end_host", "end_role", "role_complete")
DEBUGGER_OFF = ("never", None, "")

NO_CONDITION_HINT = "use a condition on the tasks instead"
ONE_SERVER_HINT = "remove it, put the task into another play, or upgrade one server at a time (serial: 1 with the linear strategy)"


@dataclass(frozen=True)
class TaskFacts:
    """What is known of a task before it runs.

    :ivar action: the module; None if its name is known at run time only.
    :ivar meta: the action of a meta task.
    :ivar unreadable_keyword: a keyword that Ansible evaluates outside of the tasks, and can't.
    :ivar plugin_error: why the module's action plugin can't be loaded.
    :ivar in_own_role: whether the task is in a file of the user, which Ansible counts to this role.
    """

    location: str  # file, line and name, for a person
    action: str | None
    meta: str | None = None
    is_unknown_action: bool = False
    bypasses_host_loop: bool = False
    run_once: bool = False
    any_errors_fatal: bool = False
    debugger: str | None = None
    unreadable_keyword: str | None = None
    plugin_error: str | None = None
    is_handler: bool = False
    in_own_role: bool = False


@dataclass(frozen=True)
class Situation:
    """How Ansible runs the play."""

    servers: int  # of the batch
    is_linear: bool
    has_end_role: bool = True  # since ansible-core 2.18
    is_guarded: bool = True  # False for tasks beside the role, which run for one server while the role works on another


def find_problem(task: TaskFacts, situation: Situation) -> tuple[str, str] | None:
    """Return why a task can't be part of the play, and what to do instead; None if it can."""
    problem = _meta_problem(task, situation) or _keyword_problem(task, situation)
    return (f"{task.location} {problem[0]}", problem[1]) if problem else None


def _meta_problem(task: TaskFacts, situation: Situation) -> tuple[str, str] | None:
    meta = task.meta
    if meta is None:
        return None
    if meta not in HARMLESS_META_ACTIONS + BATCH_META_ACTIONS + OTHER_META_ACTIONS or (meta == "end_role" and not situation.has_end_role):
        return f"has meta: {meta}, which this version of ansible-core does not have, and which would end the whole run", "correct its name"
    if not situation.is_guarded:
        if meta in BATCH_META_ACTIONS:
            return f"has meta: {meta}, which would end the upgrade of the other servers without an outcome", ONE_SERVER_HINT
        return None
    if meta == "flush_handlers" and task.is_handler:
        return "has meta: flush_handlers in a handler, which would end the whole run", "remove it: the role runs all handlers"
    if meta == "end_role" and not task.in_own_role:
        return None  # it ends the user's own role
    if meta in HARMLESS_META_ACTIONS:
        return None
    return f"has meta: {meta}, which would skip the checks and the confirmation", NO_CONDITION_HINT


def _keyword_problem(task: TaskFacts, situation: Situation) -> tuple[str, str] | None:
    if task.unreadable_keyword and (situation.is_guarded or task.meta):
        return (
            f"has a {task.unreadable_keyword} that can't be evaluated now; if Ansible can't evaluate it later, it ends the whole run",
            "set it to a value, or define its variables before the role",
        )
    if task.action is None and situation.is_guarded:
        return "has a module whose name is known at run time only, and which could end the play for the server", "write its name"
    if task.is_unknown_action and situation.is_guarded:
        return f"uses {task.action}, which does not exist", "correct its name, or install its collection"
    if task.plugin_error:
        return f"uses {task.action}, whose action plugin can't be loaded ({task.plugin_error}), which would end the whole run", "correct the plugin"
    if task.debugger not in DEBUGGER_OFF:
        return f"has debugger: {task.debugger}, which would wait for a person while the guard's time runs", "remove it"
    if task.bypasses_host_loop and not situation.is_linear and (situation.is_guarded or situation.servers > 1):
        return f"uses {task.action}, which ends the whole run under this strategy", "remove it, or use the linear strategy"
    if situation.servers == 1:
        return None
    if task.bypasses_host_loop:
        return f"uses {task.action}, which runs for one server of the batch, and whose failure would fail the others", ONE_SERVER_HINT
    if task.run_once:
        return "has run_once, so its failure would fail the other servers of the batch", ONE_SERVER_HINT
    if task.any_errors_fatal and situation.is_guarded:
        return "has any_errors_fatal, so its failure would fail the other servers of the batch", ONE_SERVER_HINT
    return None
