# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's README lists the types of checks as they are registered."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.checks.registry import CHECK_TYPES

README = Path(__file__).resolve().parents[3] / "roles" / "guarded_upgrade" / "README.md"


def expected_table() -> str:
    lines = ["| check | passes if | keys |", "| --- | --- | --- |"]
    for name, check_type in CHECK_TYPES.items():
        keys = [f"`{key}`: {option['description']}{default(option)}" for key, option in check_type.OPTIONS.items()]
        lines.append(f"| `{name}` | {check_type.PASSES_IF} | {'; '.join(keys)} |")
    return "\n".join(lines)


def default(option: dict[str, object]) -> str:
    if option.get("default") is None:
        return ""
    value = option["default"]
    choices = [str(choice) for choice in option.get("choices", ()) if choice != value]  # type: ignore[attr-defined]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f" (`{text}`{''.join(f' or `{choice}`' for choice in choices)})"


def test_the_readme_has_the_table_of_checks() -> None:
    assert expected_table() in README.read_text("utf-8"), f"expected:\n{expected_table()}"
