# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes secrets out of what leaves a door.

Ansible's C(no_log) hides a value only as it stands. A cloud's message may quote a key percent-encoded, in
base64, JSON-escaped, wrapped or cut short, so everything that a door returns or shows passes through here first.

Two searches: for forms in which the whole secret is written in one way (base64, hexadecimal, ...), and for texts in which each
character is written in a way of its own, as it happens where one escape is put on another.
"""

from __future__ import annotations

import base64
import bisect
import functools
import html
import json
import math
import re
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

try:
    from ansible.module_utils.secrets import register_secret
except ImportError:
    register_secret = None

MASK = "********"
SHORTEST_PREFIX = 8  # a quoted beginning of this many characters already gives a key away
_FOLD = {ord(letter): letter.lower() for letter in string.ascii_uppercase}  # one character stays one, so places stay
SHORTEST_SECRET = 3  # masking one or two characters would only garble every text
_SPECIAL = "%&\\"  # one of these stands in every spelling of a character other than itself
_MOST_KNOWN = 20_000  # texts that are remembered to be clean: keys and words come again and again
_LONGEST_KNOWN = 64
_SURE = 3  # characters of a secret in a row, in any spelling, with which a closer look begins
# What may stand in the middle of a secret that is wrapped; in the second case escaped as well.
_GAPS = (re.compile(r"\s+"), re.compile(r"(?:\s|\\{1,4}[nrt]|%(?:25){0,2}0[ad]|&#1[03];|&#x[ad];)+"))


class Scrubber:
    """Replaces every known secret, its encoded forms and their beginnings by a mask."""

    def __init__(self, secrets: list[str | None] | tuple[str | None, ...] = ()) -> None:
        known = {secret.strip() for secret in secrets if secret and len(secret.strip()) >= SHORTEST_SECRET}
        if register_secret is not None:
            for secret in known:
                register_secret(secret)
        # Without regard to case: what quotes a secret may have folded it.
        self._forms = sorted({form.translate(_FOLD) for secret in known for form in _forms(secret)})
        self._heads = sorted({form[:SHORTEST_PREFIX] for form in self._forms})
        self._spelled = [_Spelled(secret) for secret in sorted(known) if len(secret) >= SHORTEST_PREFIX]
        self._spells_case = not all(secret.isascii() for secret in known)  # other letters may be written in another case
        self._clean: set[str] = set()

    def text(self, text: str) -> str:
        """The text without any secret."""
        if text in self._clean:
            return text
        folded = text.translate(_FOLD)
        if self._is_clean(folded):
            if len(text) <= _LONGEST_KNOWN and len(self._clean) < _MOST_KNOWN:
                self._clean.add(text)
            return text
        return self._masked(text, folded)

    def _is_clean(self, folded: str) -> bool:
        """A quick look that is right about almost every text: no form begins in it, and no character is written as something else."""
        if self._spells_case or any(special in folded for special in _SPECIAL) or any(head in folded for head in self._heads):
            return False
        compact = "".join(folded.split())
        return len(compact) == len(folded) or not any(head in compact for head in self._heads)

    def _masked(self, text: str, folded: str) -> str:
        # All places first, then the masks: what one form's beginning covers must not hide where another one begins.
        places = list(self._places(folded, 1))
        for gaps in _GAPS:
            compact = _Compact(folded, gaps)
            if compact.text != folded:
                places += [compact.place(*place) for place in self._places(compact.text, SHORTEST_PREFIX)]
        parts, done = [], 0
        for start, end in sorted(places):
            if start >= done:
                parts += [text[done:start], MASK]
            done = max(done, end)
        return "".join(parts) + text[done:]

    def value(self, value: Any) -> Any:
        """The same for nested dicts and lists, keys included, and for numbers that are as long as a secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        if isinstance(value, (int, float)) and len(str(value)) >= SHORTEST_PREFIX:
            shown = self.text(str(value))
            return value if shown == str(value) else shown
        return value

    def _places(self, text: str, shortest: int) -> Iterator[tuple[int, int]]:
        for form in self._forms:
            if len(form) >= shortest:
                yield from _places(text, form)
        for spelled in self._spelled:
            yield from spelled.places(text)


class _Compact:
    """A text without its gaps."""

    def __init__(self, text: str, gaps: re.Pattern[str]) -> None:
        parts: list[str] = []
        self._starts: list[int] = []  # where each part begins here
        self._real: list[int] = []  # and in the whole text
        length = begin = 0
        for start, end in [*(gap.span() for gap in gaps.finditer(text)), (len(text), len(text))]:
            self._starts.append(length)
            self._real.append(begin)
            parts.append(text[begin:start])
            length += start - begin
            begin = end
        self.text = "".join(parts)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The place in the whole text."""
        return self._whole(start), self._whole(end - 1) + 1

    def _whole(self, place: int) -> int:
        part = bisect.bisect_right(self._starts, place) - 1
        return self._real[part] + place - self._starts[part]


def _places(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Where text runs like form from its beginning, for SHORTEST_PREFIX characters or more; places may overlap."""
    head = form[:SHORTEST_PREFIX]
    start = text.find(head)
    while start >= 0:
        end = start + len(head)
        for expected in form[SHORTEST_PREFIX:]:
            if end >= len(text) or text[end] != expected:
                break
            end += 1
        yield start, end
        start = text.find(head, start + 1)


