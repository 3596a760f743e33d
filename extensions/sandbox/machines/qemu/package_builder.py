# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the test packages for apt or dnf, and one small repository for each of them."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

from .lab_packages import LabPackage, Version

REPOSITORIES = "/srv/lab"
"""In the machine: one repository with version 2 for each package, in a directory with its name."""


def build_debian_packages(packages: tuple[LabPackage, ...], work_dir: Path) -> None:
    """Write `old/NAME.deb` and the repositories `new/NAME/` to `work_dir`."""
    for package in packages:
        _build_deb(package, 1, package.old, work_dir / "old" / f"{package.name}.deb")
        repository = work_dir / "new" / package.name
        _build_deb(package, 2, package.new, repository / f"{package.name}.deb")
        index = subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=repository, check=True, capture_output=True).stdout
        (repository / "Packages").write_bytes(index)
        compressed = gzip.compress(index, mtime=0)
        (repository / "Packages.gz").write_bytes(compressed)
        if package.is_security:
            _write_security_release(repository, {"Packages": index, "Packages.gz": compressed})


def build_rpm_packages(packages: tuple[LabPackage, ...], work_dir: Path) -> None:
    """Write `old/*.rpm` and the repositories `new/NAME/` to `work_dir`."""
    for package in packages:
        _build_rpm(package, 1, package.old, work_dir / "old")
        repository = work_dir / "new" / package.name
        _build_rpm(package, 2, package.new, repository)
        subprocess.run(["createrepo_c", "--quiet", "--no-database", str(repository)], check=True, capture_output=True)
        if package.is_security:
            _write_security_advisory(repository, package.name)


def _write_security_release(repository: Path, indexes: dict[str, bytes]) -> None:
    """Write what tells apt that the repository has security updates."""
    sums = "".join(f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n" for name, content in indexes.items())
    (repository / "Release").write_text(
        "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nVersion: 12\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n{sums}")


def _write_security_advisory(repository: Path, name: str) -> None:
    """Add what tells dnf that version 2 is a security update."""
    advisory = repository / "updateinfo.xml"
    advisory.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<updates><update from="lab@example.invalid" status="stable" type="security" version="1">'
        f'<id>LAB-1</id><title>{name}</title><severity>Important</severity><release>lab</release><issued date="2026-01-01 00:00:00"/>'
        f'<description>test</description><pkglist><collection short="lab"><name>lab</name><package name="{name}" version="2" release="1" epoch="0" '
        f'arch="noarch" src="{name}-2-1.src.rpm"><filename>{name}-2.rpm</filename></package></collection></pkglist></update></updates>\n')
    subprocess.run(["modifyrepo_c", str(advisory), str(repository / "repodata")], check=True, capture_output=True)
    advisory.unlink()


def _build_deb(package: LabPackage, number: int, version: Version, target: Path) -> None:
    tree = target.with_suffix(".tree")
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(
        f"Package: {package.name}\nVersion: {number}\nArchitecture: all\nMaintainer: rewind.vps <rewind@example.invalid>\n"
        f"Description: test package; version 2: {package.fault}\n")
    if version.config_files:
        (control / "conffiles").write_text("".join(f"{path}\n" for path in version.config_files))
    if version.postinst:
        script = control / "postinst"
        script.write_text(f'#!/bin/sh\nset -e\n[ "$1" = configure ] || exit 0\n{version.postinst}')
        script.chmod(0o755)
    for path, content in version.files.items():
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    # Without compression: dpkg in an emulated machine unpacks it faster.
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(target)], check=True, capture_output=True)
    shutil.rmtree(tree)


def _build_rpm(package: LabPackage, number: int, version: Version, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    tree = target / f"{package.name}.tree"
    for path, content in version.files.items():
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    listed = [("%config(noreplace) " if path in version.config_files else "") + path for path in version.files]
    spec = target / f"{package.name}.spec"
    # The shell is Debian's, so no other package provides what a script requires.
    spec.write_text(
        f"Name: {package.name}\nVersion: {number}\nRelease: 1\nSummary: test package\nLicense: GPL-3.0-or-later\nBuildArch: noarch\n"
        "AutoReqProv: no\nProvides: /bin/sh\n"
        f"%description\nVersion 2: {package.fault}\n%install\ncp -a {tree}/. %{{buildroot}}/\n"
        f"%post\n{version.postinst or ':'}\n%files\n%defattr(-,root,root)\n" + "\n".join(listed) + "\n")
    subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {target}/build", "--define", f"_rpmdir {target}", "--define",
                    "_rpmfilename %%{NAME}-%%{VERSION}.rpm", str(spec)], check=True, capture_output=True)
    shutil.rmtree(target / "build", ignore_errors=True)
    shutil.rmtree(tree)
    spec.unlink()
