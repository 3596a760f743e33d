# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox with ExampleCloud in it, and its provider made known to the collection, for as long as a test runs."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sandbox.admin_client import AdminClient
from sandbox.app import ExtraCloud, Options, Sandbox

NAME = "examplecloud"
DIRECTORY = Path(__file__).with_name(NAME)
MODULE = f"ansible_collections.rewind.vps.plugins.module_utils._provider.{NAME}"


@dataclass(frozen=True)
class ExampleSandbox:
    """What tests need of it."""

    examplecloud_url: str
    admin: AdminClient
    ca_path: None = None


@contextmanager
def example_sandbox(speed: float) -> Iterator[ExampleSandbox]:
    """The sandbox runs in a thread of this process, since its own program has the two real providers only."""
    from examplecloud.sandbox_side import ExampleApi, ExampleCloud

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    options = Options(vpsorg_servers=0, ilkbyte_servers=0, speed=speed, ssh=False, disks=False)
    sandbox = Sandbox(options, [ExtraCloud(ExampleCloud, ExampleApi)])
    try:
        facts = asyncio.run_coroutine_threadsafe(sandbox.open(), loop).result(30)
        yield ExampleSandbox(facts["examplecloud_url"], AdminClient(facts["admin_url"]))
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def provider_module() -> ModuleType:
    """The provider's file under the name that it would have in the collection."""
    if MODULE not in sys.modules:
        spec = importlib.util.spec_from_file_location(MODULE, DIRECTORY / "provider.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[MODULE] = module
        spec.loader.exec_module(module)
    return sys.modules[MODULE]
