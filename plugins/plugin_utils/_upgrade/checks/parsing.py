# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `guarded_upgrade_checks`: from what the user writes to checks with labels."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ....module_utils._errors import invalid_argument
from .base import REQUIRED, WARN, Check
from .registry import CHECK_TYPES

OPTION = "guarded_upgrade_checks"
COMMON_OPTIONS: dict[str, dict[str, Any]] = {
    "level": {"type": "str", "choices": [REQUIRED, WARN], "default": REQUIRED},
    "baseline": {"type": "bool", "default": True},
}


def parse_checks(entries: list[Any]) -> list[Check]:
    """Return each as `type`, `label`, `level`, `baseline` and `options`. Text is the name of a file of tasks.

    Raises:
        RewindError: `invalid_argument`, with the entry and what it takes.
    """
    return [_parse(entry, f"{OPTION}, entry {number}") for number, entry in enumerate(entries, 1)]


def _parse(entry: Any, where: str) -> Check:
    given = {"tasks": entry} if isinstance(entry, str) else entry
    if not isinstance(given, dict):
        raise invalid_argument(f"{where} must be a mapping such as {{port: 443}}, or the name of a file of tasks, not {entry!r}")
    types = [name for name in CHECK_TYPES if name in given]
    if len(types) != 1:
        problem = "has no type of check" if not types else f"has more than one type of check ({', '.join(types)})"
        raise invalid_argument(f"{where} {problem}: {sorted(map(str, given))}", f"give it one of {', '.join(CHECK_TYPES)}")
    check_type = CHECK_TYPES[types[0]]
    options = {**check_type.OPTIONS, **COMMON_OPTIONS}
    unknown = sorted(str(key) for key in given if key not in options)
    if unknown:
        raise invalid_argument(f"{where} has an unknown key: {', '.join(unknown)}", f"a check of the type {types[0]} takes {', '.join(options)}")
    spec = {name: {key: value for key, value in option.items() if key != "description"} for name, option in options.items()}
    validation = ArgumentSpecValidator(spec).validate(given)
    if validation.error_messages:
        raise invalid_argument(f"{where}: {'; '.join(validation.error_messages)}")
    values = {name: validation.validated_parameters.get(name) for name in check_type.OPTIONS}
    try:
        values = check_type.normalize(values)
    except ValueError as error:
        raise invalid_argument(f"{where}: {error}") from None
    common = {name: validation.validated_parameters[name] for name in COMMON_OPTIONS}
    return {"type": types[0], "label": check_type.label(values), **common, "options": values}
