# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts nox in an environment of its own, which the first command creates. Any Python from 3.8 on can run this file.

REWIND_PYTHON names the Python to use instead of the newest one from 3.11 to 3.14.
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OLDEST, NEWEST = 11, 14  # minor versions of Python 3
# No pre-release and no free-threaded build.
PROBE = """import sys, sysconfig, ctypes, ensurepip, ssl, venv, zlib
suitable = (3, {}) <= sys.version_info[:2] <= (3, {}) and sys.version_info[3] == "final" and not sysconfig.get_config_var("Py_GIL_DISABLED")
sys.exit(not suitable)"""
PROBE_TIMEOUT = 30  # seconds
FILES = [os.path.join(ROOT, "tests", name) for name in ("requirements-tools.txt", "constraints.txt")]
# They would send packages elsewhere than into the environment, or change what nox does.
MISLEADING = ("NOX", "PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def environments_dir(root=ROOT):
    """The directory of all environments. PATH cannot hold a directory with a colon, so such a checkout has it elsewhere."""
    if os.pathsep in root:
        name = f"rewind.vps-{os.getuid()}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
        return os.path.join(tempfile.gettempdir(), name)
    return os.path.join(root, ".nox")


@contextlib.contextmanager
def locked(directory):
    """Hold a lock beside a directory: two commands at the same time must not install into it."""
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    with open(directory + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def candidates(environ):
    """Pythons to try: the one named, or the one that runs this, those on PATH, and those of version managers."""
    if environ.get("REWIND_PYTHON"):
        return [environ["REWIND_PYTHON"]]
    names = [f"python3.{minor}" for minor in range(NEWEST, OLDEST - 1, -1)] + ["python3"]
    # Every directory of PATH: a version manager's shim that exits with 127 may hide a Python that runs.
    found = [os.path.join(directory, name) for name in names for directory in environ.get("PATH", os.defpath).split(os.pathsep)]
    return [sys.executable] + found + managed_pythons(environ)


def managed_pythons(environ):
    """The Pythons of pyenv, asdf, mise and uv, which are not always on PATH."""
    home = environ.get("HOME") or os.path.expanduser("~")
    directories = [
        os.path.join(environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv"), "versions"),
        os.path.join(environ.get("ASDF_DATA_DIR") or os.path.join(home, ".asdf"), "installs/python"),
        os.path.join(environ.get("MISE_DATA_DIR") or os.path.join(home, ".local/share/mise"), "installs/python"),
        environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(home, ".local/share/uv/python"),
    ]
    return [path for directory in directories for path in sorted(glob.glob(glob.escape(directory) + "/*/bin/python3"), reverse=True)]


def is_suitable(candidate, oldest, newest):
    """Whether it runs, has one of these versions and can create environments."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        command = [candidate, "-I", "-c", PROBE.format(oldest, newest)]
        return subprocess.call(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PROBE_TIMEOUT) == 0
    return False


def find_python(environ):
    """The first suitable candidate. Exits with a message if there is none."""
    for candidate in candidates(environ):
        if is_suitable(candidate, OLDEST, NEWEST):
            return candidate
    sys.exit(
        "{} is not Python 3.{} to 3.{} with the modules venv, ensurepip and ssl{}: install one, for example apt install python3 python3-venv, "
        "or name it with REWIND_PYTHON=/path/to/python3.".format(
            environ.get("REWIND_PYTHON") or "Python " + sys.version.split()[0], OLDEST, NEWEST,
            "" if environ.get("REWIND_PYTHON") else ", and this machine has no other one that is"
        )
    )


def ensure(environ):
    """The Python of an environment with the pinned nox and uv; it is created or replaced where needed."""
    directory = os.path.join(environments_dir(), "tools")
    python, stamp = os.path.join(directory, "bin", "python"), os.path.join(directory, "stamp")
    # The directory: an environment that was moved has its old place in its scripts.
    wanted = "\n".join([directory] + [open(name, encoding="utf-8").read() for name in FILES])
    with locked(directory):
        if os.path.exists(python) and os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == wanted:
            return python
        interpreter = find_python(environ)
        print(f"==> creating the environment of nox and uv in {directory}", flush=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", FILES[0], "--constraint", FILES[1]]
        for command in ([interpreter, "-I", "-m", "venv", "--clear", directory], install):
            if subprocess.call(command, env=environ, stdin=subprocess.DEVNULL) != 0:
                sys.exit("nox and uv could not be installed (see above). They come from PyPI, or from the mirror in pip's configuration.")
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(wanted)
    return python


def main(arguments):
    """Run nox in place of this program."""
    for descriptor in (0, 1, 2):  # Ansible rejects streams that do not block, which some CI agents pass on
        with contextlib.suppress(OSError):
            os.set_blocking(descriptor, True)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in the background of a script; the tests of Ctrl-C would inherit that
    environ = {name: value for name, value in os.environ.items() if not name.startswith(MISLEADING)}
    python = ensure(environ)
    os.execve(python, [python, "-m", "nox", "--noxfile", os.path.join(ROOT, "noxfile.py")] + arguments, environ)


if __name__ == "__main__":
    main(sys.argv[1:])
