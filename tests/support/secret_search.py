# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets in everything that a run leaves behind, in each form in which programs write one.

It does not use the collection's own redactor, so that the two do not share a mistake. It searches for the prefixes of a
secret's encoded forms, and again without white space, since a quoted key may be wrapped. Case never counts.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

MIN_PREFIX = 8  # a prefix of so many characters counts as the secret,
MIN_OWN_CHARS = 3  # if it has so many of the secret's own characters: &#116;&# has one

_WHITE = re.compile(r"(?:\s|\\{1,4}[nrt])+")


@dataclass(frozen=True)
class Hit:
    """A secret that was found."""

    secret: str
    form: str
    channel: str
    context: str

    def __str__(self) -> str:
        return f"{self.secret[:4]}… as {self.form} in {self.channel}: {self.context!r}"


def encodings_of(secret: str) -> dict[str, str]:
    """Return each form's name and text."""
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
    """Return the shortest prefix of a form that counts."""
    min_chars = 0 if name.startswith("base64") else len(encodings_of(secret[:MIN_OWN_CHARS])[name])
    return encodings_of(secret)[name][:max(MIN_PREFIX, min_chars)]


@dataclass
class Searcher:
    """Searches channels for secrets, and counts what it has searched.

    Attributes:
        searched: Number of pairs of a secret's form and a channel.
        characters: Number of characters in all channels.
    """

    secrets: Iterable[str]
    searched: int = 0
    characters: int = 0
    hits: list[Hit] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.secrets = list(self.secrets)
        assert all(len(secret) >= 12 for secret in self.secrets), "too short to distinguish from chance"
        self._forms = {secret: encodings_of(secret) for secret in self.secrets}
        # Forms with the same prefix are one search.
        self._prefixes = {secret: {min_prefix_of(secret, name).lower(): name for name in reversed(forms)} for secret, forms in self._forms.items()}

    def search(self, channel: str, data: bytes | str) -> list[Hit]:
        """Return the hits in one channel, and add them to `hits`."""
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        self.characters += len(text)
        self.searched += sum(len(forms) for forms in self._forms.values())
        found: list[Hit] = []
        folded = text.lower()
        for view in _with_and_without_white_space(folded):
            found += [Hit(secret, name, channel, _context(view, prefix)) for secret, prefixes in self._prefixes.items()
                      for prefix, name in prefixes.items() if prefix in view]
        self.hits += found
        return found


def _base64_forms(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterable[tuple[int, str]]:
    """Yield the part that depends on the secret alone, by how many bytes precede it."""
    for offset in range(3):
        text = encode(b"\0" * offset + raw).decode("ascii").rstrip("=")
        yield offset, text[math.ceil(offset * 8 / 6):(offset + len(raw)) * 8 // 6]


def _with_and_without_white_space(text: str) -> list[str]:
    compact = _WHITE.sub("", text)
    return [text, compact, "".join(text.split())]


def _context(text: str, prefix: str) -> str:
    at = text.find(prefix)
    return text[max(0, at - 160):at + 60]
