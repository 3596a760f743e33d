# SPDX-License-Identifier: GPL-3.0-or-later
"""`reboot`, `shutdown`, `poweroff` and `halt` inside a machine: one script that acts by the name it is called by.

The host's own need systemd, so the script replaces them while the machine runs.
"""

from __future__ import annotations

import os

NAMES = ("reboot", "shutdown", "poweroff", "halt")
_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
# The host's own programs are available here.
HIDDEN = "/run/sandbox/hidden"

SCRIPT = f"""#!/bin/sh
# The power switch of a sandbox machine. Times and messages are ignored; it acts at once.
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
# PID 1 handles these signals as busybox's init does.
if [ "$action" = reboot ]; then kill -TERM 1; else kill -USR2 1; fi
"""


def programs_to_replace() -> list[str]:
    """Return the host's programs (links resolved) that the script replaces."""
    candidates = {os.path.realpath(f"{directory}/{name}") for directory in _DIRECTORIES for name in (*NAMES, "systemctl")}
    # busybox is not replaced: its `reboot` sends the right signal.
    return sorted(path for path in candidates if os.path.basename(path) in (*NAMES, "systemctl") and os.path.isfile(path))
