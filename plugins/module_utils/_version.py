# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's version in the User-Agent header. A test compares it with galaxy.yml."""

from __future__ import annotations

VERSION = "0.1.0"
