# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects in HTTP and in the two providers."""

from __future__ import annotations

from mutation.mutant import Mutant

CLIENT = "plugins/module_utils/_http/client.py"
SESSION = "plugins/module_utils/_http/session.py"
CONNECTIONS = "plugins/module_utils/_http/connections.py"
VPSORG = "plugins/module_utils/_provider/vpsorg.py"
VPSORG_ROWS = "plugins/module_utils/_provider/vpsorg_rows.py"
ILKBYTE = "plugins/module_utils/_provider/ilkbyte.py"

CHANGES = "unit/plugins/module_utils/_http/test_client_changes.py"
LIMITS = "unit/plugins/module_utils/_http/test_client_limits.py"
SHAPES = "unit/plugins/module_utils/_provider/test_response_schema.py"
UNCLEAR = (f"{CHANGES}::test_what_may_have_happened_is_sent_once_and_unknown",)

MUTANTS = [
    Mutant(
        "a change is sent again after a timeout", CLIENT, "ApiClient._send_once",
        r"(is_retryable=.+) and not \w+", r"\1", "sent_once", UNCLEAR,
    ),
    Mutant(
        "a change uses an old connection, whose loss proves nothing", CLIENT, "ApiClient._send_once",
        r"new_connection=\w+", "new_connection=False", "sent_once", (f"{CHANGES}::test_a_change_never_uses_an_old_connection",),
    ),
    Mutant("the HTTP library sends again by itself", CONNECTIONS, "instrumented_adapter", r"max_retries=0", "max_retries=3", "sent_once", (CHANGES,)),
    Mutant(
        "a change that timed out is called refused", CLIENT, "ApiClient._send_once",
        r"errors\.UNKNOWN if .+? else errors\.NOT_APPLIED", "errors.NOT_APPLIED", "outcome_is_right", UNCLEAR,
    ),
    Mutant(
        "a redirect is followed, with the token", SESSION, "HttpSession._read",
        # The session's own get_redirect_target is a second guard, so both have to go.
        r"allow_redirects=False", "allow_redirects=bool(self._session.__dict__.pop('get_redirect_target', True))", "nothing_followed",
        (f"{LIMITS}::test_a_redirect_is_never_followed",),
    ),
    Mutant(
        "the provider's certificate is not verified", SESSION, "HttpSession._read", r"verify=self\.\w+", "verify=False", "credentials",
        ("unit/plugins/module_utils/_http/test_client_tls.py::test_an_unknown_certificate_is_refused_at_once_and_nothing_is_sent",),
    ),
    Mutant(
        "an exception's text, with the URL in it, becomes part of the message", SESSION, "HttpSession.request",
        r"(detail = )type\((\w+)\)\.__name__", r"\1str(\2)", "secrets",
        (f"{LIMITS}::test_neither_error_nor_log_nor_screen_has_a_secret", f"{LIMITS}::test_an_unreachable_error_has_no_secret"),
    ),
    # --- VPS.org
    Mutant(
        "VPS.org's next page may be at another address", "plugins/module_utils/_provider/vpsorg_pages.py", "next_page_params",
        r"if (\w+) is None or not .*endswith\(\w+\):", r"if \1 is None:", "nothing_followed", (f"{SHAPES}::test_a_next_page_that_is_none",),
    ),
    Mutant(
        "the snapshots of another server count as this server's", VPSORG, "VpsOrg.list_snapshots",
        r"if \w+\.server\.id == \w+\.id\]", "]", "restores_what_is_named",
        (f"{SHAPES}::test_a_filter_that_the_provider_ignores_makes_no_others_snapshot_ours",),
    ),
    Mutant(
        "an unknown status counts as ready", VPSORG_ROWS, "parse_snapshot", r"or \"\", base\.UNKNOWN", 'or "", base.READY', "unknown",
        (f"{SHAPES}::test_a_status_is_ready_pending_or_failed_only_in_a_known_word",),
    ),
    Mutant(
        "a create that is answered with another server's snapshot is believed", VPSORG, "VpsOrg.create_snapshot",
        r"if \w+\.id is None or .+:", "if False:", "unknown", (f"{SHAPES}::test_a_snapshot_made_under_another_name_or_server_is_unknown",),
    ),
    # --- Ilkbyte
    Mutant(
        "Ilkbyte's refusal, which comes with HTTP 200, counts as success", ILKBYTE, "Ilkbyte._request_once",
        r"= \w+\.get\(.status.*\)", "= True", "unknown", (f"{SHAPES}::test_ilkbytes_no_comes_with_a_200",),
    ),
    Mutant(
        "Ilkbyte's changes, which are GETs, are repeated like reads", ILKBYTE, "Ilkbyte._request_once", r"if changes:", "if False:", "sent_once",
        ("unit/plugins/module_utils/_provider/test_fuzz_providers.py::test_a_change_is_requested_once_and_never_taken_for_what_it_may_not_be",
         "provider_contract/test_contract_refusals.py::test_a_change_with_an_invalid_response_is_unknown_and_sent_once"),
    ),
    Mutant(
        "a deleted server is listed", ILKBYTE, "Ilkbyte._list_servers_once", r" if not is_deleted\(\w+\)", "", "exists",
        ("unit/plugins/module_utils/_provider/test_odd_rows.py::test_deleted_servers_do_not_exist",),
    ),
    Mutant(
        "a server that is on two pages is not noticed at Ilkbyte", ILKBYTE, "Ilkbyte._list_servers_once",
        r"if \w+ & \w+:", "if False:", "lists",
        (f"{SHAPES}::test_inconsistent_pages_of_ilkbyte_are_read_again",),
    ),
]
