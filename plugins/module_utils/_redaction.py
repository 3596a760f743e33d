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
MIN_PREFIX = 8  # a quoted beginning of this many characters already gives a key away
_FOLD = {ord(letter): letter.lower() for letter in string.ascii_uppercase}  # one character stays one, so places stay
MIN_SECRET = 3  # masking one or two characters would only garble every text
_SPECIAL = "%&\\"  # one of these stands in every spelling of a character other than itself
MAX_CACHE = 20_000  # texts that are remembered to be clean: keys and words come again and again
MAX_CACHED_CHARS = 64
MIN_MATCH = 3  # characters of a secret in a row, in any spelling, with which a closer look begins
# What may stand in the middle of a secret that is wrapped; in the second case escaped as well.
_WRAPPING = (re.compile(r"\s+"), re.compile(r"(?:\s|\\{1,4}[nrt]|%(?:25){0,2}0[ad]|&#1[03];|&#x[ad];)+"))


class Redactor:
    """Replaces every known secret, its encoded forms and their beginnings by a mask."""

    def __init__(self, secrets: list[str | None] | tuple[str | None, ...] = ()) -> None:
        secret_values = {secret.strip() for secret in secrets if secret and len(secret.strip()) >= MIN_SECRET}
        if register_secret is not None:
            for secret in secret_values:
                register_secret(secret)
        # Without regard to case: what quotes a secret may have folded it.
        self._encodings = sorted({encoding.translate(_FOLD) for secret in secret_values for encoding in _encodings(secret)})
        self._prefixes = sorted({encoding[:MIN_PREFIX] for encoding in self._encodings})
        self._per_char = [_PerCharEncodings(secret) for secret in sorted(secret_values) if len(secret) >= MIN_PREFIX]
        self._folds_non_ascii = not all(secret.isascii() for secret in secret_values)  # other letters may be written in another case
        self._clean_texts: set[str] = set()

    def redact_text(self, text: str) -> str:
        """The text without any secret."""
        if text in self._clean_texts:
            return text
        folded = text.translate(_FOLD)
        if self._is_clean(folded):
            if len(text) <= MAX_CACHED_CHARS and len(self._clean_texts) < MAX_CACHE:
                self._clean_texts.add(text)
            return text
        return self._mask(text, folded)

    def _is_clean(self, folded: str) -> bool:
        """A quick look that is right about almost every text: no form begins in it, and no character is written as something else."""
        if self._folds_non_ascii or any(special in folded for special in _SPECIAL) or any(prefix in folded for prefix in self._prefixes):
            return False
        unwrapped = "".join(folded.split())
        return len(unwrapped) == len(folded) or not any(prefix in unwrapped for prefix in self._prefixes)

    def _mask(self, text: str, folded: str) -> str:
        # All places first, then the masks: what one form's beginning covers must not hide where another one begins.
        spans = list(self._find_spans(folded, 1))
        for wrapping in _WRAPPING:
            unwrapped = _Unwrapped(folded, wrapping)
            if unwrapped.text != folded:
                spans += [unwrapped.original_span(*span) for span in self._find_spans(unwrapped.text, MIN_PREFIX)]
        parts, masked_until = [], 0
        for start, end in sorted(spans):
            if start >= masked_until:
                parts += [text[masked_until:start], MASK]
            masked_until = max(masked_until, end)
        return "".join(parts) + text[masked_until:]

    def redact(self, value: Any) -> Any:
        """The same for nested dicts and lists, keys included, and for numbers that are as long as a secret."""
        if isinstance(value, str):
            return self.redact_text(value)
        if isinstance(value, dict):
            return {self.redact(key): self.redact(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.redact(item) for item in value]
        if isinstance(value, (int, float)) and len(str(value)) >= MIN_PREFIX:
            redacted = self.redact_text(str(value))
            return value if redacted == str(value) else redacted
        return value

    def _find_spans(self, text: str, min_length: int) -> Iterator[tuple[int, int]]:
        for encoding in self._encodings:
            if len(encoding) >= min_length:
                yield from _find_spans(text, encoding)
        for per_char in self._per_char:
            yield from per_char.find_spans(text)


class _Unwrapped:
    """A text without its gaps."""

    def __init__(self, text: str, wrapping: re.Pattern[str]) -> None:
        parts: list[str] = []
        self._starts: list[int] = []  # where each part begins here
        self._original_starts: list[int] = []  # and in the whole text
        length = part_start = 0
        for start, end in [*(wrap.span() for wrap in wrapping.finditer(text)), (len(text), len(text))]:
            self._starts.append(length)
            self._original_starts.append(part_start)
            parts.append(text[part_start:start])
            length += start - part_start
            part_start = end
        self.text = "".join(parts)

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the whole text."""
        return self._original_index(start), self._original_index(end - 1) + 1

    def _original_index(self, index: int) -> int:
        part = bisect.bisect_right(self._starts, index) - 1
        return self._original_starts[part] + index - self._starts[part]


def _find_spans(text: str, encoding: str) -> Iterator[tuple[int, int]]:
    """Where text runs like form from its beginning, for MIN_PREFIX characters or more; places may overlap."""
    prefix = encoding[:MIN_PREFIX]
    start = text.find(prefix)
    while start >= 0:
        end = start + len(prefix)
        for expected in encoding[MIN_PREFIX:]:
            if end >= len(text) or text[end] != expected:
                break
            end += 1
        yield start, end
        start = text.find(prefix, start + 1)


class _PerCharEncodings:
    """A secret of which each character may be written in a way of its own."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._folds_non_ascii = not secret.isascii()

    # Few texts have anything that could be a spelling, so all this is worked out for the first one that has.
    @functools.cached_property
    def _char_encodings(self) -> list[list[str]]:
        return [_char_encodings(character) for character in self._secret]

    @functools.cached_property
    def _prefix_pattern(self) -> re.Pattern[str]:
        return re.compile("".join(f"(?:{'|'.join(map(re.escape, encodings))})" for encodings in self._char_encodings[:MIN_MATCH]))

    def find_spans(self, text: str) -> Iterator[tuple[int, int]]:
        if not self._folds_non_ascii and not any(special in text for special in _SPECIAL):
            return  # as it is, it is one of the forms
        match = self._prefix_pattern.search(text)
        while match:
            end = self._match_end(text, match.start())
            if end - match.start() >= MIN_PREFIX:
                yield match.start(), end
            match = self._prefix_pattern.search(text, match.start() + 1)

    def _match_end(self, text: str, start: int) -> int:
        """How far the text goes on as the secret does."""
        ends = {start}  # one text may be read in several ways: all of them are followed
        for encodings in self._char_encodings:
            next_ends = {end + len(encoding) for end in ends for encoding in encodings if text.startswith(encoding, end)}
            if not next_ends:
                return max(end + _common_prefix_length(text, end, encodings) for end in ends)  # the last one may be cut
            ends = next_ends
        return max(ends)


def _common_prefix_length(text: str, index: int, encodings: list[str]) -> int:
    """How many characters the text has in common with the beginning of the most fitting spelling."""
    return max(next((count for count in range(len(encoding), 0, -1) if text.startswith(encoding[:count], index)), 0) for encoding in encodings)


_HTML_NAMES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


def _char_encodings(character: str) -> list[str]:
    """How one character of a secret may be written, folded; its case may have changed before it was written so."""
    return sorted({encoding.translate(_FOLD) for case in (character, character.lower(), character.upper()) if len(case) == 1
                   for encoding in _char_encodings_of_case(case)})


def _char_encodings_of_case(character: str) -> list[str]:
    code = ord(character)
    units = character.encode("utf-16-be", "surrogatepass").hex()
    percent = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
    escaped = "".join(f"\\u{units[start:start + 4]}" for start in range(0, len(units), 4))
    html_codes = [f"#{code};", f"#{code:03};", f"#x{code:x};", f"#x{code:02x};", *(f"{name};" for name in [_HTML_NAMES.get(character)] if name)]
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


def _encodings(secret: str) -> set[str]:
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
    return {encoding for encoding in escaped | _base64_encodings(raw) if len(encoding) >= MIN_SECRET}


def _base64_encodings(raw: bytes) -> set[str]:
    """The part of a base64 text that depends on the secret alone, at each of the three alignments."""
    encodings = set()
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        first = math.ceil(offset * 8 / 6)
        end = (offset + len(raw)) * 8 // 6
        core = padded[first:end]
        if len(core) >= MIN_PREFIX:
            encodings |= {core, core.replace("+", "-").replace("/", "_")}
    return encodings
