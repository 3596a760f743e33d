# SPDX-License-Identifier: GPL-3.0-or-later
"""The third kind of servers: real Debian machines in QEMU, with systemd, apt and sshd. Imported only when wanted."""

from __future__ import annotations

from .image import missing_packages
from .pool import QemuMachinePool

__all__ = ["QemuMachinePool", "missing_packages"]
