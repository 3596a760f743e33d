# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the role snapshot_schedule with the real ansible-playbook, and runs what it has installed.

The tests must not touch the user's timers and crontabs, and most test machines have no running systemd. So `systemctl`,
`loginctl` and `crontab` are fakes, first on the PATH, with their state in files. They are strict: a unit that was not
loaded can't be started. The unit files are real: the real `systemd-analyze` verifies them, and `start` runs their commands
with the environment that they state and no other.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.playbook_runner import PlaybookRunner, Run

if TYPE_CHECKING:
    from sandbox import SandboxHandle

SYSTEMCTL = r"""#!/bin/sh
# Fake: units are in UNITS, state is in STATE.
case "$1" in --user | --system) shift ;; esac
verb=$1 unit=$2
echo "$verb $unit" >> STATE/systemctl.log
case "$verb" in
is-system-running) cat STATE/is-system-running ;;
daemon-reload) ls UNITS > STATE/loaded ;;
show)
    grep -qx "$unit" STATE/loaded && echo LoadState=loaded || echo LoadState=not-found
    [ -e "STATE/$unit.active" ] && echo ActiveState=active || echo ActiveState=inactive ;;
is-enabled) [ -e "STATE/$unit.enabled" ] && echo enabled || { echo disabled; exit 1; } ;;
enable) touch "STATE/$unit.enabled" ;;
disable) rm -f "STATE/$unit.enabled" ;;
start | restart)
    grep -qx "$unit" STATE/loaded || exit 1
    case "$unit" in *.timer) touch "STATE/$unit.active"; exit ;; esac
    file= directory=/ umask=0022 success=0 on_failure= program=$0
    set --
    while IFS= read -r line; do
        value=${line#*=}
        case "$line" in
        Environment=*) set -- "$@" "$value" ;;
        EnvironmentFile=*) file=$value ;;
        WorkingDirectory=*) directory=$value ;;
        UMask=*) umask=$value ;;
        SuccessExitStatus=*) success=$value ;;
        OnFailure=*) on_failure=$value ;;
        ExecStart=*) command=$value ;;
        esac
    done < "UNITS/$unit"
    (umask "$umask"; cd "$directory"; exec env -i "$@" sh -c 'set -a; [ -z "$0" ] || . "$0"; set +a; exec '"$command" "$file") \
        > "STATE/$unit.journal" 2>&1
    status=$?
    [ "$status" != 0 ] && [ "$status" != "$success" ] || exit 0
    touch "STATE/$unit.failed"
    [ -z "$on_failure" ] || "$program" start "$on_failure"
    exit 1 ;;
stop) rm -f "STATE/$unit.active" ;;
reset-failed) rm "STATE/$unit.failed" ;;
*) exit 1 ;;
esac
"""
LOGINCTL = "#!/bin/sh\ncat STATE/linger\n"
CRONTAB = r"""#!/bin/sh
case "$1" in
-l) cat STATE/crontab 2> /dev/null || { echo "no crontab for $(id -un)" >&2; exit 1; } ;;
-r) rm STATE/crontab ;;
*)
    cp "$1" STATE/crontab
    # With a daemon: what runs every minute runs at once.
    pgrep cron > /dev/null || exit 0
    sed -n 's/^\* \* \* \* \* //p' "$1" | while IFS= read -r job; do
        env -i SHELL=/bin/sh HOME=/nonexistent LOGNAME=x PATH=/usr/bin:/bin LEAK=1 sh -c "$job" >> STATE/cron-ran 2>&1
        printf '%s\n' "$job" >> STATE/cron-ran
    done ;;
esac
"""


NO_PROCESS = "#!/bin/sh\nexit 1\n"  # pgrep: no cron daemon, whatever runs on this machine


