# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masks secrets in everything that leaves a task.

Ansible's `no_log` hides a value only in its plain form. A provider's message may quote a key percent-encoded, in base64,
escaped as JSON or HTML, in another letter case, broken over lines or truncated. So all results and messages pass through here first.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from ._text import to_valid_utf8

try:
    from ansible.module_utils.secrets import register_secret
except ImportError:
    register_secret = None

MASK = "********"
MIN_SECRET = 3  # characters; masking less would only garble every text
MIN_PREFIX = 8  # characters at the start of a secret that are enough to give it away
MIN_NUMBER = 10 ** (MIN_PREFIX - 1)  # the smallest number with so many digits
MAX_CACHE = 50_000  # texts that are known to contain no secret: keys and values repeat
MAX_CACHED_CHARS = 64
_FOLD = {ord(letter): letter.lower() for letter in string.ascii_uppercase}  # keeps the length, so positions stay the same
_SCALARS = frozenset({type(None), bool, int, str})
_LINE_BREAK = r"(?:\s|\\{1,4}[nrt])"  # as it is, or escaped; indentation included
_LINE_BREAKS = re.compile(f"{_LINE_BREAK}+")


class Redactor:
    """Replaces every known secret, its encoded forms and their prefixes by a mask."""

    def __init__(self, secrets: list[str | None] | tuple[str | None, ...] = ()) -> None:
        secret_values = {secret.strip() for secret in secrets if secret and len(secret.strip()) >= MIN_SECRET}
        if register_secret is not None:
            for secret in secret_values:
                register_secret(secret)
        # Case does not count: the program that quotes a secret may have changed it.
        self._encodings = sorted({encoding.translate(_FOLD) for secret in secret_values for encoding in _encodings(secret)})
        self._prefixes = sorted({encoding[:MIN_PREFIX] for encoding in self._encodings})
        self._min_chars = min(map(len, self._prefixes), default=0)
        self._clean: set[Any] = {None, False, True}

    def redact_text(self, text: str) -> str:
        if text in self._clean:
            return text
        folded = text.translate(_FOLD)
        if len(text) < self._min_chars or self._is_clean(folded):
            if len(text) <= MAX_CACHED_CHARS and len(self._clean) < MAX_CACHE and text.isascii():
                self._clean.add(text)
            return text
        return self._mask(text, folded)

    def redact(self, value: Any) -> Any:
        """Redact texts in nested dicts and lists, keys included, and numbers with as many digits as a prefix.

        Replaces what UTF-8 cannot encode in the same walk, since every result needs both.
        """
        clean = self._clean
        # A listing has 100,000 values and more. Most of them were seen before, so those cost no call.
        if isinstance(value, dict):
            return {
                key if key in clean else self.redact(key): item if type(item) in _SCALARS and item in clean else self.redact(item)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [item if type(item) in _SCALARS and item in clean else self.redact(item) for item in value]
        if isinstance(value, str):
            return to_valid_utf8(self.redact_text(value))
        if isinstance(value, (int, float)) and (isinstance(value, float) or not -MIN_NUMBER < value < MIN_NUMBER):
            redacted = self.redact_text(str(value))
            return value if redacted == str(value) else redacted
        return value

    def _is_clean(self, folded: str) -> bool:
        """Return whether a quick test proves that no encoding starts anywhere. It does so for almost every text."""
        if "\\" in folded or any(prefix in folded for prefix in self._prefixes):
            return False  # a backslash may belong to a line break or to an encoding
        unbroken = "".join(folded.split())
        return len(unbroken) == len(folded) or not any(prefix in unbroken for prefix in self._prefixes)

    def _mask(self, text: str, folded: str) -> str:
        # Find all positions before masking any: one encoding's prefix may hide the start of another one.
        parts, masked_until = [], 0
        for start, end in sorted(span for encoding in self._encodings for span in _find_spans(folded, encoding)):
            if start >= masked_until:
                parts += [text[masked_until:start], MASK]
            masked_until = max(masked_until, end)
        return "".join(parts) + text[masked_until:]


def _find_spans(text: str, encoding: str) -> Iterator[tuple[int, int]]:
    """Yield where the text agrees with the encoding from its start, for MIN_PREFIX characters or more. Spans may overlap."""
    prefix = re.compile(f"{_LINE_BREAK}*".join(map(re.escape, encoding[:MIN_PREFIX])))
    match = prefix.search(text)
    while match:
        end = match.end()
        for expected in encoding[MIN_PREFIX:]:
            if not text.startswith(expected, end):
                line_break = _LINE_BREAKS.match(text, end)
                if line_break is None or not text.startswith(expected, line_break.end()):
                    break
                end = line_break.end()
            end += 1
        yield match.start(), end
        match = prefix.search(text, match.start() + 1)


def _encodings(secret: str) -> set[str]:
    """Return the forms in which programs write a secret."""
    try:
        raw = secret.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone half of a UTF-16 pair, which YAML allows
        raw = secret.encode("utf-8", "surrogatepass")
    as_json = json.dumps(secret)[1:-1]
    found = {
        secret,
        as_json, json.dumps(secret, ensure_ascii=False)[1:-1], as_json.replace("/", "\\/"), json.dumps(as_json)[1:-1],
        html.escape(secret), html.escape(secret).replace("&#x27;", "&#39;"), html.escape(secret, quote=False),
        repr(secret)[1:-1], repr(secret + "'\"")[1:-4],  # the second one: beside both kinds of quotes
        raw.hex(),
        "".join(f"%{byte:02x}" for byte in raw),
    }
    for form in ("\\u{:04x}", "&#{};", "&#x{:x};"):  # all characters as numbers, or all but letters and digits
        found.add("".join(form.format(ord(character)) for character in secret))
        found.add(re.sub(r"[^A-Za-z0-9]", lambda sign, form=form: form.format(ord(sign.group())), secret))
    found.add(re.sub(r"[^A-Za-z0-9_.\-]", lambda sign: f"\\u{ord(sign.group()):04x}", secret))
    for safe in ("/", "", "-_.!~*'()", "-_.!~*'();/?:@&=+$,#"):  # Python's two, and JavaScript's two
        percent = quote(raw, safe=safe)
        found |= {percent, quote(percent, safe="")}
    found.add(quote_plus(raw))
    return {encoding for encoding in found | _base64_encodings(raw) if len(encoding) >= MIN_SECRET}


def _base64_encodings(raw: bytes) -> set[str]:
    """Return the part of a base64 text that depends on the secret alone, at each of the three alignments."""
    encodings = set()
    for offset in range(3):
        padded = base64.b64encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        first = math.ceil(offset * 8 / 6)
        end = (offset + len(raw)) * 8 // 6
        core = padded[first:end]
        if len(core) >= MIN_PREFIX:
            encodings |= {core, core.replace("+", "-").replace("/", "_")}
    return encodings
