# SPDX-License-Identifier: GPL-3.0-or-later
"""The searcher of the leak tests finds each form of a secret, and nothing else."""

from __future__ import annotations

import base64
import json
import random

import pytest
from support.secret_search import MIN_PREFIX, Searcher, encodings_of, min_prefix_of

# The first characters already differ in each form; the second one is plain.
SECRETS = ["t+K/\"\\=&%41<'>?:~tail9xyzuvw", "vps_0123456789abcdefghij"]
FORMS = [pytest.param(secret, name, id=f"{secret[:3]} {name}") for secret in SECRETS for name in encodings_of(secret)]


def noise(seed: int, size: int = 2000) -> str:
    some = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n\t\"'{}[]:,.%\\/&;=+-_<>#"
    return "".join(some.choice(letters) for dummy in range(size))


def found(secret: str, planted: str) -> bool:
    return bool(Searcher([secret]).search("somewhere", (noise(1) + "|" + planted + "|" + noise(2)).encode()))


@pytest.mark.parametrize(("secret", "name"), FORMS)
def test_each_form_is_found_whole_cut_short_folded_and_wrapped(secret: str, name: str) -> None:
    form = encodings_of(secret)[name]
    assert found(secret, form)
    assert found(secret, min_prefix_of(secret, name)), "its beginning"
    assert found(secret, form.upper())
    assert found(secret, form.lower())
    assert found(secret, "\n".join(form[start:start + 5] for start in range(0, len(form), 5)))
    assert found(secret, " ".join(form))


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_within_other_text_is_found(secret: str) -> None:
    assert found(secret, json.dumps({"cmd": json.dumps({"key": secret})}))
    assert found(secret, "\\n".join([secret[:5], secret[5:]])), "wrapped, and then written as JSON"
    assert Searcher([secret]).search("binary", b"\xff\x00\xfe" + secret.encode() + b"\xff")
    for before in (b"", b"a", b"ab"):  # base64 at any offset
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(before + secret.encode() + b":tail").decode()
            assert found(secret, text)
            assert found(secret, "\r\n".join(text[start:start + 10] for start in range(0, len(text), 10)))


def test_innocent_text_is_none() -> None:
    searcher = Searcher(SECRETS)
    for seed in range(100):
        assert not searcher.search("noise", noise(seed))
    for secret in SECRETS:
        assert not searcher.search("seven", f"<{secret[:MIN_PREFIX - 1]}> and {secret[MIN_PREFIX:]}")
    assert not searcher.search("masked", "Bearer ******** VALUE_SPECIFIED_IN_NO_LOG_PARAMETER")
    assert searcher.hits == []
    assert searcher.searched == sum(len(encodings_of(secret)) for secret in SECRETS) * 103
