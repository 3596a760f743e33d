# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a real browser: no console error, filters by keyboard, light and dark, narrow and wide."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_builders import few

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PLAYWRIGHT = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
# Without these options Chromium connects to Google. As root it starts only without its sandbox.
ARGUMENTS = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-gpu"]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.duration(10),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with PLAYWRIGHT.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=os.getuid() != 0, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    from ansible_collections.rewind.vps.plugins.plugin_utils._report.render import render

    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(few()), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1600])
def test_report_renders_without_errors(browser: Any, page_url: str, scheme: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.goto(page_url)
    assert errors == []
    assert page.locator("details.server").count() == 6
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(",")) / 3
    assert brightness > 200 if scheme == "light" else brightness < 60, background
    page.close()


def test_filters_work_by_keyboard(browser: Any, page_url: str) -> None:
    page = browser.new_page(viewport={"width": 1600, "height": 900})
    page.goto(page_url)
    rows = page.locator("details.server")

    def visible() -> int:
        return sum(row.is_visible() for row in rows.all())

    expected = [int(text.rpartition("(")[2].rstrip(")")) for text in page.locator(".filters label").all_inner_texts()]
    page.focus("#f-all")
    assert visible() == expected[0] == rows.count()
    for number in expected[1:]:
        page.keyboard.press("ArrowRight")
        assert visible() == number < rows.count()
        focused = page.evaluate("document.activeElement.id")
        assert page.locator(f"label[for={focused}]").evaluate("label => getComputedStyle(label).outlineStyle") != "none", "the focus is not shown"
    page.close()
