# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages the role's options select, and what is rejected before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.rewind.vps.plugins.module_utils._errors import INVALID_ARGUMENT, RewindError
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.package_selection import Selection, parse_selection


def parse(packages: Any = "all", exclude: Any = (), **fields: Any) -> Selection:
    return parse_selection({"packages": packages, "exclude": list(exclude), "tasks": [], "roles": [], **fields})


@pytest.mark.parametrize(("packages", "exclude", "text"), [
    ("all", [], "the packages of the operating system"),
    ("security", ["nginx"], "the security updates of the operating system, without nginx"),
    ("all", ["nginx", "mysql", "php"], "the packages of the operating system, without nginx, mysql and php"),
    (["nginx"], [], "the package nginx"),
    (["nginx", "libc6:i386", "g++", "389-ds", "linux-image-6.1_a", "nginx"], [], "the packages nginx, libc6:i386, g++, 389-ds and linux-image-6.1_a"),
])
def test_what_is_selected(packages: Any, exclude: list[str], text: str) -> None:
    assert str(parse(packages, exclude)) == text


def test_the_users_own_upgrade_selects_no_packages() -> None:
    assert parse(tasks=["own.yml"]) == parse(roles=["web"]) == Selection()


@pytest.mark.parametrize(("packages", "exclude", "expected"), [
    ("nginx", [], "guarded_upgrade_packages is 'nginx'"), (5, [], "is 5"), ({"nginx": 1}, [], "is {"), (True, [], "is True"), ("\x1b", [], "is '"),
    ([], [], "names no package"), (["nginx"], ["mysql"], "guarded_upgrade_exclude has no effect on a list of names"),
    (["all"], [], "is a list that contains all"), ("all", ["security"], "guarded_upgrade_exclude is a list that contains security"),
    *((["nginx", name], [], "is no name of a package") for name in (
        "", "-y", "nginx-", "php*", "php8.?", "nginx=1.2", "nginx/stable", "a b", "a\nb", "$(id)", "a;b", "a'b", "é", "--force", ".a", "nginx\n",
        5, None)),
    ("security", ["php*"], "guarded_upgrade_exclude: 'php*' is no name of a package"),
])
def test_what_is_rejected(packages: Any, exclude: list[str], expected: str) -> None:
    with pytest.raises(RewindError) as caught:
        parse(packages, exclude)
    assert caught.value.kind == INVALID_ARGUMENT and expected in caught.value.message and "nothing was started" in caught.value.hint
    assert "\x1b" not in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize("own", [{"tasks": ["own.yml"]}, {"roles": ["web"]}])
@pytest.mark.parametrize(("packages", "exclude", "option"), [
    ("security", [], "packages"), (["nginx"], [], "packages"), ("all", ["nginx"], "exclude"), ([], [], "packages"),
])
def test_an_option_without_effect_is_rejected(own: dict[str, Any], packages: Any, exclude: list[str], option: str) -> None:
    with pytest.raises(RewindError, match=f"guarded_upgrade_{option} has no effect together with guarded_upgrade_tasks or guarded_upgrade_roles"):
        parse(packages, exclude, **own)
