# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clouds that there are. The one place that a new cloud is entered in."""

from __future__ import annotations

from typing import Any

from .base import Provider
from .ilkbyte import Ilkbyte
from .vpsorg import VpsOrg

REGISTRY: dict[str, type[Provider]] = {"vpsorg": VpsOrg, "ilkbyte": Ilkbyte}


def connect(options: dict[str, Any]) -> Provider:
    """The provider that cleaned options speak of; nothing is sent yet."""
    return REGISTRY[options["provider"]](options)
