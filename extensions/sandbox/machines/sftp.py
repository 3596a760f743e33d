# SPDX-License-Identifier: GPL-3.0-or-later
"""SFTP to a machine, with the paths and symlinks that its commands see.

With asyncssh's chroot the host's kernel follows symlinks, so an absolute one on the disk (/var/run -> /run) would lead to the host. Here every
path is resolved inside the machine's root first.
"""

from __future__ import annotations

import os
import posixpath
import stat
from contextlib import suppress

import asyncssh

from .boot_files import resolve_on_host
from .runtime import Runtime


class MachineSFTPServer(asyncssh.SFTPServer):
    """asyncssh's file operations on one machine's paths. `map_path` follows the last part; operations on a name itself are below."""

    def __init__(self, channel: asyncssh.SSHServerChannel, runtime: Runtime) -> None:
        super().__init__(channel)
        self._root = os.fsencode(runtime.root_outside)
        self._root_inside = os.fsencode(runtime.root_inside)
        self._home = os.fsencode(runtime.home_inside)

    def map_path(self, path: bytes) -> bytes:
        return resolve_on_host(self._root, self._from_root(path), follow_last=True)

    def _name(self, path: bytes) -> bytes:
        return resolve_on_host(self._root, self._from_root(path), follow_last=False)

    def _from_root(self, path: bytes) -> bytes:
        """Return `path` relative to the disk's root; a relative one starts in root's home, like commands."""
        path = posixpath.join(self._home, path)
        # Without namespaces commands use host paths; a path outside the disk is relative to the disk's root.
        if self._root_inside != b"/" and (path + b"/").startswith(self._root_inside + b"/"):
            path = path[len(self._root_inside):]
        return path

    def _machine_path(self, outside: bytes) -> bytes:
        return (self._root_inside.rstrip(b"/") + outside[len(self._root):].rstrip(b"/")) or b"/"

    def realpath(self, path: bytes) -> bytes:
        return self._machine_path(self.map_path(path))

    def lstat(self, path: bytes) -> os.stat_result:
        return os.lstat(self._name(path))

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        name = self._name(path)
        if stat.S_ISLNK(os.lstat(name).st_mode):
            if attrs.uid is not None and attrs.gid is not None:
                os.lchown(name, attrs.uid, attrs.gid)
            if attrs.atime is not None and attrs.mtime is not None:
                os.utime(name, (attrs.atime, attrs.mtime), follow_symlinks=False)
        else:
            self.setstat(path, attrs)

    def remove(self, path: bytes) -> None:
        os.remove(self._name(path))

    def rmdir(self, path: bytes) -> None:
        os.rmdir(self._name(path))

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        os.mkdir(self._name(path), 0o777 if attrs.permissions is None else attrs.permissions)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        new = self._name(newpath)
        if os.path.lexists(new):
            raise asyncssh.SFTPFileAlreadyExists("File already exists")
        os.rename(self._name(oldpath), new)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        os.replace(self._name(oldpath), self._name(newpath))

    def readlink(self, path: bytes) -> bytes:
        return os.readlink(self._name(path))

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        os.symlink(oldpath, self._name(newpath))

    def exit(self) -> None:
        # OpenSSH's scp treats a session without exit status as failed.
        with suppress(OSError):
            self.channel.exit(0)

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        os.link(self._name(oldpath), self._name(newpath))
