# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses an HTML page strictly: every element is closed in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "input", "br", "hr", "img", "link"}
SVG_SHAPES = {"path", "rect", "line", "circle", "use"}  # in SVG they may close themselves
# What could load or run something, or send something away.
ACTIVE_TAGS = {
    "script", "iframe", "object", "embed", "link", "img", "base", "form", "audio", "video", "source", "image", "foreignobject", "animate", "set",
}


@dataclass
class Element:
    """One element with its children; a text is a plain str among them."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set((self.attributes.get("class") or "").split())

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag: str | None = None, class_: str | None = None) -> list[Element]:
        """Those below it, in the page's order."""
        return [one for one in self._below() if tag in (None, one.tag) and (class_ is None or class_ in one.classes)]

    def one(self, tag: str | None = None, class_: str | None = None) -> Element:
        (found,) = self.all(tag, class_)
        return found

    def by_id(self, id_: str) -> Element:
        (found,) = [one for one in self._below() if one.attributes.get("id") == id_]
        return found

    def _below(self) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._below()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, dummy in attrs]
        assert len(names) == len(set(names)), f"<{tag}> says an attribute twice: {names}"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SVG_SHAPES, f"<{tag}/> is no end in HTML"
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> where <{self.open[-1].tag}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(html: str) -> Element:
    """Return the page's root; an AssertionError if it is not well formed."""
    assert html.startswith("<!doctype html>")
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is never closed"
    ids = [one.attributes["id"] for one in reader.open[0].all() if "id" in one.attributes]
    assert len(ids) == len(set(ids)), "an id is given twice"
    return reader.open[0]


def assert_harmless(root: Element) -> None:
    """Nothing on the page can run, load or send anything, or write in another direction."""
    for element in root.all():
        assert element.tag not in ACTIVE_TAGS, element.tag
        for name, value in element.attributes.items():
            assert not name.startswith("on"), f"{element.tag} {name}"
            assert name not in ("style", "src", "srcset", "action", "formaction", "ping", "background", "xlink:href"), f"{element.tag} {name}"
            assert name != "href" or (value or "").startswith("#"), f"{element.tag} goes to {value}"
    assert not {char for char in root.text if char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\0\x1b"}
