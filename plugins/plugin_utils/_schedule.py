# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schedules on a runner: what distinguishes two of them, the names of their files, and which are installed.

The name contains a checksum of the identity. The account in it is what the provider calls the account, not the credentials:
it stays the same when they are replaced, and it does not help to guess them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Optional
from urllib.parse import urlsplit

from ..module_utils._errors import ALREADY_EXISTS, RewindError
from ..module_utils._provider.registry import REGISTRY

HEADER = "# Ansible: rewind.vps.snapshot_schedule"
JOB_SUFFIXES = (".env", ".json", ".sh")
UNIT_SUFFIXES = (".service", ".timer", "-dry-run.service", "-failed.service")

_DEFAULT_PORTS = {"https": 443, "http": 80}
_API_PATH = re.compile(r"(/api)?(/v[0-9]+)?/*$")
_BASE = re.compile(r"/[A-Za-z0-9/._+-]+")
_ENV_LINE = re.compile(r'([A-Z_]+)="(.*)"')


class Identity(NamedTuple):
    """What distinguishes two schedules."""

    provider: str
    address: str  # host, port and path of the API, see `identity_address`
    account: str  # empty if unknown
    server: str
    name: str


@dataclass(frozen=True)
class Installed:
    """A schedule on the runner.

    Attributes:
        unit: Name of its files, without extension.
        base: Path of its job's files, without extension.
        identity: Its account is empty if the files do not say: an earlier version of the role wrote them, or the provider did not say.
    """

    unit: str
    base: str
    identity: Identity
    credentials: dict[str, str] = field(repr=False)


Files = dict[str, Optional[list[str]]]  # lines by path; None if it is not a regular file


def identity_address(provider: str, url: str) -> str:
    """Return what distinguishes the addresses of two APIs. Scheme, letter case and the API's version do not."""
    url = (url or REGISTRY[provider].endpoint.url).strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url  # the modules reject it
    host = (parts.hostname or "") + (f":{port}" if port and port != _DEFAULT_PORTS.get(parts.scheme) else "")
    return host + _API_PATH.sub("", parts.path)


def file_stem(provider: str, server: str) -> str:
    """Return how the names of a server's schedules start, also of those that an earlier version of the role installed."""
    return f"rewind-snapshot-{provider}-" + re.sub("[^A-Za-z0-9.-]", "_", server)[:80].strip(".")


def unit_name(identity: Identity) -> str:
    """Return the name of the installed files: safe as a file name, and unique for each schedule.

    A schedule name has no dot, so it is what follows the last dot.
    """
    checksum = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
    return f"{file_stem(identity.provider, identity.server)}-{checksum}.{identity.name}"


def parse_listing(listing: str) -> Files:
    """Return the files of the role's listing: a line `== PATH` or `=! PATH` (not a regular file), then each line after a colon."""
    files: Files = {}
    lines: list[str] = []
    for line in listing.splitlines():
        if line.startswith("== "):
            lines = []
            files[line[3:]] = lines
        elif line.startswith("=! "):
            files[line[3:]] = None
        elif line.startswith(":"):
            lines.append(line[1:])
    return files


def installed_schedules(files: Files, directory: str) -> Iterator[Installed]:
    """Yield the schedules of the directory. Files that the role has not written are skipped."""
    for path, lines in files.items():
        base, dot, extension = path.rpartition(".")
        if extension != "json" or lines is None or base.rpartition("/")[0] != directory:
            continue
        unit = base.rpartition("/")[2]
        try:
            identity = _identity(json.loads("\n".join(lines)), unit)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        found = [_ENV_LINE.fullmatch(line) for line in files.get(f"{base}.env") or []]
        credentials = {match[1]: match[2] for match in found if match}
        yield Installed(unit, base, identity, credentials)


def _identity(variables: dict, unit: str) -> Identity:
    if "scheduled_snapshot_identity" in variables:
        identity = Identity(**{key: str(value) for key, value in variables["scheduled_snapshot_identity"].items()})
        if unit_name(identity) != unit:
            raise ValueError("a copy of another schedule's file")
        return identity
    job = variables["scheduled_snapshot"]  # of an earlier version of the role, whose names had no account and no address
    return Identity(job["provider"], identity_address(job["provider"], job.get("api_url", "")), "", job["server"], unit.rpartition(".")[2])


def require_own(files: Files, unit: str, directory: str) -> None:
    """Check that all files with this schedule's names are the schedule's.

    Raises:
        RewindError: `already_exists`.
    """
    for path, lines in files.items():
        name = path.rpartition("/")[2]
        if name not in [unit + suffix for suffix in (*JOB_SUFFIXES, *UNIT_SUFFIXES)]:
            continue
        if name.endswith(".json"):
            own = unit in [item.unit for item in installed_schedules({path: lines}, directory)]
        else:
            own = f"{HEADER}, {unit}" in (lines or [])[:3] or HEADER in (lines or [])[:1] and any(f"({unit})" in line for line in lines or [])
        if not own:
            raise _foreign(path)
    crontab = files.get("crontab") or []
    for comment, job in zip(crontab, crontab[1:]):
        if comment == f"#Ansible: {unit}" and not re.search(rf" /bin/sh /\S*/{re.escape(unit)}\.sh$", job):
            raise _foreign(f"the crontab entry {unit}")


def _foreign(what: str) -> RewindError:
    return RewindError(
        f"{what} exists and is not this schedule's, so it is neither replaced nor removed",
        kind=ALREADY_EXISTS, hint="check whose it is, and rename or remove it",
    )


def moved_bases(files: Files, unit: str, directory: str) -> list[str]:
    """Return the paths, without extension, of this schedule's files in other directories, which its units and cron entry name."""
    texts = [line for path, lines in files.items() if path == "crontab" or path.endswith(f"/{unit}.service") for line in lines or []]
    paths = [re.search(rf"(?:^EnvironmentFile=| /bin/sh )(/\S*/{re.escape(unit)})\.(?:env|sh)$", line) for line in texts]
    bases = {match[1] for match in paths if match}
    return sorted(base for base in bases if _BASE.fullmatch(base) and base != f"{directory}/{unit}")
