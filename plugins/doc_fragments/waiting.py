# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How long a task waits. A module that uses it sets the default of wait_timeout."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the operation is finished.
    type: bool
    default: true
  wait_timeout:
    description:
      - Total time to wait, in seconds, from 1 to 86400.
      - On timeout the task fails with RV(ignore:error.kind) V(wait_timeout) and RV(ignore:error.outcome) V(unknown). The operation
        continues at the provider. A rerun reads the state first and waits for the operation in progress.
      - Transient read errors do not end the wait. The polling interval grows up to 60 seconds.
    type: int
"""
