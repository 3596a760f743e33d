# SPDX-License-Identifier: GPL-3.0-or-later
"""End when the process that started us ends, however it ended, so that no sandbox is left without an owner."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

POLL_SECONDS = 1.0


def watch_parent(pid: int, on_exit: Callable[[], None]) -> Callable[[], None]:
    """Call ``on_exit`` in the running event loop once process ``pid``, our parent, has ended. Answers a function that ends
    the watch.

    A pidfd wakes us at the very moment. (PR_SET_PDEATHSIG would not do: it follows the *thread* that started us, and
    test runners start things in threads.) Where the kernel has no pidfd, one look a second has to do.
    """
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        task = loop.create_task(_poll(pid, on_exit))

        def stop_polling() -> None:
            task.cancel()
        return stop_polling
    loop.add_reader(descriptor, lambda: (loop.remove_reader(descriptor), on_exit()))
    if os.getppid() != pid:  # it ended before we looked, and the number may be somebody else's now
        loop.call_soon(on_exit)

    def stop() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return stop


async def _poll(pid: int, on_exit: Callable[[], None]) -> None:
    while os.getppid() == pid:
        await asyncio.sleep(POLL_SECONDS)
    on_exit()
