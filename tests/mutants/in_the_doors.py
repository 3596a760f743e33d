# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of what every task passes through: both doors, the room behind them, options, secrets, errors, waiting."""

from __future__ import annotations

from mutants.mutant import Mutant

RUN = "plugins/module_utils/run.py"
FAILURES = "plugins/module_utils/failures.py"
ARGUMENTS = "plugins/module_utils/arguments.py"
SECRETS = "plugins/module_utils/secrets.py"
POLLING = "plugins/module_utils/polling.py"
ERRORS = "plugins/module_utils/errors.py"
RETENTION = "plugins/module_utils/retention.py"
QUICK_DOOR = "plugins/plugin_utils/quick_door.py"
MODULE_DOOR = "plugins/plugin_utils/module_door.py"
CONTROLLER = "plugins/plugin_utils/controller_action.py"

ROOM = "unit/plugins/test_run_room.py"
OPTIONS = "unit/plugins/test_arguments.py"
DOOR = "unit/plugins/test_quick_door.py"
KEPT = "unit/plugins/test_retention.py"
WAITS = "unit/plugins/test_polling.py"

MUTANTS = [
    Mutant(
        "an exception is printed, with whatever stands in it", FAILURES,
        "({type(error).__name__} at {place})", "({error} at {place})",
        (f"{ROOM}::test_our_own_mistake_is_said_without_the_exceptions_text",),
    ),
    Mutant(
        "a result leaves with the secrets that are in it", RUN,
        "return writable(scrubber.value(result))", "return writable(result)",
        (f"{ROOM}::test_whatever_leaves_is_scrubbed",),
    ),
    Mutant(
        "a line of progress shows a secret", RUN,
        "tell(plain(scrubber.text(text)))", "tell(plain(text))",
        (f"{ROOM}::test_whatever_leaves_is_scrubbed",),
    ),
    Mutant(
        "a task that failed after a change says that nothing was changed", FAILURES,
        "changed = task.done.changed if task else False", "changed = False",
        (f"{ROOM}::test_a_failure_tells_what_was_changed_before",),
    ),
    Mutant(
        "our own mistake after a change was sent is called refused", FAILURES,
        "outcome=errors.UNKNOWN if asked else errors.NOT_APPLIED", "outcome=errors.NOT_APPLIED",
        (f"{ROOM}::test_our_own_mistake_is_said_without_the_exceptions_text",),
    ),
    Mutant(
        "certificates are looked at in no case", RUN,
        'if not options["validate_certs"]:', "if options:",
        (f"{ROOM}::test_ca_path_must_exist",),
    ),
    Mutant(
        "plain http carries the credentials anywhere", ARGUMENTS,
        'if parts.scheme == "http" and not is_loopback(url):', 'if parts.scheme == "ftp":',
        (f"{OPTIONS}::test_plain_http_only_to_this_machine",),
    ),
    Mutant(
        "a list that is given as one server is made a server with a strange name", QUICK_DOOR,
        'if isinstance(self._task.args.get("server"), (list, tuple)):', "if self._task is None:",
        (f"{DOOR}::test_a_list_is_not_made_one_server_with_a_strange_name",),
    ),
    Mutant(
        "server and servers may both be given, and one of them is forgotten", ARGUMENTS,
        '{"mutually_exclusive": [_SERVERS], "required_one_of": [_SERVERS, ["name", "id"]]}', '{"required_one_of": [_SERVERS, ["name", "id"]]}',
        (f"{OPTIONS}::test_what_ansible_itself_refuses",),
    ),
    Mutant(
        "a server is stopped for a snapshot that nobody waits for", ARGUMENTS,
        'for name in ("retain", "stop_server")', 'for name in ("retain",)',
        (f"{OPTIONS}::test_wishes_that_contradict",),
    ),
    Mutant(
        "an empty variable is taken for a name", ARGUMENTS,
        "if not value.strip():", "if value is None:",
        (f"{OPTIONS}::test_empty_values_are_named",),
    ),
    Mutant(
        "Ansible does not know that credentials are secrets", ARGUMENTS,
        'one.option: {"type": "str", "no_log": True', 'one.option: {"type": "str", "no_log": False',
        (f"{OPTIONS}::test_secrets_and_only_they_are_hidden",),
    ),
    Mutant(
        "a secret that is a key of a result is not masked", SECRETS,
        "return {self.value(key): ", "return {key: ",
        ("unit/plugins/test_scrubber.py::test_nested_values_keys_included",),
    ),
    Mutant(
        "base64 is masked only where it begins with the secret", SECRETS,
        "for offset in range(3):", "for offset in range(1):",
        ("unit/plugins/test_scrubber.py::test_base64_wherever_the_secret_begins",),
    ),
    Mutant(
        "passing trouble ends a wait of ten minutes", POLLING,
        "if error.kind not in errors.TRANSIENT:", "if error.kind:",
        (f"{WAITS}::test_passing_trouble_does_not_end_a_wait",),
    ),
    Mutant(
        "a wait whose time is up says that nothing was changed", POLLING,
        "outcome=errors.UNKNOWN", "outcome=errors.NOT_APPLIED",
        (f"{WAITS}::test_timeout_says_what_and_what_next",),
    ),
    Mutant(
        "the cloud is asked ten times a second", POLLING,
        "deadline.clock.sleep(min(due - deadline.elapsed, deadline.left))", "deadline.clock.sleep(min(due - deadline.elapsed, 0.1))",
        (f"{WAITS}::test_ten_minutes_are_twenty_looks_at_most",),
    ),
    Mutant(
        "one look that timed out ends a wait", ERRORS,
        "TRANSIENT = frozenset({RATE_LIMITED, UNREACHABLE, TIMEOUT,", "TRANSIENT = frozenset({RATE_LIMITED, UNREACHABLE,",
        ("unit/plugins/test_error_texts.py::test_what_a_wait_survives",),
    ),
    Mutant(
        "'Nothing was changed' is said although something was", ERRORS,
        "if already_changed:", "if outcome == FAILED:",
        ("unit/plugins/test_error_texts.py::test_every_outcome_is_said",),
    ),
    Mutant(
        "retention deletes what the pattern does not name", RETENTION,
        "if fnmatch.fnmatchcase(snapshot.name, match)]", "if match]",
        (KEPT,),
    ),
    Mutant(
        "retention takes upper case for lower case", RETENTION,
        "fnmatch.fnmatchcase(snapshot.name, match)", "fnmatch.fnmatchcase(snapshot.name.lower(), match.lower())",
        (f"{KEPT}::test_patterns_are_the_shells_and_case_counts",),
    ),
    Mutant(
        "retention deletes a snapshot that a schedule hangs on", RETENTION,
        "return snapshot.schedule is None and snapshot.created_at is not None", "return snapshot.created_at is not None",
        (f"{KEPT}::test_scheduled_and_undated_ones_stay_but_hold_their_place",),
    ),
    Mutant(
        "the newest snapshots go to make room, and the oldest stay", RETENTION,
        "oldest_first = newest_first(candidates)[::-1]", "oldest_first = newest_first(candidates)",
        (f"{KEPT}::test_failed_ones_make_room_first",),
    ),
    Mutant(
        "a snapshot whose state nobody knows is deleted to make room", RETENTION,
        "(snapshot.status == READY or snapshot.surely_failed) and ", "",
        (f"{KEPT}::test_one_of_a_state_that_nobody_knows_stays",),
    ),
    Mutant(
        "retention deletes the snapshot that the task has just made", RETENTION,
        "others = [snapshot for snapshot in ready if snapshot.id not in keep_ids]", "others = ready",
        (KEPT,),
    ),
    Mutant(
        "a check run through the quick door sends its changes", QUICK_DOOR,
        "check_mode=self._task.check_mode", "check_mode=False",
        (f"{DOOR}::test_both_doors_hand_on_check_mode_and_diff",),
    ),
    Mutant(
        "a diff is not shown through the quick door", QUICK_DOOR,
        "diff_mode=self._task.diff", "diff_mode=False",
        (f"{DOOR}::test_both_doors_hand_on_check_mode_and_diff",),
    ),
    Mutant(
        "a check run through the module door sends its changes", "plugins/module_utils/module.py",
        "check_mode=module.check_mode", "check_mode=False",
        (f"{DOOR}::test_both_doors_hand_on_check_mode_and_diff",),
    ),
    Mutant(
        "a task of another host is done on the controller", QUICK_DOOR,
        'if self._connection.transport != "local":', "if not self._connection:",
        (f"{DOOR}::test_which_door",),
    ),
    Mutant(
        "a task that becomes another user is done as this one", QUICK_DOOR,
        'if getattr(self._connection, "become", None):', "if not self._connection:",
        (f"{DOOR}::test_which_door",),
    ),
    Mutant(
        "a task's result shows the token among its options", QUICK_DOOR,
        "HIDDEN if isinstance(value, str) and value in secrets else value", "value",
        (f"{DOOR}::test_hidden_options_are_shown_as_ansible_does",),
    ),
    Mutant(
        "credentials of the task's environment stand on a command line", MODULE_DOOR,
        "self._task.environment = [environment]", "self._task.environment = before",
        (f"{DOOR}::test_credentials_of_the_tasks_environment_become_options",),
    ),
    Mutant(
        "one task's credentials stay in the environment", CONTROLLER,
        "            os.environ.clear()\n", "",
        (f"{DOOR}::test_the_tasks_environment_is_there_only_inside",),
    ),
]
