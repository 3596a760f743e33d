# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses machines as an ordinary user; test_machine_as_ordinary_user.py runs it as the user `nobody`.

Arguments: a state directory, then directories for sys.path. Prints the results as one JSON object.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

sys.path[:0] = sys.argv[2:]

from machine_helpers import descendants, host_mounts, login, running_machine, wait_until_gone  # noqa: E402


async def main(state: Path) -> dict:
    mounts, before = host_mounts(), descendants()
    async with running_machine(state, "auto") as (machine_pool, machine):
        facts = {"user": os.geteuid(), "isolation": machine_pool.isolation, "reason": machine_pool.isolation_reason}
        async with login(machine_pool, machine) as connection:
            # Modes that keep the owner out, but not root: which the owner is inside.
            made = await connection.run("id -u; echo mine > /etc/mine; mkdir /srv/d; touch /srv/d/f; chmod 555 /srv/d; "
                                        "echo secret > /srv/none; chmod 000 /srv/none; cat /srv/none; nohup sleep 1000 >/dev/null 2>&1 &")
            facts["output"], facts["errors"] = made.stdout, made.stderr
            async with connection.start_sftp_client() as sftp, sftp.open("/etc/mine") as file:
                facts["sftp"] = await file.read()
            terminal = await connection.run("tty", term_type="xterm")
            facts["tty"] = terminal.stdout.strip()
        saved = await machine.save_disk("first")
        facts["saved_is_live"] = saved == await machine.digest()
        async with login(machine_pool, machine) as connection:
            await connection.run("rm -r /srv/d /srv/none; echo other > /etc/mine", check=True)
        facts["changed"] = saved != await machine.digest()
        await machine.power_off()
        facts["restored"] = await machine.load_disk("first") == saved
        await machine.power_on()
        async with login(machine_pool, machine) as connection:
            facts["after"] = (await connection.run("cat /etc/mine /srv/none; stat -c %a /srv/d /srv/none")).stdout
        inside = descendants() - before
    facts["left_processes"] = len(wait_until_gone(inside))
    facts["left_mounts"] = host_mounts() != mounts
    facts["left_files"] = list(state.iterdir()) != []
    return facts


print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
