# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard's process: started by the role's first changing step, ended when the outcome of the upgrade was reported.

It is a program of its own, not an asynchronous job of Ansible's: that would write its options, credentials among them, to
a file and show them on a command line. This one reads one line of JSON from its standard input and keeps the credentials in
its memory; its command line shows the path of the run record, and its environment holds none of them.

It responds on a local socket in a directory that only its user can enter: one line of JSON for the request, one for the response
(`{"result": ...}` or `{"error": ...}`). While it takes a snapshot or restores one it does not respond, and `progress` in the run record
shows how far it is.
"""

from __future__ import annotations

import json
import os
import sys
import types

PACKAGES = ("ansible_collections", "ansible_collections.rewind", "ansible_collections.rewind.vps")


def _make_collection_importable() -> None:
    """Make this very copy of the collection importable, whatever else is installed."""
    # Three directories up from this file: _guard, plugin_utils, plugins.
    directory = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), *[os.pardir] * 3))
    for depth, name in enumerate(PACKAGES):
        package = types.ModuleType(name)
        package.__path__ = [os.path.normpath(os.path.join(directory, *[os.pardir] * (len(PACKAGES) - 1 - depth)))]
        sys.modules[name] = package


def main() -> int:
    """Guard until the run has ended, and return the exit status."""
    config = json.loads(sys.stdin.readline())
    sys.path[:] = config.pop("sys_path")
    _make_collection_importable()
    from ansible_collections.rewind.vps.plugins.plugin_utils._guard.server import serve

    return serve(config)


if __name__ == "__main__":
    sys.exit(main())
