# SPDX-License-Identifier: GPL-3.0-or-later
"""One SSH session: a command (or a login shell) on the machine, connected to the client as by OpenSSH's server."""

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

from .runtime import Command, MachineRuntimeError, Runtime

Process = asyncssh.SSHServerProcess[bytes]

_CHUNK_BYTES = 128 * 1024
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMAND_NOT_STARTED = 255


async def run_session(process: Process, runtime: Runtime, is_network_cut: Callable[[], bool]) -> None:
    """Run the client's command. Return when it has ended and its output is sent.

    If the client disconnects, the command's pipes or terminal are closed. If instead `is_network_cut()`, the server cannot notice that, so the
    command continues and its output is lost.
    """
    try:
        command = runtime.build_command(process.command, _environment(process), terminal=process.term_type is not None)
        if process.term_type is not None:  # empty if the client's TERM is not set
            await _run_in_terminal(process, runtime, command, is_network_cut)
        else:
            await _run_with_pipes(process, command, is_network_cut)
    except (MachineRuntimeError, OSError) as problem:
        process.stderr.write(f"sandbox: cannot start the command: {problem}\n".encode())
        process.exit(_COMMAND_NOT_STARTED)
    finally:
        process.close()


def _environment(process: Process) -> dict[str, str]:
    requested = {os.fsdecode(name): os.fsdecode(value) for name, value in process.env.items()}
    environment = {name: value for name, value in requested.items() if _VARIABLE_NAME.fullmatch(name)}
    client, server = process.get_extra_info("peername"), process.get_extra_info("sockname")
    if client and server:
        environment["SSH_CLIENT"] = f"{client[0]} {client[1]} {server[1]}"
        environment["SSH_CONNECTION"] = f"{client[0]} {client[1]} {server[0]} {server[1]}"
    if process.term_type:
        environment["TERM"] = process.term_type
    return environment


async def _run_with_pipes(process: Process, command: Command, is_network_cut: Callable[[], bool]) -> None:
    child = await asyncio.create_subprocess_exec(
        *command.argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=command.environment, cwd=command.directory, start_new_session=command.wrapped, limit=_CHUNK_BYTES)
    pipes = child._transport  # The only way to close one pipe of a running child; close() kills it.
    incoming = asyncio.create_task(_feed(process, child.stdin, lambda number: _send_signal(child.pid, command.wrapped, number), None))
    outgoing = asyncio.gather(_drain(child.stdout, process, process.stdout, is_network_cut),
                              _drain(child.stderr, process, process.stderr, is_network_cut))
    await _until_done_or_client_gone(process, outgoing, is_network_cut)
    outgoing.cancel()
    incoming.cancel()
    for descriptor in (0, 1, 2):
        pipe = pipes.get_pipe_transport(descriptor)
        if pipe:
            pipe.close()
    _report_exit(process, await child.wait())


async def _run_in_terminal(process: Process, runtime: Runtime, command: Command, is_network_cut: Callable[[], bool]) -> None:
    parent_fd, child_fd = runtime.open_terminal()
    try:
        _set_size(parent_fd, process.term_size)
        with suppress(OSError):
            command.environment["SSH_TTY"] = os.ttyname(child_fd)
        child = await asyncio.create_subprocess_exec(
            *command.argv, stdin=child_fd, stdout=child_fd, stderr=child_fd, env=command.environment, cwd=command.directory,
            start_new_session=command.wrapped)
    except BaseException:
        os.close(parent_fd)
        raise
    finally:
        os.close(child_fd)
    loop = asyncio.get_running_loop()
    output = asyncio.StreamReader(limit=_CHUNK_BYTES)
    reading, dummy = await loop.connect_read_pipe(lambda: _TerminalOutput(output), os.fdopen(parent_fd, "rb", buffering=0))
    writing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(os.dup(parent_fd), "wb", buffering=0))
    keyboard = asyncio.StreamWriter(writing, protocol, None, loop)
    incoming = asyncio.create_task(_feed(process, keyboard, lambda number: _send_signal(child.pid, command.wrapped, number), parent_fd))
    outgoing = asyncio.ensure_future(_drain(output, process, process.stdout, is_network_cut))
    # A terminal's output ends with the last process that uses it; background processes are not waited for.
    ended = asyncio.create_task(child.wait())
    await _until_done_or_client_gone(process, ended, is_network_cut)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(outgoing, 0.5 if ended.done() else 0)
    incoming.cancel()
    # Closing both ends makes the kernel send SIGHUP to the foreground processes.
    writing.abort()
    reading.close()
    _report_exit(process, await ended)


class _TerminalOutput(asyncio.StreamReaderProtocol):
    """Treats EIO from a terminal without users as end of file, so unread output is kept."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None)


async def _until_done_or_client_gone(process: Process, done: asyncio.Future, is_network_cut: Callable[[], bool]) -> None:
    client_gone = asyncio.create_task(process.channel.wait_closed())
    await asyncio.wait({done, client_gone}, return_when=asyncio.FIRST_COMPLETED)
    if not done.done() and is_network_cut():
        await asyncio.wait({done})
    client_gone.cancel()


async def _feed(process: Process, stdin: asyncio.StreamWriter, send_signal: Callable[[int], None], terminal: int | None) -> None:
    """Forward the client's data, signals and window sizes. Without a terminal, the end of input closes the pipe."""
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
        except asyncssh.SignalReceived as requested:
            with suppress(OSError, AttributeError):  # The command has ended, or there is no such signal.
                send_signal(getattr(signal, f"SIG{requested.signal}"))
        except asyncssh.BreakReceived:
            continue
        except (OSError, asyncssh.Error):
            break
    if terminal is None:
        stdin.close()


async def _drain(source: asyncio.StreamReader, process: Process, target: asyncssh.SSHWriter[bytes], is_network_cut: Callable[[], bool]) -> None:
    """Forward the command's output until it ends."""
    while True:
        data = await source.read(_CHUNK_BYTES)
        if not data:
            return
        if process.channel.is_closing():
            if is_network_cut():
                continue
            return
        with suppress(OSError, asyncssh.Error):
            target.write(data)
            await target.drain()


def _send_signal(pid: int, wrapped: bool, number: int) -> None:
    """Signal the command's process group, not its wrapper, which would leave the command running."""
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
