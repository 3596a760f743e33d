# SPDX-License-Identifier: GPL-3.0-or-later
"""Replaces the get-pip script that ansible-test would download: runs the pip that this Python includes.

`make sanity` copies it into ansible-test's cache. ansible-test starts it in an environment without pip, with options of
pip's install command. The pip version that it requests comes from the package index, so nothing else is downloaded.
"""

from __future__ import annotations

import glob
import os
import runpy
import sys
import sysconfig

# Options that only get-pip knows.
GET_PIP_OPTIONS = ("--no-setuptools", "--no-wheel")


def find_bundled_pip():  # type: () -> str
    """The wheel of the pip that ensurepip would install: within ensurepip, or where the distribution keeps wheels."""
    directories = [
        os.path.join(sysconfig.get_path("stdlib"), "ensurepip", "_bundled"),
        sysconfig.get_config_var("WHEEL_PKG_DIR") or "",
        "/usr/share/python-wheels",
    ]
    for directory in directories:
        wheels = sorted(glob.glob(os.path.join(directory, "pip-*.whl")))
        if directory and wheels:
            return wheels[-1]
    raise SystemExit("This Python includes no pip (searched: {}). Install its ensurepip, for example with "
                     "apt install python3-venv.".format(", ".join(filter(None, directories))))


if __name__ == "__main__":
    sys.path.insert(0, find_bundled_pip())
    sys.argv = ["pip", "install"] + [word for word in sys.argv[1:] if word not in GET_PIP_OPTIONS]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
