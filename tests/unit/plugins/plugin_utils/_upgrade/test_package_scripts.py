# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that upgrade packages: with this machine's apt in a directory of its own, and with made-up zypper, apk and pacman."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.package_scripts import absent_names, absent_script, upgrade_script
from ansible_collections.rewind.vps.plugins.plugin_utils._upgrade.package_selection import Selection

ALL, SECURITY = Selection(), Selection(security=True)
ALL_BUT_ONE = Selection(exclude=("absent",))  # for all packages, ansible-core's module of apt is used
TOOLS = ("sh", "cat", "sed", "grep", "sort", "tr", "sleep")

has_apt = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("apt-get", "apt-mark", "dpkg-deb", "dpkg-scanpackages"))), reason="needs apt, dpkg-dev and root")


# --- apt


class AptRoot:
    """An apt with its own packages and repositories. Nothing of this machine changes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("etc/apt/preferences.d", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/apt/lists/partial", "var/log",
                     "var/cache/apt/archives/partial", "tmp"):
            (directory / name).mkdir(parents=True)
        (directory / "var/lib/dpkg/status").touch()
        self.sources = directory / "etc/apt/sources.list"
        self.sources.touch()
        (directory / "apt.conf").write_text(
            f'Dir "{directory}";\nDir::State::status "{directory}/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
            f'DPkg::Options {{ "--root={directory}"; "--log=/dev/null"; }};\n')
        self.environment = {
            "PATH": os.environ["PATH"], "APT_CONFIG": str(directory / "apt.conf"), "DPKG_ADMINDIR": str(directory / "var/lib/dpkg")}

    def build(self, target: Path, name: str, version: str, depends: str = "") -> Path:
        tree = self.directory / "tmp" / "tree"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "etc").mkdir()
        (tree / "etc" / f"{name}.conf").write_text(f"version {version}\n")
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@example.invalid>\nDescription: test\n"
            + (f"Depends: {depends}\n" if depends else ""))
        (tree / "DEBIAN/conffiles").write_text(f"/etc/{name}.conf\n")
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), f"{target}/{name}_{version}.deb"], check=True,
                       capture_output=True)
        shutil.rmtree(tree)
        return target / f"{name}_{version}.deb"

    def install(self, *names: str) -> None:
        paths = [str(self.build(self.directory / "old", name, "1")) for name in names]
        subprocess.run(["dpkg", f"--root={self.directory}", "--log=/dev/null", "--install", *paths], check=True, capture_output=True)

    def offer(self, suite: str, *packages: tuple[str, ...], label: str = "Debian") -> None:
        """Add a repository with packages of a name, a version and what it depends on."""
        root = self.directory / "repositories" / suite
        index = root / "dists" / suite / "main" / "binary-all"
        index.mkdir(parents=True)
        for package in packages:
            self.build(root / "pool", *package)
        content = subprocess.run(["dpkg-scanpackages", "--multiversion", "pool"], cwd=root, check=True, capture_output=True).stdout
        architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
        (index.parent / f"binary-{architecture}").mkdir()
        (index.parent / f"binary-{architecture}" / "Packages").write_bytes(content)
        name = f"main/binary-{architecture}/Packages"
        (root / "dists" / suite / "Release").write_text(
            f"Origin: {label}\nLabel: {label}\nSuite: {suite}\nVersion: 12\nComponents: main\nArchitectures: {architecture}\n"
            f"SHA256:\n {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n")
        with self.sources.open("a") as file:
            file.write(f"deb [trusted=yes] file:{root} {suite} main\n")

    def run(self, selection: Selection) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["/bin/sh", "-c", upgrade_script("apt", selection)], capture_output=True, text=True, check=False, env=self.environment,
                              timeout=120)

    def upgrade(self, selection: Selection) -> dict[str, str]:
        run = self.run(selection)
        assert run.returncode == 0, run.stdout + run.stderr
        return self.versions

    def mark(self, *arguments: str) -> list[str]:
        return subprocess.run(["apt-mark", *arguments], capture_output=True, text=True, check=True, env=self.environment).stdout.split()

    @property
    def versions(self) -> dict[str, str]:
        lines = subprocess.run(["dpkg-query", "--show"], capture_output=True, text=True, check=True, env=self.environment).stdout.splitlines()
        return dict(line.split("\t") for line in lines)


@pytest.fixture
def apt(tmp_path: Path) -> Iterator[AptRoot]:
    root = AptRoot(tmp_path / "root")
    root.install("app", "db", "lib")
    return root


@has_apt
def test_apt_upgrades_all_packages_and_keeps_the_users_configuration_files(apt: AptRoot) -> None:
    apt.offer("stable", ("app", "2", "new"), ("db", "2"), ("new", "1"))
    (apt.directory / "etc/app.conf").write_text("mine\n")
    assert apt.upgrade(ALL_BUT_ONE) == {"app": "2", "db": "2", "lib": "1", "new": "1"}
    assert (apt.directory / "etc/app.conf").read_text() == "mine\n" and (apt.directory / "etc/db.conf").read_text() == "version 2\n"


@has_apt
def test_apt_leaves_out_excluded_packages_and_holds_them_no_longer_than_needed(apt: AptRoot) -> None:
    apt.offer("stable", ("app", "2"), ("db", "2"), ("lib", "2"))
    apt.mark("hold", "lib")
    assert apt.upgrade(Selection(exclude=("db", "lib", "absent"))) == {"app": "2", "db": "1", "lib": "1"}
    assert apt.mark("showhold") == ["lib"], "the user's hold remains, and no other"


@has_apt
def test_apt_releases_excluded_packages_after_a_failure_too(apt: AptRoot) -> None:
    apt.offer("stable", ("app", "2"), ("db", "2"))
    for file in (apt.directory / "repositories").rglob("app_2.deb"):
        file.unlink()
    run = apt.run(Selection(exclude=("db",)))
    assert run.returncode != 0 and "E: " in run.stderr
    assert apt.mark("showhold") == [] and apt.versions["app"] == "1"


@has_apt
@pytest.mark.parametrize(("suite", "label"), [
    ("stable-security", "Debian-Security"), ("oldoldstable", "Debian-Security"), ("jammy-security", "Ubuntu"),
])
def test_apt_installs_security_updates_and_what_they_need(apt: AptRoot, suite: str, label: str) -> None:
    apt.offer("stable", ("db", "2"))
    apt.offer(suite, ("app", "1.1", "new"), ("new", "1"), label=label)
    assert apt.upgrade(SECURITY) == {"app": "1.1", "db": "1", "lib": "1", "new": "1"}
    assert "there are no security updates" in apt.run(SECURITY).stdout


@has_apt
def test_apt_finds_a_security_update_behind_a_newer_version(apt: AptRoot) -> None:
    """As in Ubuntu's -updates. A security update that is installed already makes no ordinary update one."""
    apt.offer("jammy-security", ("app", "1.1"), ("db", "0.9"), label="Ubuntu")
    apt.offer("jammy-updates", ("app", "2"), ("db", "2"), label="Ubuntu")
    assert apt.upgrade(SECURITY) == {"app": "2", "db": "1", "lib": "1"}


