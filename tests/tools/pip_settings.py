# SPDX-License-Identifier: GPL-3.0-or-later
"""The pip settings of whoever runs the tools (mirror, certificates, proxy), for programs that would not see them.

ansible-test starts pip with a bare environment, and the tests run with a home folder of their own; uv reads no
pip.conf at all.
"""

from __future__ import annotations

import ast
import configparser
import os
import subprocess
from pathlib import Path
from typing import Dict, Mapping

Settings = Dict[str, str]


def read_pip_settings(python: Path, environ: Mapping[str, str]) -> Settings:
    """The options that pip would use now, by option name without a section ("index-url", "cert", ...).

    Files and PIP_ variables are merged as pip merges them. An empty result when pip does not answer.
    """
    answer = subprocess.run(
        [str(python), "-m", "pip", "config", "list"],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    settings: dict[str, Settings] = {"global": {}, ":env:": {}}
    for line in answer.stdout.splitlines():
        name, dummy, value = line.partition("=")
        section, dummy, option = name.partition(".")
        if section in settings:
            settings[section][option] = str(ast.literal_eval(value))
    merged = {**settings["global"], **settings[":env:"]}
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        if environ.get(variable):
            merged.setdefault("cert", environ[variable])
    for variable in ("https_proxy", "HTTPS_PROXY"):
        if environ.get(variable):
            merged.setdefault("proxy", environ[variable])
    return merged


def write_pip_settings(settings: Settings, home: Path) -> None:
    """Write the settings where a pip with this home folder reads them; only the owner may, for a mirror's password."""
    config = configparser.RawConfigParser()
    config["global"] = settings
    path = home / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        config.write(file)


def uv_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which uv uses pip's mirror and the machine's certificates."""
    result = {**environ, "UV_SYSTEM_CERTS": "true", "UV_NO_CONFIG": "1", "UV_LINK_MODE": "copy"}
    if "index-url" in settings:
        result.setdefault("UV_DEFAULT_INDEX", settings["index-url"])
    if "cert" in settings:
        result.setdefault("SSL_CERT_FILE", settings["cert"])
    return result
