# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret leaves a task: plain, encoded, wrapped or truncated."""

from __future__ import annotations

import base64
import importlib.util
import json
import string
import sys
import time
from types import SimpleNamespace

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.secret_cases import SECRETS as TRICKY
from support.secret_cases import message_with_secrets
from support.secret_search import Searcher, encodings_of

from ansible_collections.rewind.vps.plugins.module_utils import _redaction
from ansible_collections.rewind.vps.plugins.module_utils._redaction import MASK, Redactor

PRINTABLE = "".join(chr(code) for code in range(33, 127) if chr(code) != "*")  # the mask's own character aside
SECRETS = st.text(PRINTABLE, min_size=12, max_size=60) | st.text("ab+/=%\"\\", min_size=12, max_size=60)
AROUND = st.text(string.ascii_lowercase + " .:{}\"'=&?", max_size=20)


# The ways in which a provider, a proxy or a library quotes a secret.
FORMS = [
    "plain", "percent", "percent, slashes kept", "percent, as in a form", "percent, lower case", "percent, every byte",
    "percent, every byte, lower case", "JSON", "hexadecimal", "hexadecimal, upper case",
]


def fragments(text, size=8):
    return {text[start:start + size] for start in range(len(text) - size + 1)}


def assert_gone(redacted, form, surroundings):
    """No eight characters in a row of the form are shown, unless the surroundings have them anyway."""
    left = fragments(form) & fragments(redacted)
    assert not {piece for piece in left if piece not in surroundings}, f"{left} of {form!r} in {redacted!r}"