@has_apt
def test_apt_leaves_out_an_excluded_security_update(apt: AptRoot) -> None:
    apt.offer("stable-security", ("app", "2"), ("db", "2"), label="Debian-Security")
    assert apt.upgrade(Selection(security=True, exclude=("app",))) == {"app": "1", "db": "2", "lib": "1"}


@has_apt
def test_apt_upgrades_named_packages_and_keeps_their_marks(apt: AptRoot) -> None:
    apt.offer("stable", ("app", "2"), ("db", "2"), ("lib", "2"))
    apt.mark("auto", "lib")
    assert apt.upgrade(Selection(names=("app", "lib"))) == {"app": "2", "db": "1", "lib": "2"}
    assert apt.mark("showauto") == ["lib"]


@has_apt
def test_apt_fails_if_a_repository_does_not_answer(apt: AptRoot) -> None:
    apt.offer("stable", ("app", "2"))
    apt.sources.write_text(apt.sources.read_text() + "deb [trusted=yes] file:/nowhere stable main\n")
    assert apt.run(ALL_BUT_ONE).returncode != 0 and apt.versions["app"] == "1"


@has_apt
def test_apt_knows_what_is_installed(apt: AptRoot) -> None:
    apt.mark("hold", "db")
    subprocess.run(["dpkg", f"--root={apt.directory}", "--log=/dev/null", "--remove", "lib"], check=True, capture_output=True)
    text = subprocess.run(["/bin/sh", "-c", absent_script("apt", ("app", "db", "lib", "nothing"))], capture_output=True, text=True, check=True,
                          env=apt.environment).stdout
    assert absent_names(text) == ["lib", "nothing"] and text.endswith("end\n")


