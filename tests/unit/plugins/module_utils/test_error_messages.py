# SPDX-License-Identifier: GPL-3.0-or-later
"""An error states what happened, to which server and snapshot, whether anything changed, and what to do next."""

from __future__ import annotations

import pytest

from ansible_collections.rewind.vps.plugins.module_utils import _errors as errors
from ansible_collections.rewind.vps.plugins.module_utils._errors import RewindError


def test_the_whole_sentence():
    error = RewindError(
        "VPS.org rejected the request (POST /snapshots/, HTTP 400)", kind=errors.PROVIDER_REJECTED,
        operation="snapshots.create", server="web1 (12345)", snapshot="nightly", http_status=400,
        provider_message="Snapshot limit reached.", hint="delete one.",
    )
    assert error.format() == (
        'VPS.org rejected the request (POST /snapshots/, HTTP 400). Provider message: "Snapshot limit reached.". '
        "Server: web1 (12345). Snapshot: nightly. Nothing was changed. Next: delete one."
    )


def test_what_the_message_names_is_not_repeated():
    error = RewindError("Server web1 has no snapshot nightly", kind=errors.NOT_FOUND, server="web1", snapshot="nightly")
    assert error.format() == "Server web1 has no snapshot nightly. Nothing was changed."


@pytest.mark.parametrize(("outcome", "already", "sentence"), [
    (errors.NOT_APPLIED, False, "Nothing was changed."),
    (errors.NOT_APPLIED, True, "Earlier steps of this task changed something; see the result."),
    (errors.FAILED, False, "The operation started and did not succeed."),
    (errors.FAILED, True, "Earlier steps of this task changed something; see the result."),
    (errors.UNKNOWN, False, "It is unknown whether the change was applied."),
    (errors.UNKNOWN, True, "It is unknown whether the change was applied."),
])
def test_every_outcome_is_reported(outcome, already, sentence):
    error = RewindError("Something went wrong", kind=errors.BUSY, outcome=outcome)
    assert error.format(already_changed=already) == f"Something went wrong. {sentence}"


def test_add_context_fills_in_and_never_overwrites():
    error = RewindError("No", kind=errors.BUSY, server="web1")
    assert error.add_context("other", "nightly") is error
    assert (error.server, error.snapshot) == ("web1", "nightly")
    assert error.add_context(None, "weekly").snapshot == "nightly"


def test_endless_names_leave_space_for_what_matters():
    error = RewindError("There is no " + "x" * 100_000, kind=errors.NOT_FOUND, server="y" * 100_000,
                        hint="did you mean " + "z" * 100_000 + "?")
    text = error.format()
    assert len(text) < 2 * errors.MAX_MESSAGE_CHARS + 1000 and "Nothing was changed." in text
    assert error.to_result()["server"] == "y" * 100_000


def test_nothing_in_a_message_is_a_command_to_a_terminal():
    error = RewindError("Server \x1b[2J\x9b\u202e is busy\n", kind=errors.BUSY, server="a\0b", provider_message="\x1b]0;x\x07",
                        hint="look at \x1b[2J")
    assert all(letter.isprintable() for letter in error.format()) and error.format().count("\ufffd") == 8
    assert error.to_result()["server"] == "a\0b" and "\x1b" not in error.to_result()["hint"]
