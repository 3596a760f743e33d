# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that tempt a module to show its credentials, with these given in each of the ways there are."""

from __future__ import annotations

from typing import Any

from support.cases import RESET_CALLS, TaskFactory, add_snapshot, fault
from support.playbook_runner import Call, TaskCase
from support.secret_search import forms_of

# With signs that look another way in each encoding, near their beginnings and further on.
TOKEN = "t+K/\"\\=&%41<'>?:~tail9xyzuvw"
ACCESS = "A&c/3+s\"S<k%42'y\\=abcdefgh"
SECRET = "S%c=3/t'K+\"y\\&<43ijklmnopq"
SECRETS = {"vpsorg": [TOKEN], "ilkbyte": [ACCESS, SECRET]}
ADDED: Call = ("add_credentials", {"vpsorg_token": {"token": TOKEN},
                                   "ilkbyte_key": {"access_key": ACCESS, "secret_key": SECRET}})
OPTIONS = {"vpsorg": {"api_token": TOKEN}, "ilkbyte": {"access_key": ACCESS, "secret_key": SECRET}}
VARIABLES = {"vpsorg": {"VPS_API_TOKEN": TOKEN}, "ilkbyte": {"ILKBYTE_ACCESS_KEY": ACCESS, "ILKBYTE_SECRET_KEY": SECRET}}
NONE_GIVEN = {"api_token": None, "access_key": None, "secret_key": None}

# How credentials reach a task. "controller" is the environment of ansible-playbook.
WAYS = ("options", "vars", "module_defaults", "environment", "controller")


def given(cloud: str, way: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A task's options and keywords for one way."""
    own = {name: None for name in OPTIONS[cloud]}
    if way == "options":
        return OPTIONS[cloud], {}
    if way == "vars":
        return {name: "{{ my_" + name + " }}" for name in own}, {"vars": {f"my_{name}": value for name, value in OPTIONS[cloud].items()}}
    if way == "module_defaults":
        return own, {"module_defaults": {"group/rewind.vps.all": OPTIONS[cloud]}}
    if way == "environment":
        return own, {"environment": VARIABLES[cloud]}
    return own, {}


def quoting(cloud: str) -> str:
    """What a cloud may say that quotes a request: each secret in each form, whole, cut short and wrapped, and its last characters."""
    parts = []
    for secret in SECRETS[cloud]:
        parts.append(f"{secret[-4:]} in the end")  # the last four give nothing away
        for name, form in forms_of(secret).items():
            parts += [f"{name} >{form}<", f">{form[:8]}<", f">{form[:5]}\r\n{form[5:]}<"]
    return "; ".join(parts)


def in_pieces(text: str, size: int = 450) -> list[str]:
    """A long message as several that are quoted in whole, cut between two of its parts."""
    pieces = [""]
    for part in text.split("; "):
        if len(pieces[-1]) + len(part) > size:
            pieces.append("")
        pieces[-1] += part + "; "
    return pieces


def tempting(tasks: TaskFactory, way: str, *setup: Call) -> list[TaskCase]:
    """One task that works and some that fail, and their results written down, all with credentials given in one way."""
    cloud = tasks.cloud
    options, keywords = given(cloud, way)
    lists = {"cloud": cloud, "operation": "snapshots.list", "times": None}
    said = quoting(cloud)
    refusal = {"detail": said} if cloud == "vpsorg" else {"status": False, "message": "", "error": said, "data": None}
    shape = {"results": [{"id": said}], "status": True, "data": {"snapshots": [{said: said}]}}

    def step(title: str, module: str, /, *more_setup: Call, **more: Any) -> TaskCase:
        words = {**keywords, "register": "seen"}
        return tasks(module, *RESET_CALLS, ADDED, add_snapshot(cloud, "one"), *setup, *more_setup, step=f"{way}: {title}", keywords=words, **{**options, **more})

    def own(name: str, **task: Any) -> TaskCase:
        return TaskCase(f"{way}: {name}", task)

    secret = SECRETS[cloud][0]
    return [
        step("works", "snapshot", name="two"),
        step("secrets as other options", "snapshot", name=secret, description=secret),
        own("shown", **{"ansible.builtin.debug": {"var": "seen"}}),
        step("refused", "snapshot", fault("raw", status=400 if cloud == "vpsorg" else 200, body=refusal, **lists), name="two"),
        own("written down", **{"ansible.builtin.copy": {"dest": "{{ lookup('env', 'HOME') }}/" + f"{way}.json",
                                                        "content": "{{ seen | to_nice_json }}", "mode": "0600"}}),
        step("shape", "snapshot_info", fault("raw", body=shape, **lists)),
        step("unknown option", "server_info", **{"server": None, secret: secret}),
    ]
