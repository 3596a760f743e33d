# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's steps in order. Each says what it does and why, does it with Ansible, and checks what came of it."""

from __future__ import annotations

import functools
import time
from pathlib import Path

from demo import checks
from demo.checks import NotAsItShouldBe
from demo.cloud_progress import TITLES, under_way
from demo.playbooks import Playbooks
from demo.screen import Screen, ServerStory
from sandbox import Box

BROKEN = "web2"
WELL = ("app1", "web1")
SNAPSHOT = "beforeupgrade"


class Story:
    """Played once on a fresh sandbox with web1 and web2 at VPS.org and app1 at Ilkbyte.

    :param root: the checkout.
    :param scratch: an empty folder.
    """

    def __init__(self, box: Box, screen: Screen, root: Path, scratch: Path) -> None:
        self._began = time.monotonic()
        self._box = box
        self._control = box.control
        self._screen = screen
        self._playbooks = Playbooks(box, screen, root, scratch, functools.partial(under_way, box.control))

    def play(self, *, restore_fails: bool = False) -> None:
        """Play all steps.

        :param restore_fails: let the cloud's restore fail half way.
        :raises NotAsItShouldBe: something did not happen as it should.
        """
        self._introduce()
        self._install()
        before = self._snapshot()
        upgraded = self._upgrade(before)
        if restore_fails:
            self._control.fault("restore_fails", operation="snapshots.restore")
        self._restore(before, upgraded)
        self._clean_up()
        self._sum_up(before, upgraded)

    def _introduce(self) -> None:
        names = {cloud: [server["name"] for server in self._control.servers(cloud)] for cloud in TITLES}
        self._screen.say(f"Its servers: {'; '.join(f'{TITLES[cloud]} has {_and(servers)}' for cloud, servers in names.items())}. "
                         f"{self._box.isolation_reason}")
        self._screen.say("The inventory and the keys to the clouds reach Ansible through its environment, never on a command line.")
        self._screen.say(f"Its clocks run {self._box.speed:g} times as fast as yours, so a restore of ten minutes takes "
                         f"{600 / self._box.speed:.0f} seconds.")

    def _install(self) -> None:
        self._screen.step("Install a program",
                          "Ansible logs in to the three servers over SSH and installs version 1.0 of a small guestbook.")
        self._must_succeed("install.yml")

    def _snapshot(self) -> dict[str, str]:
        self._screen.step("Take snapshots",
                          "Before anything is changed, the module rewind.vps.snapshot asks each server's cloud for a snapshot, over "
                          "HTTP from this machine, and waits until it is ready.")
        disks = checks.disk_digests(self._control)
        self._must_succeed("snapshot.yml")
        checks.snapshots_hold(self._control, disks)
        self._screen.proven("each server has one snapshot, and it holds the server's disk exactly.")
        return disks

    def _upgrade(self, before: dict[str, str]) -> dict[str, str]:
        self._screen.step("Upgrade the servers",
                          "Ansible installs version 2.0 over SSH. That has a bug, on purpose, which loses guests whose names have an "
                          f"apostrophe, and {BROKEN} has such a guest. Its health check will fail.")
        outcome = self._playbooks.run("upgrade.yml")
        disks = checks.disk_digests(self._control)
        lost = checks.guests_lost(self._control)
        checks.upgrade_broke_only(BROKEN, outcome.failed, lost, before, disks)
        self._screen.proven(f"all three disks have changed, and {BROKEN} alone is broken: {lost[BROKEN]} of its guests are lost.")
        return disks

    def _restore(self, before: dict[str, str], upgraded: dict[str, str]) -> None:
        self._screen.step(f"Put {BROKEN} back",
                          f"The module rewind.vps.snapshot_restore asks for {BROKEN}'s own snapshot of step 2, by its id, and waits until "
                          "the server is up again. The servers whose upgrade went well are left alone.")
        self._must_succeed("restore.yml", BROKEN)
        checks.only_this_was_restored(self._control, BROKEN, before, upgraded)
        self._screen.proven(f"{BROKEN}'s disk is byte for byte as it was: every file's content, name, mode, owner and time. It was "
                            "restored once, and the other servers' disks were not touched.")

    def _clean_up(self) -> None:
        self._screen.step("Clean up",
                          f"Where the upgrade went well, the snapshot is deleted: it takes one of few places. {BROKEN} keeps its own for "
                          "the next try.")
        self._must_succeed("clean_up.yml", ",".join(WELL))
        checks.snapshots_left(self._control, {BROKEN: [SNAPSHOT], **dict.fromkeys(WELL, [])})
        checks.clouds_were_asked_only_for(self._control, [
            *(("snapshots.create", server) for server in (BROKEN, *WELL)),
            ("snapshots.restore", BROKEN),
            *(("snapshots.delete", server) for server in WELL),
        ])
        self._screen.proven("the clouds were asked to change just this: three snapshots made, one restored, two deleted.")

    def _sum_up(self, before: dict[str, str], upgraded: dict[str, str]) -> None:
        stories = []
        for server in self._control.servers():
            name, at_end = server["name"], server["digest"]
            wanted, what_happened = ((before, "the upgrade broke it; restored from its snapshot") if name == BROKEN
                                     else (upgraded, "upgraded; its snapshot is deleted"))
            if at_end != wanted[name]:
                raise NotAsItShouldBe(f"the disk of {name} has changed since the restore of {BROKEN}")
            stories.append(ServerStory(name, TITLES[server["cloud"]], what_happened, before[name], upgraded[name], at_end))
        self._screen.table(stories)
        self._screen.say(f"All went as it should, in {time.monotonic() - self._began:.0f} seconds. The playbooks are in extensions/demo/.")
        self._screen.say("What to do next: read README.md to use this on your servers, or try it yourself on the sandbox: make sandbox")

    def _must_succeed(self, playbook: str, limit: str | None = None) -> None:
        outcome = self._playbooks.run(playbook, limit)
        if outcome.status or outcome.failed:
            on = f" on {_and(outcome.failed)}" if outcome.failed else ""
            raise NotAsItShouldBe(f"{playbook} failed{on} (ansible-playbook's exit status is {outcome.status}); it says above why")


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
