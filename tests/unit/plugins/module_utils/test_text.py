# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON from providers is bounded in depth, and UTF-8 can encode all of its texts."""

from __future__ import annotations

import json

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._text import MAX_DEPTH, REPLACEMENT, decode_json, to_valid_utf8


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[0, {"a": 1}, {"b":', "}]")])
def test_depth_is_bounded(opening: str, closing: str) -> None:
    step = opening.count("[") + opening.count("{") - opening.count("}")
    inner = "1" if ":" in opening else ""
    fits = opening * (MAX_DEPTH // step) + inner + closing * (MAX_DEPTH // step)
    assert decode_json(fits.encode()) == to_valid_utf8(json.loads(fits)) == json.loads(fits)
    too_deep = f"[{fits}]"
    with pytest.raises(ValueError, match="nested too deep"):
        decode_json(too_deep.encode())
    with pytest.raises(ValueError, match="nested too deep"):
        to_valid_utf8(json.loads(too_deep))


@pytest.mark.parametrize("escape", [r"\ud800", r"\uDFFF", r"\udc00\ud800", r"\\ud800"])
def test_a_lone_surrogate_is_replaced_wherever_it_is(escape: str) -> None:
    found = decode_json(f'{{"{escape}": ["é{escape}", {{"a": "{escape}"}}]}}'.encode())
    text = json.dumps(found, ensure_ascii=False).encode("utf-8").decode()
    assert (REPLACEMENT in text) == (not escape.startswith(r"\\"))


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert decode_json(rb'["\ud83d\ude00"]') == ["\U0001f600"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_no_part_of_the_data(encoding: str) -> None:
    assert decode_json('{"Durum": "Çalışıyor"}'.encode(encoding)) == {"Durum": "Çalışıyor"}


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'"\xed\xa0\x80"', b"<html>", b"\xef\xbb\xbf", b"\xff\xfe", b"\xef\xbb\xbf\xef\xbb\xbf{}"])
def test_what_is_not_json_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_json(data)
