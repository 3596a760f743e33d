# SPDX-License-Identifier: GPL-3.0-or-later
"""Breakages of how the clouds are spoken to: the transport, the wire, the two providers."""

from __future__ import annotations

from mutants.mutant import Mutant

TRANSPORT = "plugins/module_utils/transport.py"
WIRE = "plugins/module_utils/wire.py"
VPSORG = "plugins/module_utils/providers/vpsorg.py"
ILKBYTE = "plugins/module_utils/providers/ilkbyte.py"
SCHEDULE = "plugins/module_utils/providers/ilkbyte_schedule.py"

CHANGES = "unit/plugins/test_transport_changes.py"
READS = "unit/plugins/test_transport_reads.py"
LIMITS = "unit/plugins/test_transport_limits.py"
SHAPES = "unit/plugins/test_provider_shapes.py"

MUTANTS = [
    Mutant(
        "a change is sent again after a timeout", TRANSPORT,
        "again = trouble.never_happened if changes else trouble.passing", "again = trouble.never_happened or trouble.passing",
        (f"{CHANGES}::test_what_may_have_happened_is_sent_once_and_unknown",),
    ),
    Mutant(
        "a change that timed out is called refused", TRANSPORT,
        "outcome=errors.UNKNOWN if changes and connected else errors.NOT_APPLIED", "outcome=errors.NOT_APPLIED",
        (f"{CHANGES}::test_what_may_have_happened_is_sent_once_and_unknown",),
    ),
    Mutant(
        "a change that was answered with 502 is called refused", TRANSPORT,
        "said_no = 400 <= reply.status < 500 and reply.status != 408", "said_no = 400 <= reply.status",
        (f"{CHANGES}::test_what_may_have_happened_is_sent_once_and_unknown",),
    ),
    Mutant(
        "a change rides on an old connection, whose loss proves nothing", TRANSPORT,
        "fresh=changes", "fresh=False",
        (f"{CHANGES}::test_a_change_never_rides_on_an_old_connection",),
    ),
    Mutant(
        "a read gives up at the first 502", TRANSPORT,
        "passing=reply.status in (408, 429, 502, 503, 504)", "passing=reply.status in (429,)",
        (f"{READS}::test_passing_trouble_is_asked_again",),
    ),
    Mutant(
        "Retry-After is ignored", TRANSPORT,
        "pause = _retry_after(reply, self.now()) if reply.status in (429, 503) else None", "pause = None",
        (f"{READS}::test_retry_after_in_seconds",),
    ),
    Mutant(
        "ages are measured by this machine's clock", TRANSPORT,
        "time.time() + (self._clock_ahead or 0.0)", "time.time()",
        (f"{READS}::test_now_is_the_clouds_time",),
    ),
    Mutant(
        "an answer that is not JSON counts as a yes", TRANSPORT,
        "return None, False", "return None, True",
        (CHANGES,),
    ),
    Mutant(
        "a redirect is followed, with the token", WIRE,
        # There are two bars: this option, and the session's own get_redirect_target.
        "allow_redirects=False", """allow_redirects=bool(self._session.__dict__.pop("get_redirect_target", True))""",
        (f"{LIMITS}::test_a_redirect_is_never_followed",),
    ),
    Mutant(
        "the library sends again by itself", WIRE,
        "Adapter(max_retries=0)", "Adapter(max_retries=3)",
        (CHANGES,),
    ),
    Mutant(
        "the user's .netrc replaces the token", WIRE,
        "self._session.auth = _leave_headers_alone", "self._session.auth = None",
        (f"{LIMITS}::test_netrc_does_not_replace_the_token_for_a_real_host_either",),
    ),
    Mutant(
        "an answer that comes one byte at a time never ends", WIRE,
        "time_limit(self._timeout, watch.expire)", "time_limit(self._timeout, bool)",
        (f"{LIMITS}::test_one_byte_at_a_time_ends_within_the_limit",), may_hang=True,
    ),
    Mutant(
        "an answer without end is read to its end", WIRE,
        "if len(body) > MAX_ANSWER_BYTES:", "if not chunk:",
        (f"{LIMITS}::test_a_too_large_answer_is_not_read_to_its_end",),
    ),
    Mutant(
        "a library logs whole URLs, and the keys in them", WIRE,
        "logging.getLogger(name).setLevel(logging.CRITICAL + 1)", "logging.getLogger(name)",
        (f"{LIMITS}::test_neither_error_nor_log_nor_screen_tells",),
    ),
    Mutant(
        "an exception's text, with the URL in it, becomes part of the message", WIRE,
        "detail = type(error).__name__", "detail = str(error)",
        (f"{LIMITS}::test_neither_error_nor_log_nor_screen_tells", f"{LIMITS}::test_unreachable_tells_nothing"),
    ),
    Mutant(
        "the cloud's certificate is not looked at", WIRE,
        "verify=self._verify,", "verify=False,",
        ("unit/plugins/test_transport_tls.py::test_an_unknown_certificate_is_refused_at_once_and_nothing_is_sent",),
    ),
    Mutant(
        "VPS.org's pages after the first are dropped", VPSORG,
        'following = data.get("next")', "following = None",
        (f"{SHAPES}::test_a_next_page_that_is_none", f"{SHAPES}::test_pages_that_go_round_in_circles_end"),
    ),
    Mutant(
        "VPS.org's next page may be at another address", VPSORG,
        "if parts is None or not parts.path.endswith(path):", "if parts is None:",
        (f"{SHAPES}::test_a_next_page_that_is_none",),
    ),
    Mutant(
        "names are matched account-wide: another server's snapshots count as this one's", VPSORG,
        "return [snapshot for snapshot in snapshots if server is None or snapshot.server.id == server.id]", "return snapshots",
        (f"{SHAPES}::test_a_filter_that_the_cloud_ignores_makes_no_others_snapshot_ours",),
    ),
    Mutant(
        "failed is ignored: a failed snapshot counts as ready", VPSORG,
        "return base.PENDING if text in _PENDING_WORDS else base.FAILED", "return base.PENDING if text in _PENDING_WORDS else base.READY",
        (f"{SHAPES}::test_what_is_neither_pending_nor_completed_has_failed",),
    ),
    Mutant(
        "another server than the one asked for is taken for it", VPSORG,
        'if reference not in _names(server) and server.id != reference.lstrip("0"):', "if not reference:",
        (f"{SHAPES}::test_a_server_shown_that_was_not_asked_for_is_no_answer",),
    ),
    Mutant(
        "a create that is answered with another server's snapshot is believed", VPSORG,
        "if snapshot.server.id != server.id or snapshot.name != name:", "if not snapshot:",
        (f"{SHAPES}::test_a_snapshot_made_under_another_name_or_server_is_unknown",),
    ),
    Mutant(
        "a create whose answer can't be read is called refused", VPSORG,
        "            error.outcome = errors.UNKNOWN\n            error.about(server.label, name)", "            error.about(server.label, name)",
        (f"{SHAPES}::test_an_unclear_answer_to_a_change_leaves_its_outcome_unknown",
         "contract/test_contract_refusals.py::test_a_create_answered_in_another_shape_is_unknown"),
    ),
    Mutant(
        "a server that is being restored counts as settled at VPS.org", VPSORG,
        "task_state=word if base.is_transition(word) and word not in _POWER_WORDS else None", "task_state=None",
        (f"{SHAPES}::test_power_and_busy",),
    ),
    Mutant(
        "Ilkbyte's no, which comes with HTTP 200, counts as a yes", ILKBYTE,
        'verdict = body.get("status", body.get("success"))', "verdict = True",
        (f"{SHAPES}::test_ilkbytes_no_comes_with_a_200",),
    ),
    Mutant(
        "Ilkbyte's changes, which are GETs, are repeated like reads", ILKBYTE,
        "        if changes:\n", "        if not path:\n",
        (f"{SHAPES}::test_an_unclear_answer_to_a_change_leaves_its_outcome_unknown",
         "contract/test_contract_refusals.py::test_a_change_whose_answer_makes_no_sense_is_unknown_and_asked_once"),
    ),
    Mutant(
        "an answer to a change with neither yes nor no in it is called refused", ILKBYTE,
        "error.outcome = errors.UNKNOWN if changes else errors.NOT_APPLIED", "error.outcome = errors.NOT_APPLIED",
        (f"{SHAPES}::test_neither_yes_nor_no",),
    ),
    Mutant(
        "Ilkbyte's servers of the pages after the first are not seen", ILKBYTE,
        "if page >= int(last[:6]):", "if page:",
        (f"{SHAPES}::test_ilkbytes_pages_are_followed_even_where_numbers_are_written_as_text",),
    ),
    Mutant(
        "a server is switched off hard in place of being shut down", ILKBYTE,
        'base.STOP: "shutdown"', 'base.STOP: "destroy"',
        ("contract/test_contract_changes.py::test_stopping_is_graceful",),
    ),
    Mutant(
        "a guest that is paused for its snapshot counts as idle", ILKBYTE,
        "task_state=word if word in _BUSY_WORDS or (", "task_state=word if (",
        (f"{SHAPES}::test_power_and_busy",),
    ),
    Mutant(
        "a deletion at Ilkbyte is believed before the list shows it", ILKBYTE,
        "deletes_at_once=False", "deletes_at_once=True",
        ("unit/plugins/test_operation_promises.py::test_a_deletion_that_takes_a_moment_is_seen_to_its_end",),
    ),
    Mutant(
        "a schedule is not seen, so that retention deletes the snapshot that it hangs on", SCHEDULE,
        'params.get("is_cron") is not True', 'params.get("is_cron") is not None',
        ("unit/plugins/test_schedule_sentence.py::test_every_schedule_is_read",),
    ),
]
