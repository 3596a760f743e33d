# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs packages into a virtual environment: with uv in seconds, with pip in half a minute."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Mapping, Sequence

from tools.console import Problem, complain
from tools.recipes import INSTALLER

# These would send packages elsewhere than into the virtual environment.
MISLEADING = ("PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def install_environment(environ: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """The caller's environment, with the caller's pip settings, less what would mislead an installer.

    For a caller whose home cannot be written to, the downloads are kept in `folder` (uv stops without a place).
    """
    result = {name: value for name, value in environ.items() if name not in MISLEADING}
    if folder and not os.access(environ.get("HOME", ""), os.W_OK):
        result.setdefault("PIP_CACHE_DIR", str(folder / "cache" / "pip"))
        result.setdefault("UV_CACHE_DIR", str(folder / "cache" / "uv"))
    return result


class Installer:
    """Installs into one virtual environment, always under the same constraints file."""

    def __init__(self, root: Path, folder: Path, constraints: Path, environ: Mapping[str, str]) -> None:
        self._root = root
        self._python = folder / "bin" / "python"
        self._uv = folder / "bin" / "uv"
        self._constraints = constraints
        self._environ = environ
        self._has_uv = self._get_uv()

    def install(self, files: Sequence[str], dependencies: bool = True) -> None:
        """Install what the requirement files name. Raises Problem."""
        words: list[object] = [] if dependencies else ["--no-deps"]
        for file in files:
            words += ["-r", file]
        if self._has_uv:
            if self._call(self._uv, "pip", "install", "--python", self._python, *words) == 0:
                return
            complain("    uv failed (see above): installing with pip, which takes longer")
            self._has_uv = False
        if self._call(self._python, "-m", "pip", "install", *words) != 0:
            raise Problem(
                "The packages could not be installed (see above). They come from PyPI, or from the mirror that pip's\n"
                "configuration names (pip config set global.index-url URL)."
            )

    def _get_uv(self) -> bool:
        if self._call(self._python, "-m", "pip", "install", "-r", INSTALLER, show_errors=False) == 0:
            return True
        complain("    uv cannot be had here: installing with pip, which takes longer")
        return False

    def _call(self, *command: object, show_errors: bool = True) -> int:
        try:
            return subprocess.call(
                [*(str(word) for word in command), "--quiet", "-c", str(self._constraints)],
                cwd=str(self._root),
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stderr=None if show_errors else subprocess.DEVNULL,
            )
        except OSError as error:
            complain(f"    {os.path.basename(str(command[0]))} does not run: {error.strerror}")
            return 127
