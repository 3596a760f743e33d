# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clouds, VPS.org and Ilkbyte, on loopback, with servers behind them: for trying things and for tests.

`python -m sandbox` runs one; `launch` runs one from Python. Importing this package needs the standard library
only; running a sandbox needs starlette, uvicorn and asyncssh.
"""

from __future__ import annotations

from .admin_client import AdminClient, AdminError
from .launch import SandboxHandle, launch

__all__ = ["SandboxHandle", "AdminClient", "AdminError", "launch"]
