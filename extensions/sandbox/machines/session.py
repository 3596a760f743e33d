# SPDX-License-Identifier: GPL-3.0-or-later
"""One SSH session: a command (or a login shell) in the machine's world, wired to the client as OpenSSH's server wires it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import signal
import struct
import termios
from collections.abc import Callable
from contextlib import suppress

import asyncssh

from .runtime import Entry, World, WorldError

Process = asyncssh.SSHServerProcess[bytes]

_CHUNK_BYTES = 128 * 1024
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMAND_NOT_STARTED = 255


async def run_session(process: Process, world: World, network_is_cut: Callable[[], bool]) -> None:
    """Run what the client asks for; returns when the command has ended and its output is out.

    If the client goes away, the command's pipes or terminal are closed, which it notices as on any server. If instead `network_is_cut()`,
    the server has no way of knowing that the client is gone, so the command goes on, and its output is lost.
    """
    try:
        entry = world.enter(process.command, _environment(process), terminal=process.term_type is not None)
        if process.term_type is not None:  # it is empty where the client's TERM is not set
            await _run_in_terminal(process, world, entry, network_is_cut)
        else:
            await _run_with_pipes(process, entry, network_is_cut)
    except (WorldError, OSError) as problem:
        process.stderr.write(f"sandbox: the command could not be started: {problem}\n".encode())
        process.exit(_COMMAND_NOT_STARTED)
    finally:
        process.close()


def _environment(process: Process) -> dict[str, str]:
    asked = {os.fsdecode(name): os.fsdecode(value) for name, value in process.env.items()}
    environment = {name: value for name, value in asked.items() if _VARIABLE_NAME.fullmatch(name)}
    client, here = process.get_extra_info("peername"), process.get_extra_info("sockname")
    if client and here:
        environment["SSH_CLIENT"] = f"{client[0]} {client[1]} {here[1]}"
        environment["SSH_CONNECTION"] = f"{client[0]} {client[1]} {here[0]} {here[1]}"
    if process.term_type:
        environment["TERM"] = process.term_type
    return environment


async def _run_with_pipes(process: Process, entry: Entry, network_is_cut: Callable[[], bool]) -> None:
    child = await asyncio.create_subprocess_exec(
        *entry.argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=entry.environment, cwd=entry.directory, start_new_session=entry.wrapped, limit=_CHUNK_BYTES)
    pipes = child._transport  # The only way to close one pipe of a running child; close() would kill it.
    incoming = asyncio.create_task(_feed(process, child.stdin, lambda number: _send_signal(child.pid, entry.wrapped, number), None))
    outgoing = asyncio.gather(_drain(child.stdout, process, process.stdout, network_is_cut),
                              _drain(child.stderr, process, process.stderr, network_is_cut))
    await _until_done_or_client_gone(process, outgoing, network_is_cut)
    outgoing.cancel()
    incoming.cancel()
    for descriptor in (0, 1, 2):
        pipe = pipes.get_pipe_transport(descriptor)
        if pipe:
            pipe.close()
    _report_exit(process, await child.wait())


async def _run_in_terminal(process: Process, world: World, entry: Entry, network_is_cut: Callable[[], bool]) -> None:
    ours, theirs = world.open_terminal()
    try:
        _set_size(ours, process.term_size)
        with suppress(OSError):
            entry.environment["SSH_TTY"] = os.ttyname(theirs)
        child = await asyncio.create_subprocess_exec(
            *entry.argv, stdin=theirs, stdout=theirs, stderr=theirs, env=entry.environment, cwd=entry.directory,
            start_new_session=entry.wrapped)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    loop = asyncio.get_running_loop()
    output = asyncio.StreamReader(limit=_CHUNK_BYTES)
    reading, dummy = await loop.connect_read_pipe(lambda: _TerminalOutput(output), os.fdopen(ours, "rb", buffering=0))
    writing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(os.dup(ours), "wb", buffering=0))
    keyboard = asyncio.StreamWriter(writing, protocol, None, loop)
    incoming = asyncio.create_task(_feed(process, keyboard, lambda number: _send_signal(child.pid, entry.wrapped, number), ours))
    outgoing = asyncio.ensure_future(_drain(output, process, process.stdout, network_is_cut))
    # A terminal's output ends when the last process lets go of it; a server doesn't wait for those in the background.
    ended = asyncio.create_task(child.wait())
    await _until_done_or_client_gone(process, ended, network_is_cut)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(outgoing, 0.5 if ended.done() else 0)
    incoming.cancel()
    # Both ends of ours gone: the kernel hangs up, and SIGHUP reaches the processes in the foreground.
    writing.abort()
    reading.close()
    _report_exit(process, await ended)


class _TerminalOutput(asyncio.StreamReaderProtocol):
    """A terminal whose other end nobody holds any more answers EIO: its end of file. As an error it would hide what is still unread."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None)


async def _until_done_or_client_gone(process: Process, done: asyncio.Future, network_is_cut: Callable[[], bool]) -> None:
    client_gone = asyncio.create_task(process.channel.wait_closed())
    await asyncio.wait({done, client_gone}, return_when=asyncio.FIRST_COMPLETED)
    if not done.done() and network_is_cut():
        await asyncio.wait({done})
    client_gone.cancel()


async def _feed(process: Process, stdin: asyncio.StreamWriter, send_signal: Callable[[int], None], terminal: int | None) -> None:
    """Pass on what the client sends: data, signals, window sizes. Without a terminal, the client's end of input closes the pipe."""
    while True:
        try:
            data = await process.stdin.read(_CHUNK_BYTES)
            if not data:
                break
            stdin.write(data)
            await stdin.drain()
        except asyncssh.TerminalSizeChanged as change:
            if terminal is not None:
                _set_size(terminal, change.term_size)
        except asyncssh.SignalReceived as asked:
            with suppress(OSError, AttributeError):  # It has just ended, or there is no such signal.
                send_signal(getattr(signal, f"SIG{asked.signal}"))
        except asyncssh.BreakReceived:
            continue
        except (OSError, asyncssh.Error):
            break
    if terminal is None:
        stdin.close()


async def _drain(source: asyncio.StreamReader, process: Process, target: asyncssh.SSHWriter[bytes],
                 network_is_cut: Callable[[], bool]) -> None:
    """Pass on what the command writes, until it closes that end."""
    while True:
        data = await source.read(_CHUNK_BYTES)
        if not data:
            return
        if process.channel.is_closing():
            if network_is_cut():
                continue
            return
        with suppress(OSError, asyncssh.Error):
            target.write(data)
            await target.drain()


def _send_signal(pid: int, wrapped: bool, number: int) -> None:
    """Signal the command's process group, not the wrapper: that would only tell of the death, and leave the command alive."""
    if wrapped:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            leaders = [int(child) for child in children.read().split()]
    else:
        leaders = [pid]
    for leader in leaders:
        os.killpg(leader, number)


def _set_size(terminal: int, size: tuple[int, int, int, int]) -> None:
    columns, rows, width, height = size
    with suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))


def _report_exit(process: Process, code: int) -> None:
    with suppress(OSError, asyncssh.Error):
        if code < 0:
            process.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)
