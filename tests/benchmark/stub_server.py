# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers as Vultr and DigitalOcean do where one asks for snapshots, each answer after a delay. Run as a program."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

NAME = "one"
CREATED = "2026-01-02T03:04:05+00:00"
ANSWERS: dict[str, Any] = {
    "/vultr/snapshots": {
        "snapshots": [{"id": "cb676a46-66fd-4dfb-b839-443f2e6c0b60", "date_created": CREATED, "description": NAME, "size": 42949672960,
                       "compressed_size": 949678560, "status": "complete", "os_id": 215, "app_id": 0}],
        "meta": {"total": 1, "links": {"next": "", "prev": ""}},
    },
    "/ocean/snapshots": {
        "snapshots": [{"id": "6372321", "name": NAME, "created_at": CREATED, "regions": ["nyc1"], "min_disk_size": 25, "size_gigabytes": 2.34,
                       "resource_id": "200776916", "resource_type": "droplet", "tags": []}],
        "links": {}, "meta": {"total": 1},
    },
}


class Handler(BaseHTTPRequestHandler):
    """One answer for each address; 404 for any other. Changes are not known here: an unchanged task asks for none."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: else the second waits for the other end's acknowledgement
    delay = 0.0

    def do_GET(self) -> None:  # the base class's way to name it
        """Answer, after the delay."""
        time.sleep(self.delay)
        found = ANSWERS.get(urlsplit(self.path).path)
        body = json.dumps(found if found is not None else {"message": "not found"}).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def main(delay: float) -> None:
    """Print the address as JSON, and answer until standard input ends."""
    Handler.delay = delay
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps(f"http://127.0.0.1:{server.server_port}"), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(float(sys.argv[1]))
