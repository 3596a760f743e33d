# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check `url`: a URL responds with one of some statuses."""

from __future__ import annotations

import os
import ssl
import time
from http.client import HTTPException
from shlex import quote
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url

from .base import Observation, Target, failed_command, one_line

NAME = "url"
OPTIONS = {
    "url": {"type": "str", "required": True, "description": "http or https"},
    "status": {"type": "list", "elements": "int", "default": [200], "description": "the HTTP statuses that pass"},
    "contains": {"type": "str", "description": "text that the response must contain"},
    "ca_path": {"type": "path", "description": "PEM file of the certificate authorities to trust"},
    "validate_certs": {"type": "bool", "default": True, "description": "whether to verify the certificate"},
    "use_proxy": {"type": "bool", "default": False, "description": "whether to use the proxy of the environment"},
    "from": {"type": "str", "choices": ["controller", "server"], "default": "controller", "description": "which machine sends the request"},
}
PASSES_IF = "it responds with one of these statuses"

MAX_BODY_BYTES = 1_000_000  # that are searched

_COMMAND = """command -v curl >/dev/null 2>&1 || {{ echo "curl is not installed there; set from to controller"; exit 1; }}
body=$(mktemp) || exit 1
trap 'rm -f "$body"' EXIT
curl -sSL {arguments} --max-time {seconds} --output "$body" --write-out 'http-status %{{http_code}}\n' -- {url} || exit
if grep -qF -- {text} "$body"; then echo found; else echo missing; fi"""


def normalize(values: dict[str, Any]) -> dict[str, Any]:
    url = values["url"].strip()
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        raise ValueError(f"url takes a URL with a host, such as https://example.com/health, not {values['url']!r}")
    if not values["status"] or not all(100 <= status <= 599 for status in values["status"]):
        raise ValueError(f"status takes HTTP statuses from 100 to 599, not {values['status']}")
    if values["from"] == "controller" and values["ca_path"] and not os.path.exists(values["ca_path"]):
        raise ValueError(f"there is no ca_path {values['ca_path']} on the controller")
    return {**values, "url": url}


def label(values: dict[str, Any]) -> str:
    """Without what may be secret: a password in the URL, and its query."""
    parts = urlsplit(values["url"])
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{' from the server' if values['from'] == 'server' else ''}"


def observe(values: dict[str, Any], target: Target, seconds: float) -> Observation:
    return _request(values, seconds) if values["from"] == "controller" else _request_on_server(values, target, seconds)


def _request(values: dict[str, Any], seconds: float) -> Observation:
    deadline, body = time.monotonic() + seconds, b""
    try:
        response = open_url(
            values["url"], timeout=seconds, validate_certs=values["validate_certs"], ca_path=values["ca_path"], use_proxy=values["use_proxy"],
            follow_redirects="safe", use_netrc=False,
        )
    except HTTPError as error:  # a response with another status
        response = error
    except (URLError, OSError, HTTPException, ValueError) as error:
        return Observation(False, f"no response ({_describe(error)})")
    try:
        with response:
            while values["contains"] is not None and len(body) < MAX_BODY_BYTES and time.monotonic() < deadline:
                chunk = response.read(16384)
                if not chunk:
                    break
                body += chunk
    except (OSError, HTTPException, ValueError) as error:
        return Observation(False, f"the response breaks off ({_describe(error)})")
    return _judge(values, response.code, (values["contains"] or "").encode() in body)


def _request_on_server(values: dict[str, Any], target: Target, seconds: float) -> Observation:
    arguments = [*([] if values["use_proxy"] else ["--noproxy", "*"]), *([] if values["validate_certs"] else ["--insecure"])]
    arguments += ["--cacert", values["ca_path"]] if values["ca_path"] else []
    command = _COMMAND.format(
        arguments=" ".join(map(quote, arguments)), seconds=max(1, int(seconds)), url=quote(values["url"]), text=quote(values["contains"] or ""),
    )
    status, lines = target.run(command, seconds)
    found = [line.split(" ")[1] for line in lines if line.startswith("http-status ")]
    if status != 0 or not found or not found[-1].isdigit():
        return Observation(False, f"no response ({failed_command(status, [line for line in lines if line != 'http-status 000'], seconds).text})")
    return _judge(values, int(found[-1]), values["contains"] is None or lines[-1] == "found")


def _judge(values: dict[str, Any], status: int, has_text: bool) -> Observation:
    if status not in values["status"]:
        return Observation(False, f"responds with status {status}")
    if not has_text:
        return Observation(False, f"responds with status {status}, but without the text {values['contains']!r}")
    return Observation(True, f"responds with status {status}")


def _describe(error: Exception) -> str:
    """Return the cause, without the URL, which may contain a secret."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {one_line(cause.verify_message)}"
    if "timed out" in str(cause):
        return "no answer in time"
    return one_line(cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)) or type(cause).__name__
