# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP: one request (`session`), retries (`client`), and the provider's rate limit (`rate_limit`).

Only `session` and `client` load an HTTP library. Everything else here can be imported without one.
"""

from __future__ import annotations


def requests_available() -> bool:
    """Return whether the library `requests`, the one runtime dependency, can be imported."""
    from . import session

    return session.requests is not None