# --- programs that are not here


class Programs:
    """Made-up programs on a PATH of their own, which log how they were called."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "calls"
        for tool in TOOLS:
            (directory / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")

    def add(self, name: str, script: str = "") -> None:
        path = self.directory / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.log}"\nread -r line && exit 90\n[ ! -t 0 ] || exit 91\n{script}\n')
        path.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False, env={"PATH": str(self.directory)},
                              input="yes\nyes\n", timeout=60)

    def calls(self, *only: str) -> list[str]:
        """What was called, without what only asks."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith(only)] if only else lines


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


ZYPPER = "zypper --non-interactive --non-interactive-include-reboot-patches"
LOCKS = r"""
case "$*" in
  *" locks")
    printf '\n# | Name  | Type    | Repository\n--+-------+---------+-----------\n1 | old   | package | (any)\n12 | other | package | (any)\n\n' ;;
  "help patch") echo "  --category ..." @HELP@ ;;
  *" patch "* | *" update "*) exit @STATUS@ ;;
esac
"""


def add_zypper(programs: Programs, status: str = "0", help_text: str = "") -> None:
    programs.add("zypper", LOCKS.replace("@STATUS@", status).replace("@HELP@", help_text))
    programs.add("rpm", 'shift; for name; do echo "$name-1-1.noarch"; done')


@pytest.mark.parametrize(("selection", "command"), [
    (ALL, "update --auto-agree-with-licenses "), (SECURITY, "patch --category security --auto-agree-with-licenses "),
    (Selection(names=("a", "b")), "update --auto-agree-with-licenses a b"),
])
@pytest.mark.parametrize("status", ["0", "102"])
def test_zypper(programs: Programs, selection: Selection, command: str, status: str) -> None:
    add_zypper(programs, status)
    run = programs.run(upgrade_script("zypper", selection))
    assert run.returncode == 0, run.stderr
    assert [line.rstrip() for line in programs.calls()] == [f"{ZYPPER} {command}".rstrip()]


@pytest.mark.parametrize("status", ["0", "4", "106", "107"])
def test_zypper_locks_excluded_packages_for_the_upgrade_alone(programs: Programs, status: str) -> None:
    add_zypper(programs, status)
    run = programs.run(upgrade_script("zypper", Selection(exclude=("new", "old"))))
    assert run.returncode == int(status), run.stderr
    assert [line.rstrip() for line in programs.calls("zypper")] == [
        "zypper --non-interactive locks", "zypper --non-interactive addlock new", f"{ZYPPER} update --auto-agree-with-licenses",
        "zypper --non-interactive removelock new",
    ]


def test_zypper_skips_patches_of_excluded_packages_if_it_can(programs: Programs) -> None:
    for help_text, option in (("", ""), ("--skip-not-applicable-patches", " --skip-not-applicable-patches")):
        add_zypper(programs, help_text=help_text)
        assert programs.run(upgrade_script("zypper", Selection(security=True, exclude=("new",)))).returncode == 0
        assert programs.calls(ZYPPER)[-1].rstrip() == f"{ZYPPER} patch --category security --auto-agree-with-licenses{option}"


def test_zypper_runs_again_after_its_own_upgrade(programs: Programs) -> None:
    add_zypper(programs, f"$([ $(grep -c update {programs.log}) -gt 1 ] && echo 0 || echo 103)")
    assert programs.run(upgrade_script("zypper", ALL)).returncode == 0
    assert len(programs.calls(ZYPPER)) == 2
    add_zypper(programs, "103")
    assert programs.run(upgrade_script("zypper", ALL)).returncode == 103
    assert len(programs.calls(ZYPPER)) == 5


def test_a_lock_that_stays_fails_the_upgrade(programs: Programs) -> None:
    (programs.directory / "sleep").unlink()
    programs.add("sleep")
    add_zypper(programs)
    path = programs.directory / "zypper"
    path.write_text(path.read_text().replace('case "$*" in', 'case "$*" in\n  *removelock*) exit 4 ;;'))
    run = programs.run(upgrade_script("zypper", Selection(exclude=("new",))))
    assert run.returncode == 1 and run.stderr.endswith("these packages are still excluded from upgrades: new\n")