@given(SECRETS, AROUND, AROUND, st.none() | st.integers(8, 60))
@example("ABCDEFGHIJ+the/rest=of-the-secret", "", "", None)  # its percent-encoded form has the same prefix and is longer
@example("ABCDEFGHIJ+the/rest=of-the-secret", "", "", 20)
@example("abcabcabcd-and-thirty-more-characters", "abc", "", None)  # starts within text that equals its prefix
@settings(max_examples=2 * settings().max_examples)
def test_a_secret_in_every_encoding_whole_or_cut_short(secret, before, after, length):
    for name in FORMS:
        form = encodings_of(secret)[name][:length]
        redacted = Redactor([secret]).redact_text(before + form + after)
        assert MASK in redacted
        assert_gone(redacted, form, before + after)


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5), st.booleans())
def test_base64_at_any_offset_of_the_secret(secret, before, after, urlsafe):
    raw = before + secret.encode() + after
    encoded = (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(raw).decode()
    redacted = Redactor([secret]).redact_text(f"Basic {encoded}")
    assert MASK in redacted
    # At most the two characters at either end that the secret shares with its neighbours may be left.
    beginning = len(before) * 8 // 6 + 2
    end = (len(before) + len(secret)) * 8 // 6 - 2
    assert_gone(redacted, encoded[beginning:end], "")


@given(SECRETS, SECRETS, AROUND)
def test_two_secrets_in_one_text(first, second, between):
    assume(first[:8] not in second and second[:8] not in first)
    redacted = Redactor([first, second]).redact_text(f"access={first}{between}&secret={second}")
    assert_gone(redacted, first, between)
    assert_gone(redacted, second, between)


@pytest.mark.parametrize("text", ["", "snapshot 801 pending, 40 s", "vps_", "0123456", "Şifre değil", "a" * 10_000])
def test_plain_texts_stay(text):
    assert Redactor(["vps_0123456789abcdef", "k3y+with/signs=="]).redact_text(text) == text


def test_seven_characters_are_no_secret_and_eight_are():
    redactor = Redactor(["vps_0123456789abcdef"])
    assert redactor.redact_text("vps_012") == "vps_012"
    assert redactor.redact_text("token vps_0123!") == f"token {MASK}!"


def test_short_secrets_are_masked_whole_and_tiny_ones_left():
    assert Redactor(["abc"]).redact_text("xabcx") == f"x{MASK}x"
    assert Redactor(["ab", "", None]).redact_text("abab") == "abab"


def test_a_secret_of_the_masks_own_characters_ends():
    assert "secret" not in Redactor(["*" * 8 + "secret"]).redact_text("*" * 20 + "secret")


@pytest.mark.parametrize("cloud", TRICKY)
def test_every_form_that_the_searcher_knows_whole_cut_short_and_wrapped(cloud):
    searcher = Searcher(TRICKY[cloud])
    redactor = Redactor(TRICKY[cloud])
    quoted = message_with_secrets(cloud)
    assert len(searcher.search("before", quoted)) > 30
    searcher.hits.clear()
    for text in (quoted, " ".join(quoted.split()), quoted.upper(), quoted.lower()):
        assert not searcher.search("after", redactor.redact_text(text)), searcher.hits[0]


@pytest.mark.parametrize("secret", [secret for secrets in TRICKY.values() for secret in secrets], ids=lambda secret: secret[:3])
def test_a_form_that_a_limit_has_cut_anywhere(secret):
    redactor, searcher = Redactor([secret]), Searcher([secret])
    for name, form in encodings_of(secret).items():
        for cut in range(8, len(form), 3):
            assert not searcher.search(name, redactor.redact_text(form[:cut])), searcher.hits[0]


@pytest.mark.parametrize("break_", ["\n", "\r\n", " \t", "\n    ", "\\n", "\\r\\n", "\\\\n"], ids=repr)
@pytest.mark.parametrize("secret", [secret for secrets in TRICKY.values() for secret in secrets], ids=lambda secret: secret[:3])
def test_every_form_is_masked_whole_however_it_is_wrapped(secret, break_):
    redactor = Redactor([secret])
    for name, form in encodings_of(secret).items():
        for split in (1, 5, 8, 11):
            redacted = redactor.redact_text(f"<{form[:split]}{break_}{form[split:]}>")
            assert redacted.startswith(f"<{MASK}"), (name, redacted)
            assert not form.startswith(secret) or redacted == f"<{MASK}>", (name, redacted)
        lines = break_.join(form[start:start + 4] for start in range(0, len(form), 4))
        assert redactor.redact_text(f"<{lines.upper()}>").startswith(f"<{MASK}"), name


def test_nested_values_keys_and_numbers():
    secret = "123456789012"
    value = {f"k {secret}": [secret * 3, {"in": (f"<{secret}>", 5, None, True, 1.5)}], "id": int(secret), "other": 2**60, "below": -98765432}
    assert Redactor([secret]).redact(value) == {
        f"k {MASK}": [MASK * 3, {"in": [f"<{MASK}>", 5, None, True, 1.5]}], "id": MASK, "other": 2**60, "below": -98765432,
    }


@pytest.mark.parametrize("value", ["\ud800", {"\ud800": ["a\udfff"]}])
def test_what_utf8_cannot_encode_is_replaced(value):
    json.dumps(Redactor(["vps_0123456789"]).redact(value), ensure_ascii=False).encode("utf-8")


def test_secrets_are_registered_where_ansible_core_masks_them_too(monkeypatch):
    """ansible-core 2.22 has a module for that, whose name is its own."""
    registered = []
    monkeypatch.setitem(sys.modules, "ansible.module_utils.secrets", SimpleNamespace(register_secret=registered.append))
    spec = importlib.util.spec_from_file_location(f"{_redaction.__package__}._redaction_again", _redaction.__file__)
    loaded_again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded_again)
    loaded_again.Redactor(["vps_0123456789", None, "ab"])
    assert registered == ["vps_0123456789"]


def test_a_long_log_is_redacted_quickly():
    log = "2026-01-01T00:00:00 web1 vps_ daemon: GET /path%20with?a=b&c=\\n 200 t+K\n" * 5_000
    started = time.monotonic()
    assert Redactor([secret for secrets in TRICKY.values() for secret in secrets]).redact_text(log) == log
    assert time.monotonic() - started < 10  # half a second; the limit is for slow machines
