# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evaluates the names in an include of tasks or of a role, in every pass of its loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleError
from ansible.template import Templar
from jinja2 import Environment, TemplateSyntaxError, nodes

try:
    from ansible.template import trust_as_template  # since ansible-core 2.19
except ImportError:
    def trust_as_template(value):
        return value

LOOP_QUERY = trust_as_template("{{ query(rewind_loop_with, *rewind_loop_terms) }}")


def include_targets(task: Any, names: dict[str, Any], variables: dict[str, Any], loader: Any) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Return the names that an include can have, each with the variables of its loop.

    Args:
        names: The name and the options whose values are names.
        variables: Those of the task, without a loop.

    Raises:
        Exception: Whatever a template may raise that is known at run time only.
    """
    if task.loop is None:
        yield _evaluate_names(names, variables, loader), {}
        return
    try:
        passes = _loop_passes(task, variables, loader)
    except Exception:  # known at run time only, but the names may not depend on it
        loop_variable = _loop_variable(task, variables, loader)
        yield _evaluate_names(names, {key: value for key, value in variables.items() if key != loop_variable}, loader), {}
        return
    for loop_variables in passes:
        yield _evaluate_names(names, {**variables, **loop_variables}, loader), loop_variables


def _evaluate_names(names: dict[str, Any], variables: dict[str, Any], loader: Any) -> dict[str, str]:
    """Return the names of an include, without those that are omitted."""
    values = Templar(loader=loader, variables=variables).template(names)
    if "name" not in values:
        raise AnsibleError("the name is omitted")
    return {key: str(value) for key, value in values.items() if value != variables.get("omit")}


def _loop_variable(task: Any, variables: dict[str, Any], loader: Any) -> str:
    return str(Templar(loader=loader, variables=variables).template(task.loop_control.loop_var if task.loop_control else None) or "item")


def _loop_passes(task: Any, variables: dict[str, Any], loader: Any) -> list[dict[str, Any]]:
    """Return the variables of each pass of a loop."""
    templar = Templar(loader=loader, variables=variables)
    items = templar.template(task.loop)
    if task.loop_with:
        terms = items if isinstance(items, (list, tuple)) else [items]
        items = Templar(loader=loader, variables={
            **variables, "rewind_loop_with": task.loop_with, "rewind_loop_terms": terms,
        }).template(LOOP_QUERY)
    if not isinstance(items, (list, tuple)):
        return []  # this task fails
    loop_variable, control = _loop_variable(task, variables, loader), task.loop_control
    passes = []
    for index, item in enumerate(items):
        loop_variables = {loop_variable: item}
        if control and control.index_var:
            loop_variables[str(templar.template(control.index_var))] = index
        if control and control.extended:
            loop_variables["ansible_loop"] = {
                "allitems": items, "length": len(items), "index": index + 1, "index0": index, "revindex": len(items) - index,
                "revindex0": len(items) - index - 1, "first": index == 0, "last": index + 1 == len(items),
            }
        passes.append(loop_variables)
    return passes


def is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def names_in(value: Any) -> set[str]:
    """Return the names of the variables in the templates of a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return {name for item in value for name in names_in(item)}
    try:
        return {node.name for node in Environment().parse(str(value)).find_all(nodes.Name)}
    except TemplateSyntaxError:
        return set()