APK = r"""
state=$(cat "$0.state" 2>/dev/null)
case "$*" in
  "info --verbose") printf 'musl-1.2.4-r2\nca-certificates-2024-r%s\n' "${state:-0}" ;;
  "info --installed "*) [ "$3" = musl ] || [ "$3" = ca-certificates ] ;;
  *" upgrade"*) @UPGRADE@ ;;
esac
"""


def add_apk(programs: Programs, upgrade: str = ":") -> None:
    programs.add("apk", APK.replace("@UPGRADE@", upgrade))


@pytest.mark.parametrize(("selection", "command"), [
    (ALL, ""), (Selection(names=("musl", "ca-certificates")), "musl ca-certificates"),
    (Selection(exclude=("absent", "ca-certificates")), "--ignore ca-certificates"), (Selection(exclude=("absent",)), ""),
])
def test_apk(programs: Programs, selection: Selection, command: str) -> None:
    add_apk(programs)
    run = programs.run(upgrade_script("apk", selection))
    assert run.returncode == 0, run.stderr
    assert [line.rstrip() for line in programs.calls("apk --wait")] == ["apk --wait 10 update", f"apk --wait 10 upgrade {command}".rstrip()]


def test_an_excluded_package_that_was_upgraded_nevertheless_fails_the_upgrade(programs: Programs) -> None:
    """For apk an exclusion is a preference."""
    add_apk(programs, 'echo 1 >"$0.state"')
    run = programs.run(upgrade_script("apk", Selection(exclude=("ca-certificates",))))
    assert run.returncode == 1 and "needs an excluded package (ca-certificates), and has changed it" in run.stderr
    (programs.directory / "apk.state").unlink()
    assert programs.run(upgrade_script("apk", Selection(exclude=("musl",)))).returncode == 0


@pytest.mark.parametrize("failing", ["update", "upgrade"])
def test_apk_that_fails(programs: Programs, failing: str) -> None:
    programs.add("apk", f'case "$*" in *" {failing}"*) echo "ERROR: Unable to lock database" >&2; exit 3 ;; esac')
    run = programs.run(upgrade_script("apk", ALL))
    assert run.returncode == 3 and "Unable to lock database" in run.stderr
    assert len(programs.calls()) == (1 if failing == "update" else 2)


@pytest.mark.parametrize(("selection", "command"), [
    (ALL, "--sync --refresh --sysupgrade --noconfirm --noprogressbar"),
    (Selection(exclude=("linux", "nginx")), "--sync --refresh --sysupgrade --noconfirm --noprogressbar --ignore linux,nginx"),
    (Selection(names=("linux", "nginx")), "--sync --refresh --needed --noconfirm --noprogressbar linux nginx"),
])
def test_pacman(programs: Programs, selection: Selection, command: str) -> None:
    programs.add("pacman", "case $1 in --query) shift; for name; do echo $name 1-1; done ;; esac")
    run = programs.run(upgrade_script("pacman", selection))
    assert run.returncode == 0, run.stderr
    assert [line.rstrip() for line in programs.calls("pacman --sync")] == [f"pacman {command}"]


def test_pacman_that_upgrades_an_ignored_package(programs: Programs) -> None:
    """With --noconfirm it answers yes to the question whether to upgrade a package that another one needs."""
    programs.add("pacman", 'case $1 in --query) echo "linux $(cat "$0.state" 2>/dev/null)" ;; *) echo 2 >"$0.state" ;; esac')
    run = programs.run(upgrade_script("pacman", Selection(exclude=("linux",))))
    assert run.returncode == 1 and "needs an excluded package (linux)" in run.stderr


@pytest.mark.parametrize(("manager", "program", "script"), [
    ("apk", "apk", '[ "$3" = a ]'), ("pacman", "pacman", '[ "$3" = a ] && echo a || echo provider'),
    ("zypper", "rpm", '[ "$4" = a ] && printf "a\\na.noarch\\n"'), ("dnf", "rpm", '[ "$4" = a ] && printf "a\\na.noarch\\nb.c\\n"'),
])
def test_what_is_installed(programs: Programs, manager: str, program: str, script: str) -> None:
    programs.add(program, script)
    text = programs.run(absent_script(manager, ("a", "b", "a.b"))).stdout
    assert absent_names(text.replace("\n", "\r\n")) == ["b", "a.b"] and text.endswith("end\n")


@pytest.mark.parametrize("manager", ["dnf", "dnf5", "yum"])
def test_where_a_module_upgrades(manager: str) -> None:
    assert upgrade_script(manager, ALL) == ""
