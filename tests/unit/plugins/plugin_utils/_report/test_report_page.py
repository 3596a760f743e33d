# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: its content, the escaping of external text, and contrast."""

from __future__ import annotations

import base64
import hashlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as some
from report_builders import DAY, HOUR, account, few, gathered, many, schedule, server, snapshot, unreadable, upgrade
from support.html import assert_harmless, read_page

from ansible_collections.rewind.vps.plugins.plugin_utils._report.formatting import truncate
from ansible_collections.rewind.vps.plugins.plugin_utils._report.render import render
from ansible_collections.rewind.vps.plugins.plugin_utils._report.server_view import build_server_reports


def rows(page):
    return {row.one("h3").text: row for row in page.all("details", "server")}


def markers(row):
    return [(use.attributes["href"][3:], use.attributes["x"]) for use in row.one("svg", "line").all("use") if use.attributes["href"] != "#grid"]


def test_content():
    page = read_page(render(few()))
    assert_harmless(page)
    assert page.one("html").attributes["lang"] == "en" and page.one("h1").text == "Servers and snapshots"
    assert "2026-07-01 12:00 UTC" in page.one("header").text and "VPS.org production, Ilkbyte" in page.one("header").text
    assert [link.text for link in page.one("ul", "urgent").all("a")] == ["api1", "mail1", "shop1", "staging", "db1"]
    assert [label.text for label in page.all("label")] == ["All (6)", "Needs attention (5)", "No ready snapshot (1)", "Full or nearly (1)"]
    servers = rows(page)
    assert not [name for name, row in servers.items() if "open" in row.attributes], "more than a few need attention"
    assert "5 of 5" in servers["shop1"].text and len(servers["shop1"].all("rect", "on")) == 5
    assert markers(servers["mail1"]) == [("ready", "45.0%"), ("failed", "35.0%")], "no marker covers a failed one"
    cells = [cell.text for cell in servers["app1"].one("tbody").all("tr")[0].all("td")]
    assert cells == ["nightly", "10 h", "2026-07-01 02:00", "unknown", " ready, current",
                     "every day at 02:03 (provider's time); next 2026-07-02 02:00 UTC, in 14 h", "–"]
    assert "nothing to restore" in servers["staging"].text
    titles = [title.text for title in servers["app1"].all("title")]
    assert titles[-2:] == ["nightly: 10 h old, 2026-07-01 02:00 UTC, ready, on a schedule, current", "nightly: re-created in 14 h"]


def test_links_and_table_headers():
    page = read_page(render(few()))
    ids = {one.attributes["id"] for one in page.all() if "id" in one.attributes}
    for element in page.all():
        for name in ("href", "for", "aria-labelledby"):
            if name in element.attributes:
                assert element.attributes[name].lstrip("#") in ids, element
    assert all(head.attributes["scope"] == "col" for head in page.all("th")) and page.all("th")
    for table in page.all("table"):
        columns = len(table.one("thead").all("th"))
        assert all(len(line.all("td")) == columns for line in table.one("tbody").all("tr"))


def test_empty_pages():
    page = read_page(render(gathered()))
    assert "no run records" in page.by_id("upgrades").text and not page.all("details")
    few_need_attention = rows(read_page(render(gathered(account([server(), server("2", "web2")], [snapshot("a", HOUR, "2")])))))
    assert {name for name, row in few_need_attention.items() if "open" in row.attributes} == {"web1"}
    empty = read_page(render(gathered(account([], []), error="/root/x cannot be read (Permission denied)")))
    assert "This account has no servers." in empty.text and "cannot be read (Permission denied)" in empty.by_id("upgrades").text


def test_what_is_unknown_is_called_unknown():
    fleet = gathered(account([server()], None, error="Rejected."), account(None, None, label="Other", error="Rejected <x>."))
    page = read_page(render(fleet))
    assert [notice.one("p").text for notice in page.all("div", "notice")] == [
        "This account could not be read completely. Rejected.", "This account could not be read completely. Rejected <x>."]
    assert "could not be listed" in rows(page)["web1"].text and "nothing to restore" not in rows(page)["web1"].text
    odd = snapshot("odd", None, size_mb=None, schedule=schedule(None, None, 1, None))
    cells = [cell.text for cell in rows(read_page(render(gathered(account([server()], [odd])))))["web1"].one("tbody").all("td")]
    assert cells[1:4] == ["unknown"] * 3 and cells[5] == "on a schedule; next run unknown"


HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</style><style>*{display:none}", "</title></svg><iframe src=//x>", "&lt;b&gt;",
    "{{ 7*7 }}", "{% raw %}", "' onmouseover='x", "\u202egnp.exe", "\u2066\u2067", "\0\x1b[2J\r\n", "x" * 10_000, "\u0301" * 500, "]]>-->", "\ufffd",
)


def with_text(text):
    """Return data in which every external text is this one."""
    item = snapshot(text, DAY, text, id=text, description=text, status="failed", provider_status=text, parent=text, schedule=schedule())
    run = upgrade("rolled_back", host=text, server_id=text, provider_name=text, snapshot=text, message=text, reason=text, run_record=text,
                  verification=[{"check": text, "result": "passed", "detail": text}])
    host = server(text, text, power_state=text, task_state=text, address=text)
    return gathered(account([host], [item], label=text, error=text), runs=[run, unreadable(message=text, run_record=text)], error=text)


@pytest.fixture(scope="module")
def skeleton():
    """The elements of a page with a harmless text."""
    return shape(render(with_text("web1")))


def shape(html):
    """Return the elements and attributes of a page in order, without text."""
    page = read_page(html)
    assert_harmless(page)
    return [(element.tag, sorted(element.attributes)) for element in page.all()]


@pytest.mark.parametrize("text", HOSTILE)
def test_external_text_stays_text(skeleton, text):
    html = render(with_text(text))
    assert shape(html) == skeleton, "the text has opened or closed an element"
    assert len(html) < 80_000, "long text is truncated"
    assert list(rows(read_page(html))) == [truncate(text)], "the text is shown unchanged"


@given(text=some.text(min_size=1, max_size=60) | some.text(alphabet="<>&\"'/=-![]{}%#\\ abs;:\u202e\0", min_size=1, max_size=60))
def test_any_external_text_stays_text(skeleton, text):
    html = render(with_text(text))
    assert shape(html) == skeleton
    assert list(rows(read_page(html))) == [truncate(text)]


def test_the_content_security_policy_admits_only_this_style():
    html = render(few())
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]+)"', html).group(1)
    style = re.search("<style>(.*)</style>", html, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.replace("&#39;", "'") == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert html.index("Content-Security-Policy") < html.index("<style>")
    assert not re.search(r"url\(|@import|https?://|//[a-z]", style)
    assert not re.search(r"(?<!//cloud\.example)https?://", html.replace(style, "")), "no external resource"


def test_size_and_time_of_a_page_with_500_servers():
    fleet = many()
    started = time.monotonic()
    html = render(fleet)
    assert time.monotonic() - started < 10
    assert len(html.encode()) < 3_000_000
    assert html.count('<details class="server') == 500 and html.count('<ul class="urgent">') == 2, "all but the first few are collapsed"
    assert not re.search("<details[^>]* open", html)


def test_rows_that_lack_anything_are_shown_with_what_they_have() -> None:
    bare = dict.fromkeys(("id", "name", "power_state", "task_state", "address"))
    odd = [
        snapshot("undated", None), {**snapshot("x", DAY), "name": None, "id": None},
        snapshot("archived", DAY, status="unknown", provider_status="odd"),
        {**snapshot("stray", DAY), "server": {"id": None, "name": None}}, {**snapshot("named", DAY), "server": {"id": "77", "name": "web2"}},
    ]
    account_with_odd_rows = account([server(), server("uuid", "web2"), bare, bare], odd)
    page = render(gathered(account_with_odd_rows))
    assert all(text in page for text in ("undated", "unnamed snapshot", "archived", "unknown (odd)", "unnamed server", "stray", "named"))
    reports = {(report.server["id"], len(report.snapshots or [])) for report in build_server_reports(gathered(account_with_odd_rows))}
    assert reports == {("12345", 3), ("uuid", 1), (None, 0), (None, 1)}
    assert "1 unknown" in page
