# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps need of the server; `_server_shell.py` is it over Ansible's connection."""

from __future__ import annotations

import re
from typing import Any, Protocol

# Messages of OpenSSH, and of paramiko, for a server that presents another key than the controller knows.
_WRONG_HOST_KEY = re.compile(r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|host key for server .* does not match", re.IGNORECASE)
# Messages of OpenSSH for a server that answers and refuses the login. Many attempts make programs such as fail2ban block the controller.
_REFUSALS = ("Permission denied", "Too many authentication failures")

MAX_ERROR_CHARS = 1500  # the end of ssh's error states the cause
# Ansible's words before ssh's own error, if there is one.
_ANSIBLE_PREFIX = re.compile(
    r"^(?:.*?via (?:ssh|scp|sftp)|Data could not be sent to remote host \".*?\"\. Make sure this host can be reached over ssh): (?=.*\S)", re.DOTALL,
)


def ssh_error(text: str) -> str:
    """Return ssh's own error of Ansible's message, in one line."""
    return " ".join(_ANSIBLE_PREFIX.sub("", text).split())[-MAX_ERROR_CHARS:]


def is_wrong_host_key(error: str) -> bool:
    return bool(_WRONG_HOST_KEY.search(error))


class ServerUnavailable(Exception):
    """A command did not run to its end; `is_refused` if the server answers and refuses the login."""

    def __init__(self, detail: str) -> None:
        super().__init__(ssh_error(detail))
        self.is_refused = is_wrong_host_key(detail) or any(text in detail for text in _REFUSALS)


class ServerAccess(Protocol):
    """Runs commands on the server of a task.

    Attributes:
        facts: What Ansible has found out about the server, for the task's result.
        requires_terminal: Whether commands run in a terminal only, as with su. They have no input there, either.
    """

    facts: dict[str, Any]
    requires_terminal: bool

    def run(self, script: str, seconds: float, *, new_login: bool = False) -> str:
        """Return what the script prints on standard output.

        Args:
            new_login: Log in again. A connection that is open already works even if every new login fails.

        Raises:
            ServerUnavailable: The server can't be reached, refuses the login, or does not run the script.
        """

    def reset(self) -> None:
        """Close the connection that commands share: after a reboot it leads nowhere."""

    def find_module_problem(self, seconds: float) -> str | None:
        """Return why no module of Ansible runs on the server; None if one does. Raise ServerUnavailable if it can't be reached."""

    def keep_open(self) -> bool:
        """Use the connection that is open already, which ssh would close after a minute. Return whether it still works.

        If no new login works, only this connection reaches the server's logs.
        """
