# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaks the collection on purpose: every Python that starts with this directory in PYTHONPATH can fail at a chosen function.

REWIND_BREAK names the function: `part.of.the.collection:Class.method`. It is read when the function is called, so a task's
environment can set it. The file that REWIND_BREAK_TEXT names has the exception's text. REWIND_NOISE turns on the HTTP
debugging of libraries.
"""

from __future__ import annotations

import functools
import os
import sys
from importlib import _bootstrap

COLLECTION = "ansible_collections.rewind.vps.plugins."
PLACES = (
    "module_utils._http.session:HttpSession.request", "module_utils._http.session:HttpSession._read",
    "module_utils._http.client:ApiClient._parse_response",
    "module_utils._provider.vpsorg:VpsOrg.list_snapshots", "module_utils._provider.ilkbyte:Ilkbyte.list_snapshots",
    "module_utils._module.snapshot:run", "module_utils._module.context:OperationContext.get_server_and_snapshots",
    "module_utils._wait.polling:wait_until",
    "module_utils._argspec:normalize_params", "module_utils._execute:_validate", "module_utils._execute:_tls_verify",
    "module_utils._redaction:Redactor.redact_text",
    "module_utils._redaction:Redactor.__init__", "plugin_utils._action:InProcessAction._module_reason",
    "plugin_utils._action:InProcessAction._run_in_process", "plugin_utils._action:InProcessAction._credentials_as_options",
    "plugin_utils._guard.client:start_guard", "plugin_utils._guard.client:send_request",
    "plugin_utils._upgrade.record:RunRecord.load", "plugin_utils._upgrade.steps:Steps.run",
    "ansible.module_utils.basic:AnsibleModule.exit_json",
)
BY_MODULE: dict[str, list[str]] = {}
for place in PLACES:
    part = place.partition(":")[0]
    BY_MODULE.setdefault(part if part.startswith("ansible.") else COLLECTION + part, []).append(place)


def _breakable(place: str, function):
    @functools.wraps(function)
    def wrapper(*arguments, **keywords):
        if os.environ.get("REWIND_BREAK") == place:
            with open(os.environ["REWIND_BREAK_TEXT"], encoding="utf-8") as file:
                text = file.read()
            with open(os.environ["REWIND_BREAK_TEXT"] + ".raised", "a", encoding="utf-8") as file:
                file.write(place + "\n")
            raise RuntimeError(text) from ValueError(text)
        return function(*arguments, **keywords)

    return wrapper


def _patch(module) -> None:
    for place in BY_MODULE.pop(module.__name__, ()):
        owner = module
        *path, name = place.partition(":")[2].split(".")
        for step in path:
            owner = getattr(owner, step)
        found = owner.__dict__[name]
        if isinstance(found, classmethod):
            setattr(owner, name, classmethod(_breakable(place, found.__func__)))
        else:
            setattr(owner, name, _breakable(place, found))


_find_and_load = _bootstrap._find_and_load


def _find_load_and_patch(name, import_):
    module = _find_and_load(name, import_)
    if name in BY_MODULE:
        _patch(sys.modules[name])
    return module


_bootstrap._find_and_load = _find_load_and_patch

if os.environ.get("REWIND_NOISE"):
    import http.client
    import logging

    http.client.HTTPConnection.debuglevel = 1
    logging.basicConfig(level=logging.DEBUG)
    for logger in ("urllib3", "urllib3.connectionpool", "requests"):
        logging.getLogger(logger).setLevel(logging.DEBUG)
