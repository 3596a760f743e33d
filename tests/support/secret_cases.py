# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that could make a module show its credentials, which are given in every possible way."""

from __future__ import annotations

from typing import Any

from support.cases import RESET_CALLS, TaskFactory, add_snapshot, fault
from support.playbook_runner import Call, TaskCase
from support.secret_search import encodings_of

# With signs that look another way in each encoding, near their beginnings and further on.
TOKEN = "t+K/\"\\=&%41<'>?:~tail9xyzuvw"
ACCESS = "A&c/3+s\"S<k%42'y\\=abcdefgh"
SECRET = "S%c=3/t'K+\"y\\&<43ijklmnopq"
SECRETS = {"vpsorg": [TOKEN], "ilkbyte": [ACCESS, SECRET]}
ADD_CREDENTIALS: Call = ("add_credentials", {"vpsorg_token": {"token": TOKEN},
                                             "ilkbyte_key": {"access_key": ACCESS, "secret_key": SECRET}})
OPTIONS = {"vpsorg": {"api_token": TOKEN}, "ilkbyte": {"access_key": ACCESS, "secret_key": SECRET}}
VARIABLES = {"vpsorg": {"VPS_API_TOKEN": TOKEN}, "ilkbyte": {"ILKBYTE_ACCESS_KEY": ACCESS, "ILKBYTE_SECRET_KEY": SECRET}}
NO_CREDENTIALS = {"api_token": None, "access_key": None, "secret_key": None}

# How credentials reach a task. "controller" is the environment of ansible-playbook.
CREDENTIAL_SOURCES = ("options", "vars", "module_defaults", "environment", "controller")


def task_credentials(cloud: str, source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A task's options and keywords for one way."""
    plain_case = {name: None for name in OPTIONS[cloud]}
    if source == "options":
        return OPTIONS[cloud], {}
    if source == "vars":
        return {name: "{{ my_" + name + " }}" for name in plain_case}, {"vars": {f"my_{name}": value for name, value in OPTIONS[cloud].items()}}
    if source == "module_defaults":
        return plain_case, {"module_defaults": {"group/rewind.vps.all": OPTIONS[cloud]}}
    if source == "environment":
        return plain_case, {"environment": VARIABLES[cloud]}
    return plain_case, {}


def message_with_secrets(cloud: str) -> str:
    """What a cloud may say that quotes a request: each secret in each form, whole, cut short and wrapped, and its last characters."""
    parts = []
    for secret in SECRETS[cloud]:
        parts.append(f"{secret[-4:]} in the end")  # the last four give nothing away
        for name, form in encodings_of(secret).items():
            parts += [f"{name} >{form}<", f">{form[:8]}<", f">{form[:5]}\r\n{form[5:]}<"]
    return "; ".join(parts)


def split_message(text: str, size: int = 450) -> list[str]:
    """A long message as several that are quoted in whole, cut between two of its parts."""
    pieces = [""]
    for part in text.split("; "):
        if len(pieces[-1]) + len(part) > size:
            pieces.append("")
        pieces[-1] += part + "; "
    return pieces


def cases_with_credentials(tasks: TaskFactory, source: str, *setup: Call) -> list[TaskCase]:
    """One task that works and some that fail, and their results written down, all with credentials given in one way."""
    cloud = tasks.cloud
    options, keywords = task_credentials(cloud, source)
    lists = {"cloud": cloud, "operation": "snapshots.list", "times": None}
    message = message_with_secrets(cloud)
    refusal = {"detail": message} if cloud == "vpsorg" else {"status": False, "message": "", "error": message, "data": None}
    shape = {"results": [{"id": message}], "status": True, "data": {"snapshots": [{message: message}]}}

    def step(title: str, module: str, /, *more_setup: Call, **more: Any) -> TaskCase:
        all_keywords = {**keywords, "register": "seen"}
        return tasks(module, *RESET_CALLS, ADD_CREDENTIALS, add_snapshot(cloud, "one"), *setup, *more_setup, step=f"{source}: {title}",
                     keywords=all_keywords, **{**options, **more})

    def plain_case(name: str, **task: Any) -> TaskCase:
        return TaskCase(f"{source}: {name}", task)

    secret = SECRETS[cloud][0]
    return [
        step("works", "snapshot", name="two"),
        step("secrets as other options", "snapshot", name=secret, description=secret),
        plain_case("shown", **{"ansible.builtin.debug": {"var": "seen"}}),
        step("refused", "snapshot", fault("raw", status=400 if cloud == "vpsorg" else 200, body=refusal, **lists), name="two"),
        plain_case("written down", **{"ansible.builtin.copy": {"dest": "{{ lookup('env', 'HOME') }}/" + f"{source}.json",
                                                               "content": "{{ seen | to_nice_json }}", "mode": "0600"}}),
        step("shape", "snapshot_info", fault("raw", body=shape, **lists)),
        step("unknown option", "server_info", **{"server": None, secret: secret}),
    ]
