# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in any form leaves through either door, however loud Ansible is asked to be and whatever goes wrong."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from support.clouds import FRESH, Tasks, fault, planted
from support.stage import DOORS, Call, Run, Stage, Step, door_of

pytestmark = pytest.mark.playbook

# With characters that look another way when encoded.
TOKEN = "vps+T0p/S3cr=t&Tok%41en?x"
ACCESS = "Acc+3ss/K3y=&%42abcdefgh"
SECRET = "S3cr+t/K3y=&%43ijklmnopq"
SECRETS = {"vpsorg": [TOKEN], "ilkbyte": [ACCESS, SECRET]}
ADDED: Call = ("add_credentials", {"vpsorg_token": {"token": TOKEN},
                                   "ilkbyte_key": {"access_key": ACCESS, "secret_key": SECRET}})


def forms(secret: str) -> dict[str, str]:
    """A secret as it may turn up, in whole or by its beginning."""
    raw = secret.encode()
    return {
        "plain": secret,
        "its beginning": secret[:8],
        "percent-encoded": quote(secret, safe=""),
        "in a query": quote_plus(secret),
        "percent-encoded in lower case": re.sub("%..", lambda code: code.group().lower(), quote(secret, safe="")),
        "in base64": base64.b64encode(raw).decode()[:24],
        "in base64 after one character": base64.b64encode(b":" + raw).decode()[2:24],
        "in base64 after two": base64.b64encode(b"::" + raw).decode()[3:24],
        "in JSON": json.dumps(secret)[1:-1],
        "in hexadecimal": raw.hex(),
    }


def quoting(cloud: str) -> str:
    """What a cloud may say that quotes a request."""
    return "; ".join(f"{name} >{form}<" for secret in SECRETS[cloud] for name, form in forms(secret).items())


def steps_for(tasks: Tasks) -> list[Step]:
    cloud = tasks.cloud
    mine = {"api_token": TOKEN} if cloud == "vpsorg" else {"access_key": ACCESS, "secret_key": SECRET}
    said = quoting(cloud)
    refusal = {"detail": said} if cloud == "vpsorg" else {"status": False, "message": "", "error": said, "data": None}
    lists = {"cloud": cloud, "operation": "snapshots.list", "times": None}
    page = f"<html><body>{said}</body></html>"
    world = (*FRESH, ADDED, planted(cloud, "one"))

    def failing(name: str, kind: str, **details: object) -> Step:
        return tasks("snapshot", *world, fault(kind, **lists, **details), step=name, name="two", **mine)

    return [
        tasks("snapshot", *world, step="works", name="two", **mine),
        tasks("snapshot", *world, step="secrets as other options", name="two", description=TOKEN, **mine),
        tasks("snapshot_restore", *FRESH, step="unauthorized", name="one", **mine),
        failing("refused", "raw", status=400 if cloud == "vpsorg" else 200, body=refusal),
        failing("refused, 403", "status", status=403, body=refusal),
        failing("page", "html", status=503, body=page, headers={"Retry-After": "0"}),
        failing("redirect", "redirect", location=f"https://example.com/?{said}"),
        failing("fields", "raw", status=400, body={said: [said]}),
        failing("shape", "raw", body={"results": [{"id": said}], "status": True, "data": {"snapshots": [{"nmae": said}]}}),
        tasks("server_info", *world, step="unreachable", api_url="http://127.0.0.1:9/api", **mine),
        tasks("server_info", *world, step="secrets in the URL", api_url=f"https://{TOKEN}@example.com/", **mine),
        tasks("snapshot", *world, step="unknown option", name="two", token=TOKEN, **mine),
    ]


def check(run: Run, notes: str, cloud: str) -> None:
    for secret in SECRETS[cloud]:
        for name, form in forms(secret).items():
            for place, text in (("stdout", run.stdout), ("stderr", run.stderr), ("results", notes)):
                at = text.find(form)
                assert at < 0, f"{name} in {place}: {text[max(0, at - 1500):at + 60]}"


@pytest.mark.parametrize("door", DOORS)
def test_loud_and_failing(stage: Stage, tasks: Tasks, door: str) -> None:
    run = stage.play(*steps_for(tasks), door=door, arguments=("-vvvv", "--diff"))
    assert door_of(run) == door
    for name, kind in {"unauthorized": "unauthorized", "refused, 403": "forbidden", "page": "provider_broken",
                       "redirect": "bad_answer", "unreachable": "unreachable", "shape": "bad_answer"}.items():
        assert run[name].error["kind"] == kind
    assert not run["works"].failed
    # What the cloud said is shown, with the secrets masked: it was not just left out.
    assert "plain >********" in run["refused"].error["provider_message"]
    check(run, json.dumps([outcome.result for outcome in run.outcomes]), tasks.cloud)


def test_in_the_background(stage: Stage, tasks: Tasks, tmp_path: Path) -> None:
    """An asynchronous task's job file stays on the disk: it has no secret either."""
    cloud = tasks.cloud
    mine = {"api_token": TOKEN} if cloud == "vpsorg" else {"access_key": ACCESS, "secret_key": SECRET}
    forbidden = fault("status", status=403, body={"detail": quoting(cloud)}, cloud=cloud, times=None)
    run = stage.play(
        tasks("server_info", ADDED, step="works", keywords=_background("works"), **mine), _ended("works"),
        tasks("snapshot", forbidden, step="fails", name="one", keywords=_background("fails"), **mine), _ended("fails"),
        arguments=("-vvvv",),
    )
    assert run.stdout.count("since the task is asynchronous") == 2
    assert run["works ended"].result["servers"][0]["name"] == tasks.server, run.output
    assert run["fails ended"].error["kind"] == "forbidden"
    check(run, json.dumps([outcome.result for outcome in run.outcomes]), cloud)
    jobs = list((tmp_path / "home" / ".ansible_async").iterdir())
    assert len(jobs) == 2
    for path in jobs:
        text = path.read_text("utf-8", "replace")
        assert not any(form in text for secret in SECRETS[cloud] for form in forms(secret).values()), path


def _background(name: str) -> dict[str, Any]:
    return {"async": 60, "poll": 0, "register": name}


def _ended(name: str) -> Step:
    """Wait for a task in the background; its job file stays."""
    return Step(f"{name} ended", {"ansible.builtin.async_status": {"jid": f"{{{{ {name}.ansible_job_id }}}}"},
                                  "register": "ended", "until": "ended is finished", "retries": 60, "delay": 1})
