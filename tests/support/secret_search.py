# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets in what a run has left, in every encoding that may occur.

Made without the collection's own redactor, so that the two don't share a mistake. Two ways at once: the beginnings of a
secret's encoded forms are looked for in the bytes as they are, and the beginning of the secret itself in the bytes with
their escapes undone, which finds forms that mix several escapes. Both again without white space, since a quoted key may
be wrapped. Case never counts.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote

MIN_PREFIX = 8  # a beginning of so many characters counts as the secret,
MIN_OWN_CHARS = 3  # if so many of the secret's own are in it: in &#116;&# there is one

_WHITE = re.compile(r"(?:\s|\\{1,4}[nrt]|%0[ad]|&#1[03];)+", re.IGNORECASE)
_BACKSLASHED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)


@dataclass(frozen=True)
class Hit:
    """Where a secret was found."""

    secret: str
    form: str
    channel: str
    context: str

    def __str__(self) -> str:
        return f"{self.secret[:4]}… as {self.form} in {self.channel}: {self.context!r}"


def encodings_of(secret: str) -> dict[str, str]:
    """Each form's name, and how the secret looks in it."""
    raw = secret.encode()
    as_json = json.dumps(secret)[1:-1]
    percent = quote(secret, safe="")
    every_byte = "".join(f"%{byte:02X}" for byte in raw)
    return {
        "plain": secret,
        "percent": percent,
        "percent, slashes kept": quote(secret),
        "percent, as in a form": quote_plus(secret),
        "percent, lower case": re.sub("%..", lambda code: code.group().lower(), percent),
        "percent, every byte": every_byte,
        "percent, every byte, lower case": every_byte.lower(),
        "percent twice": quote(percent, safe=""),
        **{f"base64 after {offset}": form for offset, form in _base64_forms(raw, base64.b64encode)},
        **{f"base64 for URLs after {offset}": form for offset, form in _base64_forms(raw, base64.urlsafe_b64encode)},
        "JSON": as_json,
        "JSON in JSON": json.dumps(as_json)[1:-1],
        "JSON, slashes escaped": as_json.replace("/", "\\/"),
        "JSON, every character": "".join(f"\\u{ord(character):04x}" for character in secret),
        "JSON, signs as codes": re.sub(r"[^A-Za-z0-9_.\-]", lambda sign: f"\\u{ord(sign.group()):04x}", secret),
        "HTML": html.escape(secret),
        "HTML, quotes kept": html.escape(secret, quote=False),
        "HTML, in numbers": "".join(f"&#{ord(character)};" for character in secret),
        "HTML, signs in hexadecimal": re.sub(r"[^A-Za-z0-9]", lambda sign: f"&#x{ord(sign.group()):x};", secret),
        "hexadecimal": raw.hex(),
        "hexadecimal, upper case": raw.hex().upper(),
        "repr": repr(secret)[1:-1],
        "repr beside both quotes": repr(secret + "'\"")[1:-4],
        "repr of bytes": repr(raw)[2:-1],
    }


def min_prefix_of(secret: str, name: str) -> str:
    """The shortest beginning of a form that counts."""
    min_chars = 0 if name.startswith("base64") else len(encodings_of(secret[:MIN_OWN_CHARS])[name])
    return encodings_of(secret)[name][:max(MIN_PREFIX, min_chars)]


@dataclass
class Searcher:
    """Looks for secrets in channels, and counts what it has looked at.

    :ivar searched: so many pairs of a secret's form and a channel.
    :ivar characters: so many bytes.
    """

    secrets: Iterable[str]
    searched: int = 0
    characters: int = 0
    hits: list[Hit] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.secrets = list(self.secrets)
        assert all(len(secret) >= 12 for secret in self.secrets), "too short to tell from chance"
        self._forms = {secret: encodings_of(secret) for secret in self.secrets}
        # Forms that begin alike are one search.
        self._prefixes = {secret: {min_prefix_of(secret, name).lower(): name for name in reversed(forms)} for secret, forms in self._forms.items()}

    def search(self, channel: str, data: bytes | str) -> list[Hit]:
        """The hits in one channel; they are kept in ``hits``, too."""
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        self.characters += len(text)
        self.searched += sum(len(forms) for forms in self._forms.values())
        found: list[Hit] = []
        folded = text.lower()
        for view in _with_and_without_white_space(folded):
            found += [Hit(secret, name, channel, _context(view, prefix)) for secret, prefixes in self._prefixes.items()
                      for prefix, name in prefixes.items() if prefix in view]
        prefixes = {secret: secret[:MIN_PREFIX].lower() for secret in self.secrets}
        for decoded, how in _decoded(text):
            for view in _with_and_without_white_space(decoded.lower()):
                found += [Hit(secret, f"beginning ({how})", channel, _context(view, prefix)) for secret, prefix in prefixes.items()
                          if prefix in view]
        self.hits += found
        return found


def _base64_forms(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterable[tuple[int, str]]:
    """The part that depends on the secret alone, by how many bytes stand before it."""
    for offset in range(3):
        text = encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        yield offset, text[math.ceil(offset * 8 / 6):(offset + len(raw)) * 8 // 6]


def _with_and_without_white_space(text: str) -> list[str]:
    compact = _WHITE.sub("", text)
    return [text, compact, "".join(text.split())]


def _decoded(text: str) -> Iterable[tuple[str, str]]:
    """The text with escapes undone, up to three deep and in several orders."""
    undo: dict[str, Callable[[str], str]] = {"percent": unquote, "HTML": html.unescape, "backslashes": _without_backslashes}
    seen, pending = {text}, [(text, "")]
    while pending:
        before, how = pending.pop()
        for name, function in undo.items():
            after = function(before)
            if after not in seen:
                seen.add(after)
                path = f"{how} > {name}" if how else name
                yield after, path
                if path.count(">") < 2:
                    pending.append((after, path))


def _without_backslashes(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match.group(1) or match.group(2)
        return chr(int(code, 16)) if code else match.group(3)

    return _BACKSLASHED.sub(plain, text) if "\\" in text else text


def _context(text: str, prefix: str) -> str:
    at = text.find(prefix)
    return text[max(0, at - 160):at + 60]
