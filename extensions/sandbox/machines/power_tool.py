# SPDX-License-Identifier: GPL-3.0-or-later
"""`reboot`, `shutdown` and their kin inside a machine: one script, told apart by the name it is called by.

The host's own (links to systemctl, mostly) would look for a systemd that isn't there. So the script is put in their place while the machine runs.
"""

from __future__ import annotations

import os

NAMES = ("reboot", "shutdown", "poweroff", "halt")
_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
# Where the host's own stay within reach, by their names.
HIDDEN = "/run/sandbox/hidden"

SCRIPT = f"""#!/bin/sh
# A sandbox machine's power switch. Times and messages are accepted; the machine always goes down at once.
action=${{0##*/}}
if [ "$action" = systemctl ]; then
  for word; do
    case $word in
      -*) ;;
      reboot|poweroff|halt) action=$word; break;;
      *) break;;
    esac
  done
  [ "$action" = systemctl ] && exec {HIDDEN}/systemctl "$@"
fi
if [ "$action" = shutdown ]; then
  action=poweroff
  for word; do
    case $word in
      -c|-k) exit 0;;
      --reboot|-[!-]*r*|-r*) action=reboot; break;;
    esac
  done
fi
# What pid 1 does on these signals is what busybox's does.
if [ "$action" = reboot ]; then kill -TERM 1; else kill -USR2 1; fi
"""


def programs_to_replace() -> list[str]:
    """The host's programs (links followed) in whose place the script belongs."""
    candidates = {os.path.realpath(f"{directory}/{name}") for directory in _DIRECTORIES for name in (*NAMES, "systemctl")}
    # A program of many other uses (busybox) is left alone: its own `reboot` sends the right signal anyway.
    return sorted(path for path in candidates if os.path.basename(path) in (*NAMES, "systemctl") and os.path.isfile(path))
