# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps that find out whether an upgraded server needs a reboot, and that reboot one without Python."""

from __future__ import annotations

import contextlib
import re
import shlex

from .. import reboot
from .. import record as states
from ..attempts import Retry
from ..server_access import ServerUnavailable
from .base import Result
from .observe import PROBE_TIMEOUT, ObserveSteps

REBOOT_CHECK_TIMEOUT = 180  # a package manager may read its repositories
REBOOT_COMMAND = "PATH=$PATH:/usr/sbin:/sbin; shutdown -r now || reboot"
BOOT_ID_SCRIPT = "cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.boottime"


class RebootSteps(ObserveSteps):
    """A shell on the server is enough."""

    def _detect_reboot(self) -> Result:
        """Find out whether the upgraded server needs a reboot."""
        record = self._record
        kernel_before = (record.data["before"] or {}).get("kernel")
        retry = Retry(min(self._params["check_timeout"], self._seconds_left(record)))
        while True:
            try:
                found = reboot.decide_reboot(self._server.run(self._params["script"], retry.limit(REBOOT_CHECK_TIMEOUT)), kernel_before)
                if found is not None:
                    break
                problem = "the command that finds out whether it needs a reboot did not complete"
                is_refused = False
            except ServerUnavailable as failure:
                problem, is_refused = str(failure), failure.is_refused
            self._pause_or_fail(record, retry, [problem], is_refused, states.UPGRADING)
        label = record.server_label
        message = f"Server {label} needs a reboot: {found['reason']}" if found["required"] else f"Nothing requests a reboot of server {label}"
        warnings = [] if found["known"] else [
            f"It is unknown whether server {label} needs a reboot: it has no /run/reboot-required, needs-restarting, zypper or installed kernel. "
            "To be sure, set guarded_upgrade_reboot to always."
        ]
        return {"changed": False, "msg": message, "reboot_required": found["required"], "warnings": warnings}

    def _reboot(self) -> Result:
        """Reboot a server on which no module runs, and wait until it answers in another boot.

        Raises:
            OperationFailed: The command fails, or the server does not reboot within its time.
        """
        record = self._record
        retry = Retry(min(self._params["reboot_timeout"], self._seconds_left(record)))
        boot_id, status = "", "0"
        while True:
            problem = "it has not rebooted"
            try:
                if not boot_id:
                    boot_id = self._read_boot_id(retry, new_login=False)
                    status = self._request_reboot(retry, boot_id)
                elif self._read_boot_id(retry, new_login=True) != boot_id:
                    break
            except ServerUnavailable as failure:
                problem = str(failure)
            if status != "0":
                problem = f"the reboot command ended with status {status}"
                retry.stop()
            self._pause_or_fail(record, retry, [problem], False, states.UPGRADING)
        self._server.reset()
        return {"changed": True, "msg": f"Server {record.server_label} has rebooted"}

    def _read_boot_id(self, retry: Retry, *, new_login: bool) -> str:
        lines = self._server.run(BOOT_ID_SCRIPT, retry.limit(PROBE_TIMEOUT), new_login=new_login).split("\n")
        found = [line.strip() for line in lines if line.strip()]
        if not found:
            raise ServerUnavailable("its boot ID can't be read")
        return found[-1]  # a terminal may print other lines first

    def _request_reboot(self, retry: Retry, boot_id: str) -> str:
        """Return the command's exit status; 0 if the connection has ended before the command.

        After a lost connection ssh may send the script again, when the server has rebooted. Then it does nothing.
        """
        command = self._params["reboot_command"] or REBOOT_COMMAND
        script = f"[ \"$({BOOT_ID_SCRIPT})\" = {shlex.quote(boot_id)} ] || exit 0\n{command}\necho \"status $?\""
        with contextlib.suppress(ServerUnavailable):
            found = re.search("^status ([0-9]+)", self._server.run(script, retry.limit(PROBE_TIMEOUT)), re.MULTILINE)
            return found[1] if found else "0"
        return "0"
