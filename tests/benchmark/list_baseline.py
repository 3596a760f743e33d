# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches lists and parses their JSON, the least that a client can do. Run as a program; prints the CPU seconds."""

from __future__ import annotations

import json
import sys
import time

import requests


def main(plan: str) -> None:
    """Read `plan`, a JSON file with `token` and `urls`; each URL is followed by the pages that it names as next."""
    with open(plan, encoding="utf-8") as file:
        wanted = json.load(file)
    started_at = time.process_time()
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {wanted['token']}"
        for url in wanted["urls"]:
            while url:
                url = session.get(url, timeout=60).json().get("next")
    print(time.process_time() - started_at)


if __name__ == "__main__":
    main(sys.argv[1])
