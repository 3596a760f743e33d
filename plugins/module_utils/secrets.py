# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes secrets out of what leaves a door.

Ansible's C(no_log) hides a value only as it stands. A cloud's message may quote a key percent-encoded, in
base64, JSON-escaped or cut short, so everything that a door returns or shows passes through here first.
"""

from __future__ import annotations

import base64
import html
import json
import math
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

try:
    from ansible.module_utils.secrets import register_secret  # ansible-core 2.22 or newer masks these by itself
except ImportError:
    register_secret = None

MASK = "********"
SHORTEST_PREFIX = 8  # a quoted beginning of this many characters already gives a key away
_FOLD = {ord(letter): letter.lower() for letter in string.ascii_uppercase}  # one character stays one, so places stay
SHORTEST_SECRET = 3  # masking one or two characters would only garble every text


class Scrubber:
    """Replaces every known secret, its encoded forms and their beginnings by a mask."""

    def __init__(self, secrets: list[str | None] | tuple[str | None, ...] = ()) -> None:
        known = {secret.strip() for secret in secrets if secret and len(secret.strip()) >= SHORTEST_SECRET}
        if register_secret is not None:
            for secret in known:
                register_secret(secret)
        # Without regard to case: what quotes a secret may have folded it.
        self._forms = sorted({form.translate(_FOLD) for secret in known for form in _forms(secret)})

    def text(self, text: str) -> str:
        """The text without any secret."""
        # All places first, then the masks: what one form's beginning covers must not hide where another one begins.
        folded = text.translate(_FOLD)
        places = sorted(place for form in self._forms for place in _places(folded, form))
        parts, done = [], 0
        for start, end in places:
            if start >= done:
                parts += [text[done:start], MASK]
            done = max(done, end)
        return "".join(parts) + text[done:]

    def value(self, value: Any) -> Any:
        """The same for nested dicts and lists, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value


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
