# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's servers: disks, the namespaces that commands run in, and the SSH doors in front of them.

The clouds' side of the sandbox needs two names only: `MachinePool`, which makes machines below one state folder, and
`Machine`, which is switched on and off and whose disk is saved and loaded. Nothing here knows about clouds or snapshots' names.

This is a place to try things in, not a jail: who logs in on a machine is trusted like the user who started the sandbox.
"""

from __future__ import annotations

from .isolation import IsolationUnavailable
from .machine import Machine, MachineError
from .pool import MachinePool
from .runtime import MachineRuntimeError
from .stub import StubMachinePool

__all__ = ["StubMachinePool", "IsolationUnavailable", "Machine", "MachineError", "MachinePool", "MachineRuntimeError"]
