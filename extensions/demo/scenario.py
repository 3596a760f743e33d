# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's steps. Each explains itself, runs Ansible and verifies the result."""

from __future__ import annotations

import functools
import time
from pathlib import Path

from demo import checks
from demo.checks import DemoCheckFailed
from demo.console import DemoConsole, ServerOutcome
from demo.observer import ServerObserver, ServerState
from demo.playbooks import PlaybookResult, Playbooks
from demo.progress import TITLES, describe_progress
from sandbox import SandboxHandle

HEALTHY, BROKEN, DISCONNECTED = "app1", "web1", "web2"
GUESTS_LOST = 3  # O'Brien and the two after
SHORT_ROLLBACK_TIMEOUT = 10


class Scenario:
    """Plays once on a new sandbox with web1 and web2 at VPS.org and app1 at Ilkbyte. `scratch` is an empty directory."""

    def __init__(self, sandbox: SandboxHandle, console: DemoConsole, root: Path, scratch: Path) -> None:
        self._started = time.monotonic()
        self._sandbox = sandbox
        self._admin = sandbox.admin
        self._console = console
        self._state_dir = scratch / "state"
        self._playbooks = Playbooks(sandbox, console, root, scratch, self._state_dir, functools.partial(describe_progress, sandbox.admin))

    def play(self, *, restore_fails: bool = False) -> None:
        """Play all steps; with `restore_fails` every restore fails half way. Raises DemoCheckFailed."""
        with self._playbooks, ServerObserver(self._admin) as observer:
            self._introduce()
            self._install()
            before = checks.disk_digests(self._admin)
            self._show_plan(before)
            options = self._make_restores_fail() if restore_fails else []
            broken = {BROKEN: self._upgrade_in_turn(before, observer, options)}
            broken[DISCONNECTED] = self._upgrade_disconnected(before, observer)
            self._summarize(before, broken)

    def _introduce(self) -> None:
        names = {cloud: [server["name"] for server in self._admin.servers(cloud)] for cloud in TITLES}
        self._console.print_text(f"Its servers: {'; '.join(f'{TITLES[cloud]} has {_and(servers)}' for cloud, servers in names.items())}. "
                                 f"{self._sandbox.isolation_reason}")
        self._console.print_text(f"The sandbox's clock runs {self._sandbox.speed:g} times faster than real time, so a restore of ten minutes takes "
                                 f"{600 / self._sandbox.speed:.0f} seconds.")
        self._console.print_text("Ansible gets the inventory and the credentials from its environment. The output shows only tasks that change, "
                                 "report or fail something.")

    def _install(self) -> None:
        self._console.step("Install a program", "Install a small guestbook, version 1.0, on the three servers over SSH.")
        result = self._playbooks.run("install.yml")
        self._require_result(result, 0, [])

    def _show_plan(self, before: dict[str, str]) -> None:
        self._console.step("Show the plan",
                           "The role rewind.vps.guarded_upgrade will install version 2.0 with automatic rollback. First, the plan only:")
        result = self._playbooks.run("upgrade.yml", "--check", "--limit", HEALTHY)
        self._require_result(result, 0, [])
        checks.check_changes(self._admin, [])
        checks.check_disks(self._admin, before)
        self._console.verified("nothing was changed, neither at the providers nor on a server.")

    def _make_restores_fail(self) -> list[str]:
        """Return the role options for this; with its defaults the role would retry for an hour."""
        self._admin.fault("restore_fails", operation="snapshots.restore", times=None)
        return ["-e", f"guarded_upgrade_rollback_timeout={SHORT_ROLLBACK_TIMEOUT}"]

    def _upgrade_in_turn(self, before: dict[str, str], observer: ServerObserver, options: list[str]) -> ServerState:
        self._console.step("Upgrade one server after the other",
                           "The upgrade has a bug: it loses guests whose names have an apostrophe. "
                           f"{HEALTHY} has no such guest; {BROKEN} has one, and its health check will fail.")
        result = self._playbooks.run("upgrade.yml", *options)
        outcomes = checks.read_outcomes(self._state_dir)
        for server in (HEALTHY, BROKEN):
            checks.check_snapshot(self._admin, server, before[server])
        checks.check_upgraded(self._admin, HEALTHY, before[HEALTHY])
        broken = checks.check_broken(BROKEN, observer.before_restore.get(BROKEN), before[BROKEN], lost=GUESTS_LOST)
        checks.check_rolled_back(self._admin, BROKEN, before[BROKEN], outcomes.get(BROKEN, "nothing"))
        checks.check_untouched(self._admin, DISCONNECTED, before[DISCONNECTED])
        checks.check_recorded_outcomes(self._state_dir, {HEALTHY: "upgraded", BROKEN: "rolled_back"})
        self._require_result(result, 2, [BROKEN])
        self._console.verified(f"{HEALTHY} is upgraded, and all its guests are there.")
        self._console.verified(f"{BROKEN} had lost {broken.guests_lost} guests, was restored once, and its disk is byte for byte as before: every "
                               "file's content, name, mode, owner and time.")
        self._console.verified(f"the roll-out stopped there; {DISCONNECTED} was not changed.")
        return broken

    def _upgrade_disconnected(self, before: dict[str, str], observer: ServerObserver) -> ServerState:
        self._console.step("Upgrade a server that cuts itself off",
                           f"{DISCONNECTED}'s variables name a wrong network device. The upgrade writes it into /etc/network/interfaces: the server "
                           "stays on, but SSH is dead, and Ansible cannot repair it.")
        others = {server: digest for server, digest in checks.disk_digests(self._admin).items() if server != DISCONNECTED}
        result = self._playbooks.run("upgrade.yml", "--limit", DISCONNECTED)
        outcomes = checks.read_outcomes(self._state_dir)
        checks.check_snapshot(self._admin, DISCONNECTED, before[DISCONNECTED])
        broken = checks.check_broken(DISCONNECTED, observer.before_restore.get(DISCONNECTED), before[DISCONNECTED], disconnected=True)
        checks.check_rolled_back(self._admin, DISCONNECTED, before[DISCONNECTED], outcomes.get(DISCONNECTED, "nothing"))
        checks.check_ssh(self._admin, DISCONNECTED)
        checks.check_recorded_outcomes(self._state_dir, {HEALTHY: "upgraded", BROKEN: "rolled_back", DISCONNECTED: "rolled_back"})
        checks.check_disks(self._admin, {**others, DISCONNECTED: before[DISCONNECTED]})
        self._require_result(result, 2, [DISCONNECTED])
        self._console.verified(f"{DISCONNECTED} was on but unreachable; its provider restored its disk byte for byte, and SSH works again.")
        checks.check_changes(self._admin, [
            *(("snapshots.create", server) for server in (HEALTHY, BROKEN, DISCONNECTED)),
            *(("snapshots.restore", server) for server in (BROKEN, DISCONNECTED)),
        ])
        self._console.verified("the only changes requested were three snapshots and two restores.")
        return broken

    def _summarize(self, before: dict[str, str], broken: dict[str, ServerState]) -> None:
        descriptions = {
            HEALTHY: "upgraded",
            BROKEN: "rolled back: the health check failed",
            DISCONNECTED: "rolled back: the server was unreachable",
        }
        outcomes = []
        for server in sorted(self._admin.servers(), key=lambda server: server["name"]):
            name, at_end = server["name"], server["digest"]
            upgraded = broken[name].digest if name in broken else at_end
            outcomes.append(ServerOutcome(name, TITLES[server["cloud"]], descriptions[name], before[name], upgraded, at_end))
        self._console.table(outcomes)
        self._console.print_text(f"The demo succeeded in {time.monotonic() - self._started:.0f} seconds. Its playbooks are in extensions/demo/.")
        self._console.print_text("What to do next: read README.md to use this on your servers, or try it on the sandbox: make sandbox")

    @staticmethod
    def _require_result(result: PlaybookResult, status: int, failed: list[str]) -> None:
        if (result.status, result.failed) != (status, failed):
            raise DemoCheckFailed(f"expected ansible-playbook to exit with {status} and fail on {_and(failed) or 'no server'}; it exited "
                                  f"with {result.status} and failed on {_and(result.failed) or 'no server'}. See its output above")


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