class _Spelled:
    """A secret of which each character may be written in a way of its own."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._spells_case = not secret.isascii()

    # Few texts have anything that could be a spelling, so all this is worked out for the first one that has.
    @functools.cached_property
    def _spellings(self) -> list[list[str]]:
        return [_spellings(character) for character in self._secret]

    @functools.cached_property
    def _beginning(self) -> re.Pattern[str]:
        return re.compile("".join(f"(?:{'|'.join(map(re.escape, spellings))})" for spellings in self._spellings[:_SURE]))

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        if not self._spells_case and not any(special in text for special in _SPECIAL):
            return  # as it is, it is one of the forms
        match = self._beginning.search(text)
        while match:
            end = self._end(text, match.start())
            if end - match.start() >= SHORTEST_PREFIX:
                yield match.start(), end
            match = self._beginning.search(text, match.start() + 1)

    def _end(self, text: str, start: int) -> int:
        """How far the text goes on as the secret does."""
        ends = {start}  # one text may be read in several ways: all of them are followed
        for spellings in self._spellings:
            further = {end + len(spelling) for end in ends for spelling in spellings if text.startswith(spelling, end)}
            if not further:
                return max(end + _common(text, end, spellings) for end in ends)  # the last one may be cut
            ends = further
        return max(ends)


def _common(text: str, place: int, spellings: list[str]) -> int:
    """How many characters the text has in common with the beginning of the most fitting spelling."""
    return max(next((count for count in range(len(spelling), 0, -1) if text.startswith(spelling[:count], place)), 0) for spelling in spellings)


_NAMES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def _spellings(character: str) -> list[str]:
    """How one character of a secret may be written, folded; its case may have changed before it was written so."""
    return sorted({spelling.translate(_FOLD) for case in (character, character.lower(), character.upper()) if len(case) == 1
                   for spelling in _spellings_as_it_is(case)})


def _spellings_as_it_is(character: str) -> list[str]:
    code = ord(character)
    units = character.encode("utf-16-be", "surrogatepass").hex()
    percent = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
    escaped = "".join(f"\\u{units[start:start + 4]}" for start in range(0, len(units), 4))
    html_codes = [f"#{code};", f"#{code:03};", f"#x{code:x};", f"#x{code:02x};", *(f"{name};" for name in [_NAMES.get(character)] if name)]
    found = [character, percent, percent.replace("%", "%25"), percent.replace("%", "%2525"), escaped, "\\" + escaped, "\\\\\\" + escaped]
    found += [f"{ampersand}{name}" for name in html_codes for ampersand in ("&", "&amp;")]
    if code < 256:
        found += [f"{slashes}x{code:02x}" for slashes in ("\\", "\\\\", "\\\\\\\\")]
    if character == "\\":
        found += ["\\" * 2, "\\" * 4, "\\" * 8]
    elif not character.isalnum():
        found += ["\\" * count + character for count in (1, 2, 3, 7)]
    if character == "%":
        found += ["%25", "%2525"]
    return found


def _forms(secret: str) -> set[str]:
    try:
        raw = secret.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a UTF-16 pair, which YAML can say
        raw = secret.encode("utf-8", "surrogatepass")
    as_json = json.dumps(secret)[1:-1]
    escaped = {
        secret,
        as_json, json.dumps(secret, ensure_ascii=False)[1:-1], as_json.replace("/", "\\/"), json.dumps(as_json)[1:-1],
        html.escape(secret), html.escape(secret).replace("&#x27;", "&#39;"), html.escape(secret, quote=False),
        repr(secret)[1:-1],
        "".join(f"\\u{ord(character):04x}" for character in secret),
        "".join(f"&#{ord(character)};" for character in secret),
        "".join(f"&#x{ord(character):x};" for character in secret),
        "".join(f"%{byte:02x}" for byte in raw),
        raw.hex(),
    }
    for safe in ("/", "", "-_.!~*'()", "-_.!~*'();/?:@&=+$,#"):  # Python's two, and JavaScript's two
        percent = quote(raw, safe=safe)
        escaped |= {percent, quote(percent, safe="")}
    escaped.add(quote_plus(raw))
    return {form for form in escaped | _base64_forms(raw) if len(form) >= SHORTEST_SECRET}


def _base64_forms(raw: bytes) -> set[str]:
    """The part of a base64 text that depends on the secret alone, at each of the three alignments."""
    forms = set()
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        first = math.ceil(offset * 8 / 6)
        whole = (offset + len(raw)) * 8 // 6
        core = padded[first:whole]
        if len(core) >= SHORTEST_PREFIX:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return forms
