# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Distinguishes problems of the controller from those of the server when a login fails. Pure functions over two observations.

What the controller's logins depend on is observed when the run is planned, and again before a restore. Only what has changed in between is
a proven cause: an upgrade that breaks the login causes the same messages of ssh.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from .server_access import is_wrong_host_key

Observation = Mapping[str, Any]

# ssh's messages, in its own words.
_UNRESOLVED = re.compile("Could not resolve hostname|Name or service not known|Temporary failure in name resolution", re.IGNORECASE)
_REFUSED_KEY = re.compile(
    "Permission denied|Too many authentication failures|agent refused operation|sign_and_send_pubkey|no mutual signature|bad permissions|Load key",
    re.IGNORECASE,
)
_LOST = re.compile("Connection (refused|timed out|reset|closed)|kex_exchange_identification|banner exchange|UNKNOWN port|No route to host|"
                   "Could not resolve hostname|Network is unreachable|no answer within", re.IGNORECASE)
_NO_ROUTE = re.compile("Network is unreachable", re.IGNORECASE)
# Of rewind.vps itself, and of Ansible for its files on the controller.
_OWN_FILES = re.compile("can't (read or )?write (the run record|one of its files)", re.IGNORECASE)
_FULL = re.compile("No space left on device|Disk quota exceeded|Read-only file system", re.IGNORECASE)


def find_cause(
    detail: str, before: Observation | None, now: Observation | None, answers: Callable[[str, int], bool | None],
) -> str | None:
    """Return the problem of the controller that provably caused a failure after the plan; None if there is none.

    Args:
        detail: The message of a failure on the controller, such as a lost connection. Not what a command on the server has printed.
        before, now: The observations of the plan and of now.
        answers: Connects to an address and port: True if a server answers with SSH, False if the controller has no route, None otherwise.
    """
    if _OWN_FILES.search(detail):
        return "it can't write the files of this upgrade; free space on its disk"
    if _FULL.search(detail) and now and now.get("full_directory"):
        return f"its disk is full ({now['full_directory']})"
    if not before or not now:
        return None
    if _LOST.search(detail) and before.get("jump_host") and not now.get("jump_host"):
        return f"the jump host {before['jump_host']} does not answer any more"
    if _REFUSED_KEY.search(detail):
        return _changed_keys(before, now)
    # ssh itself adds keys.
    if is_wrong_host_key(detail) and set(before.get("host_keys") or ()) - set(now.get("host_keys") or ()):
        return "its known_hosts has lost a key of this server since the plan"
    if _UNRESOLVED.search(detail) and before.get("addresses") and not now.get("addresses"):
        # A server that is its own name server is not resolved after a bad upgrade, either. Then it does not answer.
        address = next((address for address in before["addresses"] if answers(address, before["port"])), None)
        return f"it can't resolve the server's name any more, and the server answers at its address {address}" if address else None
    if _NO_ROUTE.search(detail) and before.get("addresses") and all(answers(address, before["port"]) is False for address in before["addresses"]):
        return "it has no network any more (Network is unreachable)"
    return None


def _changed_keys(before: Observation, now: Observation) -> str | None:
    keys_before, keys_now = before.get("agent_keys"), now.get("agent_keys")
    if keys_before and keys_now is None:
        return "its SSH agent does not answer any more"
    if keys_before and set(keys_before) - set(keys_now or ()):
        return "its SSH agent has lost a key since the plan"
    for path, fingerprint in (before.get("identities") or {}).items():
        if (now.get("identities") or {}).get(path) != fingerprint:
            return f"its SSH key {path} was changed or removed since the plan"
    expired = [path for path, end in (before.get("certificates") or {}).items() if before["observed_at"] <= end < now["observed_at"]]
    return f"its SSH certificate {expired[0]} has expired" if expired else None


def explain(detail: str, now: Observation | None) -> str:
    """Return what a person should check on the controller when a login fails; empty if nothing on the controller is suspicious."""
    now = now or {}
    if _UNRESOLVED.search(detail):
        return "the controller can't resolve the server's name: check its DNS and ansible_host"
    if is_wrong_host_key(detail):
        return "the server's host key is not the one in the controller's known_hosts: find out which of them has changed, and why"
    if _NO_ROUTE.search(detail):
        return "the controller has no network, or no route to the server"
    if _FULL.search(detail):
        return "a disk is full; if the path is on the controller, free space there"
    if not _REFUSED_KEY.search(detail):
        return ""
    findings = [
        f"the SSH certificate {path} {'has expired' if end < now['observed_at'] else 'is not valid yet'}" for path, end in _invalid_certificates(now)
    ]
    if now.get("agent_socket") and now.get("agent_keys") is None:
        findings.append("the controller's SSH agent does not answer")
    elif now.get("agent_socket") and not now["agent_keys"] and not now.get("identities"):
        findings.append("the controller's SSH agent has no keys")
    findings += [f"the SSH key {path} does not exist on the controller" for path in now.get("missing_identities") or ()]
    return "; ".join(findings) or "the server rejects the controller's keys or password: check ansible_user, the key and the certificate"


def _invalid_certificates(now: Observation) -> list[tuple[str, float]]:
    starts = now.get("certificate_starts") or {}
    return [
        (path, end) for path, end in (now.get("certificates") or {}).items()
        if end < now["observed_at"] or starts.get(path, 0) > now["observed_at"]
    ]


def certificate_warnings(now: Observation | None, seconds: float) -> list[str]:
    """Return warnings about certificates that expire before a run of that length would end."""
    if not now:
        return []
    end_of_run = now["observed_at"] + seconds
    return [
        f"The SSH certificate {path} expires in {(end - now['observed_at']) / 60:.0f} minutes, and this run may take {seconds / 60:.0f}. "
        "Renew it first: without a login, an upgrade can't be confirmed."
        for path, end in (now.get("certificates") or {}).items() if now["observed_at"] <= end < end_of_run
    ]


def parse_ssh_config(text: str) -> dict[str, list[str]]:
    """Return the values of each keyword in the output of `ssh -G`."""
    config: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, dummy, value = line.partition(" ")
        config.setdefault(keyword.lower(), []).append(value.strip())
    return config


def parse_certificate_validity(text: str) -> tuple[float, float] | None:
    """Return the start and end of validity, in seconds since 1970, of the output of `ssh-keygen -L`; None if it has no end."""
    found = re.search(r"Valid: from (\S+) to (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", text)
    if not found:
        return None
    start = _local_time(found[1]) if found[1][:1].isdigit() else 0.0
    return start, _local_time(found[2])


def _local_time(text: str) -> float:
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
