# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy and the certificate authorities that the environment of this machine sets, and what is wrong with them.

A proxy's URL may contain a password, so messages name the variable and never its value.
"""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

try:
    import requests
    import requests.adapters
    import requests.utils
    import urllib3
    from requests.compat import getproxies_environment
except ImportError:
    requests = None

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in the order in which requests reads them
_SOCKS_SCHEMES = ("socks4", "socks4a", "socks5", "socks5h")


def proxies_for(url: str) -> dict[str, str]:
    """Return the proxies for a URL as requests takes them.

    Only those of the environment: macOS's own settings cannot be read in a forked process, which each of Ansible's tasks is.
    """
    proxies = {name: value.strip() for name, value in getproxies_environment().items() if value.strip()}
    if not {urlsplit(url).scheme.lower(), "all"} & set(proxies) or requests.utils.should_bypass_proxies(url, no_proxy=None):
        return {}
    return proxies


def ca_bundle() -> str | None:
    """Return the path of the certificate authorities that the environment sets."""
    return next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), None)


def find_proxy_problem(url: str, proxies: dict[str, str]) -> str | None:
    """Return what is wrong with the proxy for a URL so that no request can be sent, or None. The libraries raise various errors for it."""
    proxy = requests.utils.select_proxy(url, proxies)
    if not proxy:
        return None
    variable = _proxy_variable(url, proxies)
    try:
        parts = urllib3.util.parse_url(requests.utils.prepend_scheme_if_needed(proxy, "http"))
        scheme, is_complete = (parts.scheme or "").lower(), bool((parts.host or "").encode("idna"))
    except (TypeError, ValueError, urllib3.exceptions.HTTPError, requests.exceptions.RequestException):
        return f"the environment variable {variable} is not the URL of a proxy"
    if scheme in _SOCKS_SCHEMES:
        is_installed = isinstance(requests.adapters.SOCKSProxyManager, type)  # otherwise it is a function that raises
        return None if is_installed else f"the environment variable {variable} names a SOCKS proxy, for which the Python library PySocks is missing"
    if scheme not in ("http", "https") or not is_complete:
        return f"the environment variable {variable} is not the URL of an HTTP or SOCKS proxy"
    return None


def _proxy_variable(url: str, proxies: dict[str, str]) -> str:
    scheme = urlsplit(url).scheme.lower()
    wanted = f"{scheme if scheme in proxies else 'all'}_proxy"
    return wanted if wanted in os.environ else next((name for name in os.environ if name.lower() == wanted), wanted)


def find_ca_problem(url: str, verify: bool | str) -> str | None:
    """Return what is wrong with the certificate authorities, or None. Only after a failure, since it reads them all."""
    if not verify or urlsplit(url).scheme.lower() != "https":
        return None
    path = verify if isinstance(verify, str) else requests.adapters.DEFAULT_CA_BUNDLE_PATH
    source = next((f"the environment variable {name}" for name in _CA_VARIABLES if os.environ.get(name) == path), "ca_path")
    if verify is True:
        source = "the library requests"
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return f"the certificate authorities in {path} ({source}) are not in the PEM format"
    except OSError as error:
        return f"the certificate authorities in {path} ({source}) cannot be read ({type(error).__name__})"
    return None
