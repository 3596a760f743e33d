# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's steps in order. Each says what it does and why, does it with Ansible, and checks what came of it."""

from __future__ import annotations

import functools
import time
from pathlib import Path

from demo import checks
from demo.checks import NotAsItShouldBe
from demo.cloud_progress import TITLES, under_way
from demo.playbooks import Outcome, Playbooks
from demo.screen import Screen, ServerStory
from demo.watch import View, Watch
from sandbox import SandboxHandle

WELL, ILL, CUT_OFF = "app1", "web1", "web2"
GUESTS_LOST = 3  # O'Brien and the two after him
IMPATIENT_SECONDS = 10


class Story:
    """Played once on a fresh sandbox with web1 and web2 at VPS.org and app1 at Ilkbyte.

    :param root: the checkout.
    :param scratch: an empty folder.
    """

    def __init__(self, sandbox: SandboxHandle, screen: Screen, root: Path, scratch: Path) -> None:
        self._began = time.monotonic()
        self._sandbox = sandbox
        self._admin = sandbox.admin
        self._screen = screen
        self._state_dir = scratch / "state"
        self._playbooks = Playbooks(sandbox, screen, root, scratch, self._state_dir, functools.partial(under_way, sandbox.admin))

    def play(self, *, restore_fails: bool = False) -> None:
        """Play all steps.

        :param restore_fails: let each of the clouds' restores fail half way.
        :raises NotAsItShouldBe: something did not happen as it should.
        """
        with self._playbooks, Watch(self._admin) as watch:
            self._introduce()
            self._install()
            before = checks.disk_digests(self._admin)
            self._look_ahead(before)
            options = self._let_restores_fail() if restore_fails else []
            broken = {ILL: self._roll_out(before, watch, options)}
            broken[CUT_OFF] = self._cut_off(before, watch)
            self._sum_up(before, broken)

    def _introduce(self) -> None:
        names = {cloud: [server["name"] for server in self._admin.servers(cloud)] for cloud in TITLES}
        self._screen.say(f"Its servers: {'; '.join(f'{TITLES[cloud]} has {_and(servers)}' for cloud, servers in names.items())}. "
                         f"{self._sandbox.isolation_reason}")
        self._screen.say(f"Its clocks run {self._sandbox.speed:g} times as fast as yours, so a restore of ten minutes takes "
                         f"{600 / self._sandbox.speed:.0f} seconds.")
        self._screen.say("The inventory and the keys to the clouds reach Ansible through its environment. Of its output you see the tasks "
                         "that change, say or fail something.")

    def _install(self) -> None:
        self._screen.step("Install a program", "A small guestbook, version 1.0, is put on the three servers over SSH.")
        outcome = self._playbooks.run("install.yml")
        self._must_end(outcome, 0, [])

    def _look_ahead(self, before: dict[str, str]) -> None:
        self._screen.step("Look at the plan",
                          "Version 2.0 is to be installed behind a guard, by the role rewind.vps.guarded_upgrade. First only the plan:")
        outcome = self._playbooks.run("upgrade.yml", "--check", "--limit", WELL)
        self._must_end(outcome, 0, [])
        checks.clouds_were_asked_only_for(self._admin, [])
        checks.disks_are(self._admin, before)
        self._screen.proven("nothing was changed, neither at the clouds nor on a server.")

    def _let_restores_fail(self) -> list[str]:
        """Answers what the role is told then: without it, it would try for an hour."""
        self._admin.fault("restore_fails", operation="snapshots.restore", times=None)
        return ["-e", f"guarded_upgrade_rollback_timeout={IMPATIENT_SECONDS}"]

    def _roll_out(self, before: dict[str, str], watch: Watch, options: list[str]) -> View:
        self._screen.step("Upgrade one server after the other",
                          "The upgrade has a bug: it loses guests whose names have an apostrophe. "
                          f"{WELL} has no such guest; {ILL} has one, and its health check will fail.")
        outcome = self._playbooks.run("upgrade.yml", *options)
        told = checks.told_outcomes(self._state_dir)
        for server in (WELL, ILL):
            checks.snapshot_holds(self._admin, server, before[server])
        checks.upgraded(self._admin, WELL, before[WELL])
        broken = checks.was_broken(ILL, watch.before_restore.get(ILL), before[ILL], lost=GUESTS_LOST)
        checks.rolled_back(self._admin, ILL, before[ILL], told.get(ILL, "nothing"))
        checks.untouched(self._admin, CUT_OFF, before[CUT_OFF])
        checks.role_says(self._state_dir, {WELL: "upgraded", ILL: "rolled_back"})
        self._must_end(outcome, 2, [ILL])
        self._screen.proven(f"{WELL} is upgraded, and all its guests are there.")
        self._screen.proven(f"{ILL} had lost {broken.guests_lost} guests, was restored once, and its disk is byte for byte as it was: every "
                            "file's content, name, mode, owner and time.")
        self._screen.proven(f"the roll-out stopped there: nothing was done to {CUT_OFF}.")
        return broken

    def _cut_off(self, before: dict[str, str], watch: Watch) -> View:
        self._screen.step("Upgrade a server that cuts itself off",
                          f"{CUT_OFF}'s variables name a wrong network device. The upgrade writes it into /etc/network/interfaces: the server "
                          "stays on, but SSH is dead, and nothing could mend that from here.")
        others = {server: digest for server, digest in checks.disk_digests(self._admin).items() if server != CUT_OFF}
        outcome = self._playbooks.run("upgrade.yml", "--limit", CUT_OFF)
        told = checks.told_outcomes(self._state_dir)
        checks.snapshot_holds(self._admin, CUT_OFF, before[CUT_OFF])
        broken = checks.was_broken(CUT_OFF, watch.before_restore.get(CUT_OFF), before[CUT_OFF], cut_off=True)
        checks.rolled_back(self._admin, CUT_OFF, before[CUT_OFF], told.get(CUT_OFF, "nothing"))
        checks.answers_over_ssh(self._admin, CUT_OFF)
        checks.role_says(self._state_dir, {WELL: "upgraded", ILL: "rolled_back", CUT_OFF: "rolled_back"})
        checks.disks_are(self._admin, {**others, CUT_OFF: before[CUT_OFF]})
        self._must_end(outcome, 2, [CUT_OFF])
        self._screen.proven(f"{CUT_OFF} was on and out of reach; its cloud has put its disk back byte for byte, and SSH answers again.")
        checks.clouds_were_asked_only_for(self._admin, [
            *(("snapshots.create", server) for server in (WELL, ILL, CUT_OFF)),
            *(("snapshots.restore", server) for server in (ILL, CUT_OFF)),
        ])
        self._screen.proven("in all, the clouds were asked to change just this: three snapshots taken, two of them restored.")
        return broken

    def _sum_up(self, before: dict[str, str], broken: dict[str, View]) -> None:
        happened = {
            WELL: "upgraded",
            ILL: "rolled back: the health check failed",
            CUT_OFF: "rolled back: the server was out of reach",
        }
        stories = []
        for server in sorted(self._admin.servers(), key=lambda server: server["name"]):
            name, at_end = server["name"], server["digest"]
            upgraded = broken[name].digest if name in broken else at_end
            stories.append(ServerStory(name, TITLES[server["cloud"]], happened[name], before[name], upgraded, at_end))
        self._screen.table(stories)
        self._screen.say(f"All went as it should, in {time.monotonic() - self._began:.0f} seconds. The playbooks are in extensions/demo/.")
        self._screen.say("What to do next: read README.md to use this on your servers, or try it yourself on the sandbox: make sandbox")

    @staticmethod
    def _must_end(outcome: Outcome, status: int, failed: list[str]) -> None:
        if (outcome.status, outcome.failed) != (status, failed):
            raise NotAsItShouldBe(f"ansible-playbook should have ended with status {status} and failed on {_and(failed) or 'no server'}; it ended "
                                  f"with {outcome.status} and failed on {_and(outcome.failed) or 'no server'}. It says above why")


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
