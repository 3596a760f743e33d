# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of a failed task's result that tells a person why it failed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._redaction import MASK, Redactor
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.failure_reason import MAX_REASON_CHARS, describe_failure

TASK = {"name": "Upgrade", "action": "ansible.builtin.apt", "no_log": False}
SECRET = "hunter2-S3cret/Tok+n"
APT_FAILED = "'/usr/bin/apt-get dist-upgrade ' failed: E: Sub-process /usr/bin/dpkg returned an error code (1)\n"
POSTINST = """Setting up fine (2) ...
Setting up bad (2) ...
dpkg: error processing package bad (--configure):
 installed bad package post-installation script subprocess returned error exit status 1
Errors were encountered while processing:
 bad
"""
NO_SPACE = """Unpacking big (2) over (1) ...
dpkg: error processing archive /var/cache/apt/archives/big_2_all.deb (--unpack):
 cannot copy extracted data for './opt/big' to '/opt/big.dpkg-new': failed to write (No space left on device)
Errors were encountered while processing:
 /var/cache/apt/archives/big_2_all.deb
"""


def reason(result: Any, task: Any = ...) -> str:
    text = describe_failure(TASK if task is ... else task, result, Redactor([SECRET]).redact_text)
    assert "\n" not in text and len(text) <= MAX_REASON_CHARS
    return text


@pytest.mark.parametrize(("result", "expected"), [
    # A command without output, with ansible-core 2.19 and newer.
    ({"msg": "The command exited with a non-zero return code.", "rc": 1, "stdout": "", "stderr": "", "exception": "(traceback unavailable)"},
     "the command ended with status 1"),
    # apt and dpkg
    ({"msg": APT_FAILED, "stdout": POSTINST, "rc": 100},
     "dpkg: error processing package bad (--configure): installed bad package post-installation script subprocess returned error exit status 1"),
    ({"msg": APT_FAILED, "stdout": NO_SPACE, "rc": 100},
     "dpkg: error processing archive /var/cache/apt/archives/big_2_all.deb (--unpack): cannot copy extracted data for './opt/big' to "
     "'/opt/big.dpkg-new': failed to write (No space left on device)"),
    ({"msg": "'/usr/bin/apt-get dist-upgrade ' failed: E: You don't have enough free space in /var/cache/apt/archives/.\n", "stdout": "Reading…\n"},
     "'/usr/bin/apt-get dist-upgrade ' failed: E: You don't have enough free space in /var/cache/apt/archives/."),
    ({"msg": "x", "stderr": "W: a warning\nE: Failed to fetch http://deb/x.deb  404  Not Found\nE: Unable to fetch some archives\n"},
     "E: Failed to fetch http://deb/x.deb 404 Not Found"),
    ({"msg": "x", "stdout": "The following packages have unmet dependencies:\n web : Depends: php8.3 but it is not installable\n",
      "stderr": "E: Unable to correct problems, you have held broken packages.\n"},
     "The following packages have unmet dependencies: web : Depends: php8.3 but it is not installable"),
    ({"msg": "Failed to lock apt for exclusive operation: Failed to lock directory /var/lib/apt/lists/"},
     "Failed to lock apt for exclusive operation: Failed to lock directory /var/lib/apt/lists/"),
    ({"msg": "No package matching 'nothing' is available"}, "No package matching 'nothing' is available"),
    # dnf, rpm and zypper
    ({"msg": "Failed to install some of the specified packages", "failures": ["No package nothing available."], "results": [], "rc": 1},
     "Failed to install some of the specified packages: No package nothing available."),
    ({"msg": "Depsolve Error occurred: \n Problem: cannot install both a-1 and a-2\n  - package b requires a = 1", "results": [], "rc": 1},
     "Depsolve Error occurred: Problem: cannot install both a-1 and a-2"),
    ({"msg": "Failed to execute: 1", "results": ["Installed: a"],
      "stderr": "Error: Transaction test error:\n  installing package big needs 60MB on the / filesystem\n"},
     "Error: Transaction test error: installing package big needs 60MB on the / filesystem"),
    ({"msg": "non-zero return code", "rc": 1, "stdout": "Installing\n",
      "stderr": "error: %prein(bad-2-1.noarch) scriptlet failed, exit status 1\nlast\n"},
     "error: %prein(bad-2-1.noarch) scriptlet failed, exit status 1"),
    # commands
    ({"msg": "non-zero return code", "rc": 3, "stderr": "warning: old\nconfig.php: syntax error on line 7\n\n", "stdout": "started\n"},
     "config.php: syntax error on line 7"),
    ({"msg": "non-zero return code", "rc": 3, "stderr": "", "stdout": "one\ntwo\r\n"}, "two"),
    ({"msg": "non-zero return code", "rc": 3, "stderr": "\n", "stdout": ""}, "the command ended with status 3"),
    ({"msg": "Task failed: Module failed: non-zero return code", "rc": 3, "stderr": "boom"}, "boom"),
    ({"msg": "MODULE FAILURE\nSee stdout/stderr for the exact error", "rc": 127, "module_stdout": "/bin/sh: 1: /usr/bin/python3: not found\r\n",
      "module_stderr": ""}, "/bin/sh: 1: /usr/bin/python3: not found"),
    # other
    ({"msg": "Status code was 502 and not [200]: Bad Gateway", "status": 502}, "Status code was 502 and not [200]: Bad Gateway"),
    ({"msg": "Task failed: Action failed: Timed out after 5 second(s)."}, "Timed out after 5 second(s)."),
    ({"unreachable": True, "msg": "Failed to connect to the host via ssh: connect to host 192.0.2.1 port 22: Connection refused"},
     "Failed to connect to the host via ssh: connect to host 192.0.2.1 port 22: Connection refused"),
    ({"connection_lost": True, "msg": "server web1 was lost: Connection closed; the task has failed, so that rescue can run"},
     "server web1 was lost: Connection closed"),
    ({"failed": True, "reason": "Could not find or access 'nowhere.yml'"}, "Could not find or access 'nowhere.yml'"),
    ({"msg": ["first", "second"]}, "first second"),
    # nothing is known
    ({}, "failed"), (None, "failed"), ("text", "failed"), ({"msg": None}, "failed"), ({"msg": {"a": "b"}}, "failed"), ({"msg": True}, "failed"),
    ({"results": "text"}, "failed"), ({"results": [1, None]}, "failed"), ({"rc": "x", "stdout": 7}, "7"),
])
def test_the_line_that_tells(result: Any, expected: str) -> None:
    assert reason(result) == f"Upgrade: {expected}"


