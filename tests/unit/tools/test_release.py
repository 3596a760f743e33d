# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that `make release-check` finds in an artifact."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tools import release

OURS = [*release.MUST_HAVE, "plugins/modules/snapshot.py", "galaxy.yml", ".ci/run"]
TOKEN = "vps_a-token-that-is-real"


def artifact_of(directory: Path, files: dict[str, bytes | None]) -> Path:
    path = directory / "rewind-vps-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            if content is not None:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(("change", "fault"), [
    ({"tests/output/result.xml": b""}, "tests/output/result.xml is not a file of the project"),
    ({".ci/run": b""}, ".ci/run is for work on the project alone"),
    ({"../outside": b""}, "../outside is no plain file of the collection"),
    ({"README.md": b"the token is " + TOKEN.encode()}, "README.md holds the value of VPS_API_TOKEN"),
    ({"README.md": b"-----BEGIN OPENSSH " + b"PRIVATE KEY-----"}, "README.md holds a private key"),
    ({"plugins/modules/snapshot.py": None}, "plugins/modules/snapshot.py is missing"),
    ({"MANIFEST.json": None}, "MANIFEST.json is missing"),
])
def test_what_does_not_belong_or_is_missing_is_named(tmp_path: Path, change: dict[str, bytes | None], fault: str) -> None:
    environ = {"VPS_API_TOKEN": TOKEN, "ILKBYTE_ACCESS_KEY": ""}
    sound = {name: b"text" for name in {*OURS, *release.MADE} - {"galaxy.yml", ".ci/run"}}
    assert release.faults(artifact_of(tmp_path, sound), OURS, environ) == []

    found = release.faults(artifact_of(tmp_path, {**sound, **change}), OURS, environ)

    assert fault in found
    assert TOKEN not in " ".join(found)


def test_a_large_artifact_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "LARGEST", 10)

    assert "should have 10 at most" in " ".join(release.faults(artifact_of(tmp_path, {}), OURS, {}))
