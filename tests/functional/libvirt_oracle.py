# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays snapshot operations on libvirt's own test driver. Run by a Python with the module `libvirt`.

Standard input: a JSON list of [operation, argument] (create, revert, delete, recreate, power). Standard output: for
each operation a line with one JSON object, `{ok, power, current, snapshots: {name: {...}}}`.
No hypervisor and no daemon is needed.
"""

from __future__ import annotations

import json
import sys
from xml.etree import ElementTree

import libvirt

POWER = {libvirt.VIR_DOMAIN_RUNNING: "running", libvirt.VIR_DOMAIN_SHUTOFF: "shutoff",
         libvirt.VIR_DOMAIN_PAUSED: "paused"}


def main() -> None:
    libvirt.registerErrorHandler(lambda context, error: None, None)  # errors are results, not messages
    connection = libvirt.open("test:///default")
    domain = connection.lookupByName("test")
    for operation, argument in json.load(sys.stdin):
        try:
            perform(domain, operation, argument)
            ok = True
        except libvirt.libvirtError:
            ok = False
        print(json.dumps({"ok": ok, **seen(domain)}))


def perform(domain: libvirt.virDomain, operation: str, argument: str) -> None:
    if operation == "power":
        if argument == "running" and not domain.isActive():
            domain.create()
        elif argument == "shutoff" and domain.isActive():
            domain.destroy()
    elif operation == "create":
        domain.snapshotCreateXML(f"<domainsnapshot><name>{argument}</name></domainsnapshot>")
    else:
        snapshot = domain.snapshotLookupByName(argument)
        if operation == "revert":
            domain.revertToSnapshot(snapshot)
        if operation in ("delete", "recreate"):
            snapshot.delete()
        if operation == "recreate":
            perform(domain, "create", argument)


def seen(domain: libvirt.virDomain) -> dict:
    snapshots = {}
    for snapshot in domain.listAllSnapshots():
        description = ElementTree.fromstring(snapshot.getXMLDesc())
        snapshots[snapshot.getName()] = {
            "current": bool(snapshot.isCurrent()),
            "state": description.findtext("state"),
            "parent": description.findtext("parent/name", "-"),
            "children": snapshot.numChildren(),
            "descendants": snapshot.numChildren(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_DESCENDANTS),
        }
    current = domain.snapshotCurrent().getName() if domain.hasCurrentSnapshot() else None
    return {"power": POWER[domain.state()[0]], "current": current, "snapshots": snapshots}


if __name__ == "__main__":
    main()
