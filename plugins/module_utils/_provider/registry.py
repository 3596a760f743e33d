# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All providers. A new provider is entered here and nowhere else in the code."""

from __future__ import annotations

from typing import Any

from .base import Provider
from .ilkbyte import Ilkbyte
from .vpsorg import VpsOrg

REGISTRY: dict[str, type[Provider]] = {"vpsorg": VpsOrg, "ilkbyte": Ilkbyte}


def connect(options: dict[str, Any]) -> Provider:
    """Return the provider that the normalized options name. Sends nothing."""
    from .._http.client import ApiClient  # not above: option checks read the facts of all providers without HTTP

    provider = REGISTRY[options["provider"]]
    credentials = provider.endpoint.credentials
    return provider(ApiClient(
        provider.display_name,
        options["api_url"],
        headers={item.header: item.prefix + options[item.option] for item in credentials if item.header},
        query={item.query: options[item.option] for item in credentials if item.query},
        verify=options["verify"],
        timeout=options["api_timeout"],
        rate_limit=options.get("rate_limit"),
    ))