@dataclass
class ScheduleRunner:
    """Schedules of the sandbox's servers on this machine. Everything is installed below the empty `directory`.
    """

    sandbox: SandboxHandle
    directory: Path

    def __post_init__(self) -> None:
        self._runner = PlaybookRunner(self.sandbox, self.directory)
        self.state, self.units, self.files, self.programs = (self.directory / name for name in ("state", "units", "schedules", "bin"))
        self.home = self.directory / "home"  # of PlaybookRunner
        self.keywords: dict[str, Any] = {}  # more keywords of the plays
        for directory in (self.state, self.programs):
            directory.mkdir()
        for name, text in (("systemctl", SYSTEMCTL), ("loginctl", LOGINCTL), ("crontab", CRONTAB), ("pgrep", NO_PROCESS)):
            self.program(name, text)
        (self.state / "loaded").touch()
        (self.state / "linger").write_text("yes\n", encoding="utf-8")
        self.set_systemd_state("running")
        (self.directory / "hosts").write_text("web1\nweb2\napp1\n", encoding="utf-8")

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH."""
        path = self.programs / name
        path.write_text(text.replace("STATE", str(self.state)).replace("UNITS", str(self.units)), encoding="utf-8")
        path.chmod(0o755)

    def set_systemd_state(self, state_name: str) -> None:
        """Set what `systemctl is-system-running` prints."""
        (self.state / "is-system-running").write_text(f"{state_name}\n", encoding="utf-8")

    # --- running the role

    def role(self, host: str, *arguments: str, environment: dict[str, str] | None = None, **options: Any) -> Run:
        """Run the role for one host. Options are the role's, without their prefix."""
        return self.roles(host, options, arguments=arguments, environment=environment)

    def _plain_paths(self) -> dict[str, str]:
        """The role refuses paths with blanks or accents in them, so a checkout with such a name is reached by another."""
        real = {"runner_ansible_playbook": Path(sys.executable).parent / "ansible-playbook",
                "runner_collections_path": Path(os.environ["ANSIBLE_COLLECTIONS_PATH"])}
        if all(re.fullmatch("[A-Za-z0-9/._+-]*", str(path)) for path in real.values()):
            return {}
        plain = {}
        for option, path in real.items():
            link = self.directory / option
            if not link.is_symlink():
                link.symlink_to(path)
            plain[option] = str(link)
        return plain

    def roles(self, host: str, *options_list: dict[str, Any], arguments: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> Run:
        """Run the role several times in one run, once with each of these options."""
        defaults = {"name": "nightly", "runner_dir": str(self.files), "runner_unit_dir": str(self.units), **self._plain_paths()}
        # The play's become must not count for the cloud and the runner: there is no sudo that would let a test become root.
        play = {"hosts": host, "gather_facts": False, "become": True, "become_method": "ansible.builtin.su", **self.keywords}
        roles = [{f"snapshot_schedule_{name}": value for name, value in {**defaults, **options}.items()} for options in options_list]
        playbook = [{**play, "roles": [{"role": "rewind.vps.snapshot_schedule", **variables}]} for variables in roles]
        path = self.directory / "given.yml"
        path.write_text(json.dumps(playbook), encoding="utf-8")
        return self._runner.command("ansible-playbook", "-i", str(self.directory / "hosts"), str(path), *arguments,
                                    environment={**self._environment(host), **(environment or {})})

    def _environment(self, host: str) -> dict[str, str]:
        path = os.pathsep.join([str(self.programs), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        common = {"PATH": path, "ANSIBLE_PIPELINING": "true"}
        if host.startswith("app"):
            return {**common, "REWIND_PROVIDER": "ilkbyte", "ILKBYTE_HOST": self.sandbox.ilkbyte_url,
                    "ILKBYTE_ACCESS_KEY": self.sandbox.ilkbyte_access_key, "ILKBYTE_SECRET_KEY": self.sandbox.ilkbyte_secret_key}
        return {**common, "REWIND_PROVIDER": "vpsorg", "VPS_API_URL": self.sandbox.vpsorg_url, "VPS_API_TOKEN": self.sandbox.vpsorg_token}

    # --- running what it has installed

    def unit(self, server: str = "web1", name: str = "nightly") -> str:
        """The name of the files of the server's only schedule of that name."""
        (path,) = self.files.glob(f"rewind-snapshot-*-{server}-*.{name}.json")
        return path.stem

    def run_unit(self, unit: str) -> subprocess.CompletedProcess[str]:
        """What systemd does at the timer's time. The output is what it would write to the journal."""
        self.systemctl("daemon-reload")
        ran = self.systemctl("start", f"{unit}.service")
        return subprocess.CompletedProcess(ran.args, ran.returncode, (self.state / f"{unit}.service.journal").read_text("utf-8"), ran.stderr)

    def systemctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.programs / "systemctl", "--system", *arguments], text=True, capture_output=True, timeout=120, check=False)

    def run_cron(self, unit: str) -> subprocess.CompletedProcess[str]:
        """What cron would do: the entry's command, through a shell, with next to no environment."""
        (line,) = [line for line in self.crontab.splitlines() if unit in line and not line.startswith("#")]
        command = line.split(maxsplit=5)[5]
        assert "%" not in command, "cron would take what follows for the program's input"
        environment = {"SHELL": "/bin/sh", "HOME": "/nonexistent", "LOGNAME": "x", "PATH": "/usr/bin:/bin"}
        return subprocess.run(["/bin/sh", "-c", command], env=environment, cwd="/", text=True, capture_output=True, timeout=120, check=False)

    @contextlib.contextmanager
    def cron_daemon(self) -> Iterator[None]:
        """A daemon whose minutes are short: it runs what is due every minute, again and again."""
        stop = threading.Event()

        def work() -> None:
            environment = {"SHELL": "/bin/sh", "HOME": "/nonexistent", "LOGNAME": "x", "PATH": "/usr/bin:/bin"}
            while not stop.wait(0.5):
                for line in self.crontab.splitlines():
                    if line.startswith("* * * * * "):
                        subprocess.run(["/bin/sh", "-c", line[10:]], env=environment, cwd="/", capture_output=True, check=False)

        daemon = threading.Thread(target=work)
        daemon.start()
        try:
            yield
        finally:
            stop.set()
            daemon.join()

    # --- the result

    @property
    def crontab(self) -> str:
        path = self.state / "crontab"
        return path.read_text("utf-8") if path.exists() else ""

    def installed(self) -> dict[str, bytes]:
        """Every file that is installed, and what is in it."""
        found = [path for directory in (self.files, self.units) if directory.exists() for path in directory.iterdir()]
        found += [path for kind in ("active", "enabled", "failed") for path in self.state.glob(f"*.{kind}")]
        return {path.name: path.read_bytes() for path in found}

    def changing(self) -> list[str]:
        """The operations of the changing requests, in order."""
        return [request["operation"] for request in self.sandbox.admin.requests(changing=True)]

    def snapshots(self, server: str) -> list[str]:
        return sorted(snapshot["name"] for snapshot in self.sandbox.admin.server(server)["snapshots"])
