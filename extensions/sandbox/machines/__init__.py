# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's servers: disks, namespaces for commands, and SSH servers.

The simulated providers need a pool, which creates machines in a state directory, and machines, which have power and disk images. There are three
kinds with one interface: `pool` and `machine`, `stub`, and `qemu`. This is for trying things, not a jail: a user of a machine is trusted like the
user who started the sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from .isolation import MachinesUnavailable
from .machine import Machine, MachineError
from .pool import MachinePool
from .runtime import MachineRuntimeError
from .stub import StubMachinePool

if TYPE_CHECKING:
    from .qemu import QemuMachinePool

    AnyMachinePool = Union[MachinePool, StubMachinePool, QemuMachinePool]

__all__ = ["StubMachinePool", "MachinesUnavailable", "Machine", "MachineError", "MachinePool", "MachineRuntimeError"]