def loop(*items: dict[str, Any]) -> dict[str, Any]:
    return {"msg": "One or more items failed", "failed": True, "results": list(items)}


def test_a_loop_tells_the_first_failed_item() -> None:
    fine = {"item": "a", "ansible_loop_var": "item", "msg": "fine", "failed": False}
    assert reason(loop(fine, {"item": 9, "failed": True, "msg": "Timeout when waiting for 127.0.0.1:9"})) == (
        "Upgrade: (9) Timeout when waiting for 127.0.0.1:9")
    assert reason(loop(fine, {"port": 9, "ansible_loop_var": "port", "failed": True, "msg": "closed"})) == "Upgrade: (9) closed"
    assert reason(loop({"_ansible_item_label": "php", "item": {"a": 1}, "failed": True, "msg": APT_FAILED, "stdout": NO_SPACE})).startswith(
        "Upgrade: (php) dpkg: error processing archive")
    assert reason(loop({"item": {"password": "p"}, "unreachable": True, "msg": "lost"})) == "Upgrade: lost"
    assert reason(loop(fine)) == "Upgrade: One or more items failed"
    assert reason(loop({**loop({"failed": True, "msg": "deep"}), "failed": False})) == "Upgrade: One or more items failed"
    assert reason(loop({**loop({"failed": True, "msg": "deep"}), "item": "x"})) == "Upgrade: (x) deep"
    endless: dict[str, Any] = loop()
    endless["results"].append(endless)
    assert reason(endless) == "Upgrade: failed"


def test_a_step_of_the_role_is_not_named() -> None:
    step = {"name": "Log in again", "action": "rewind.vps.upgrade_guard", "no_log": False}
    assert reason({"msg": "Server web1 is worse than before its upgrade", "error": {"kind": "operation_failed"}}, step) == (
        "Server web1 is worse than before its upgrade")
    assert reason({"msg": "x y z"}, step).startswith("Log in again: ")


def test_the_task_is_named_by_its_name_or_its_action() -> None:
    assert reason({"msg": "no"}, {"name": "", "action": "apt"}) == "apt: no"
    assert reason({"msg": "no"}, {}) == reason({"msg": "no"}, None) == "a task: no"


@pytest.mark.parametrize("task", [{**TASK, "no_log": True}, TASK])
def test_what_ansible_hides_stays_hidden(task: dict[str, Any]) -> None:
    hidden = {"censored": "the output has been hidden", "msg": "password: p4ss", "stderr": "p4ss"}
    assert "p4ss" not in reason(hidden, task) and "p4ss" not in reason(loop({**hidden, "failed": True, "item": "p4ss"}), task)
    assert "p4ss" not in reason({"_ansible_no_log": True, "msg": "p4ss"}, task)


@pytest.mark.parametrize("key", ["msg", "stderr", "stdout", "failures", "module_stdout"])
def test_no_secret_and_no_part_of_one_is_shown(key: str) -> None:
    for text in (f"failed with {SECRET} again", f"E: failed with {SECRET}", "x" * (MAX_REASON_CHARS - 15) + SECRET, f"a\n{SECRET}"):
        shown = reason({"msg": "non-zero return code", "rc": 1, key: [text] if key == "failures" else text})
        assert "hunter2" not in shown and (MASK in shown or "xxxx" in shown), shown
    assert "hunter2" not in reason({"msg": "no"}, {"name": f"Use {SECRET}"})
    assert "hunter2" not in reason(loop({"failed": True, "item": SECRET, "msg": "no"}))


def test_a_terminal_gets_no_commands() -> None:
    assert "\x1b" not in reason({"msg": "red \x1b[31m"}) and "\u202e" not in reason({"msg": "a\u202eb"})


def test_a_long_output_is_read_from_its_end() -> None:
    assert reason({"msg": "non-zero return code", "rc": 1, "stdout": "y" * 10 + "\nE: early\n" + "line\n" * 100_000 + "last\n"}) == "Upgrade: last"
