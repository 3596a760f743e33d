# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches all pages of a list and reads their JSON, as little as a client can do. Run as a program; prints the seconds of processor."""

from __future__ import annotations

import json
import sys
import time

import requests


def main(plan: str) -> None:
    """:param plan: JSON with the first page's ``url`` and the ``token``."""
    wanted = json.loads(plan)
    url: str | None = wanted["url"]
    began = time.process_time()
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {wanted['token']}"
        while url:
            url = session.get(url, timeout=60).json()["next"]
    print(time.process_time() - began)


if __name__ == "__main__":
    main(sys.argv[1])
