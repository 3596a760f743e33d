# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk image of the QEMU machines: built from the distribution's packages, cached, with a saved running state.

The package source is this machine's own apt configuration. Nothing is downloaded but packages.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..isolation import MachinesUnavailable
from .guest import BOOTED, Guest, GuestError
from .lab_packages import PACKAGES
from .package_builder import REPOSITORIES, build_debian_packages, build_rpm_packages

# Program: the Debian package that has it.
_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "mmdebstrap": "mmdebstrap", "dpkg-scanpackages": "dpkg-dev",
    "busybox": "busybox-static", "cpio": "cpio", "mkfs.ext4": "e2fsprogs", "ssh-keygen": "openssh-client", "apt-get": "apt", "setpriv": "util-linux",
}
_RPM_PROGRAMS = {"rpmbuild": "rpm", "createrepo_c": "createrepo-c"}
# Without libpam-systemd: it starts a systemd for each user who logs in, which takes half a minute in emulation.
GUEST_PACKAGES = ("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "python3", "python3-apt", "udev", "kmod", "iproute2",
                  "procps", "cron", "qemu-guest-agent")
_RPM_GUEST_PACKAGES = ("dnf", "python3-dnf", "rpm", "dnf-plugins-core")
DISTRIBUTIONS = {"debian": GUEST_PACKAGES, "rpm": (*GUEST_PACKAGES, *_RPM_GUEST_PACKAGES)}
"""What a machine is: Debian; or Debian's programs under another name, with dnf and an rpm database of its own instead of apt."""
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# In this order; ext4 and the PCI bus are built in. systemd sees the power button through `button` and `evdev`.
KERNEL_MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk", "failover", "net_failover",
                  "virtio_net", "virtio_console", "virtio-rng", "pvpanic", "pvpanic-pci", "evdev", "button")
NOT_INSTALLED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
DISK_SIZE = "1200M"
KVM_BOOT_TIMEOUT = 30.0
BOOT_TIMEOUT = 600.0
IDLE_TIMEOUT = 120.0
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class MachineImage:
    """The files of an image. `disk` contains the saved state `BOOTED` of a machine that has just started."""

    directory: Path

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd.gz"

    @property
    def disk(self) -> Path:
        return self.directory / "disk.qcow2"

    @property
    def client_key(self) -> Path:
        return self.directory / "client_key"

    @property
    def accelerator(self) -> str:
        """How its machines run: a saved state continues only as it was saved."""
        return (self.directory / "accelerator").read_text()

    @property
    def host_key(self) -> str:
        """The public SSH host key of every machine."""
        return " ".join((self.directory / "host_key.pub").read_text().split()[:2])


def missing_packages(distribution: str = "debian") -> list[str]:
    """Return the Debian packages without which no image can be built and no machine started."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    programs = {**_PROGRAMS, **(_RPM_PROGRAMS if distribution == "rpm" else {})}
    return sorted({package for program, package in programs.items() if not shutil.which(program, path=path)})


async def get_image(cache: Path, distribution: str = "debian") -> MachineImage:
    """Return the image for this version of the sandbox, building it first if `cache` has none. Raises MachinesUnavailable."""
    if missing := missing_packages(distribution):
        raise MachinesUnavailable(f"real machines need more packages; install them with: sudo apt-get install {' '.join(missing)}")
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = cache / _image_name(distribution)
    with _exclusive(cache / "lock"):
        if not directory.is_dir():
            print("sandbox: building the image of the real machines; this takes one to three minutes, once", file=sys.stderr, flush=True)
            work_dir = cache / "building"
            shutil.rmtree(work_dir, ignore_errors=True)
            await asyncio.to_thread(_build_files, cache, work_dir, distribution)
            await _save_running_state(MachineImage(work_dir))
            for old in cache.glob(f"{distribution}-*"):
                shutil.rmtree(old)
            work_dir.rename(directory)
    return MachineImage(directory)


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "rewind.vps", "machines")


def _image_name(distribution: str) -> str:
    version = subprocess.run(["qemu-system-x86_64", "--version"], check=True, capture_output=True).stdout
    digest = hashlib.sha256(version + str(os.access("/dev/kvm", os.R_OK | os.W_OK)).encode())
    for file in sorted(_HERE.iterdir()):
        if file.suffix in (".py", ".sh"):
            digest.update(file.read_bytes())
    return f"{distribution}-{digest.hexdigest()[:16]}"


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with open(path, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another sandbox may be building: wait, and use what it built
        yield


def _build_files(cache: Path, work_dir: Path, distribution: str) -> None:
    """Write everything but the saved state."""
    work_dir.mkdir(mode=0o700)
    root_archive = _root_archive(cache, distribution)
    _extract_kernel(work_dir)
    _write_initrd(work_dir)
    for key in ("client_key", "host_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rewind.vps sandbox", "-f", str(work_dir / key))
    (build_rpm_packages if distribution == "rpm" else build_debian_packages)(PACKAGES, work_dir)
    # The files belong to many users: an ordinary user creates them as root of a user namespace.
    helper = [] if os.geteuid() == 0 else ["mmdebstrap", "--unshare-helper"]
    _run(*helper, "sh", str(_HERE / "make_disk.sh"), str(root_archive), str(_HERE / "customize.sh"), REPOSITORIES, DISK_SIZE, distribution,
         cwd=work_dir)
    _run("qemu-img", "convert", "-O", "qcow2", "disk.raw", "disk.qcow2", cwd=work_dir)
    for leftover in ("disk.raw", "host_key"):
        (work_dir / leftover).unlink()
    for leftover in ("old", "new", "kernel", "initrd"):
        shutil.rmtree(work_dir / leftover)


def _root_archive(cache: Path, distribution: str) -> Path:
    """Return the root file system of the distribution, cached by its list of packages."""
    packages, suite = DISTRIBUTIONS[distribution], _suite()
    key = hashlib.sha256(repr((suite, packages, NOT_INSTALLED)).encode()).hexdigest()[:16]
    archive = cache / f"root-{distribution}-{key}.tar"
    if not archive.exists():
        unfinished = cache / "unfinished.tar"
        excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_INSTALLED]
        _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", '--aptopt=Acquire::Languages "none"', *excluded,
             suite, str(unfinished), *_package_sources())
        for old in cache.glob(f"root-{distribution}-*.tar"):
            old.unlink()
        unfinished.rename(archive)
    return archive


def _suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, dummy, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise MachinesUnavailable("/etc/os-release names no VERSION_CODENAME: real machines can be built on Debian and Ubuntu")


def _package_sources() -> list[str]:
    """Return this machine's own package sources of the distribution."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    sources = [str(file) for file in files if file.suffix in (".list", ".sources") and file.is_file() and _suite() in file.read_text()
               and ("debian" in file.name or "ubuntu" in file.name or file.name == "sources.list")]
    if not sources:
        raise MachinesUnavailable("apt has no package source of this distribution in /etc/apt")
    return sources


def _extract_kernel(work_dir: Path) -> None:
    directory = work_dir / "kernel"
    directory.mkdir()
    depends = _run("apt-cache", "depends", "--no-recommends", KERNEL_PACKAGE).split()
    packages = [word for word in depends if word.startswith("linux-image-") and word != KERNEL_PACKAGE]
    if not packages:
        raise MachinesUnavailable(f"apt knows no {KERNEL_PACKAGE}: run apt-get update")
    _run("apt-get", "--quiet", "download", packages[0], cwd=directory)
    _run("dpkg-deb", "--extract", str(next(directory.glob("*.deb"))), "tree", cwd=directory)
    shutil.copy(next((directory / "tree" / "boot").glob("vmlinuz-*")), work_dir / "vmlinuz")


def _write_initrd(work_dir: Path) -> None:
    tree = work_dir / "initrd"
    for name in ("bin", "modules", "proc", "sys", "dev", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "/bin/busybox", tree / "bin" / "busybox")
    (tree / "bin" / "sh").symlink_to("busybox")
    shutil.copy(_HERE / "init.sh", tree / "init")
    (tree / "init").chmod(0o755)
    modules = {path.stem: path for path in (work_dir / "kernel" / "tree").rglob("*.ko")}
    for name in KERNEL_MODULES:
        shutil.copy(modules[name], tree / "modules")
    (tree / "modules" / "order").write_text("".join(f"{name}.ko\n" for name in KERNEL_MODULES))
    _run("sh", "-c", "find . | cpio --quiet -o -H newc | gzip -1 >../initrd.gz", cwd=tree)


async def _save_running_state(image: MachineImage) -> None:
    """Boot once, wait until the machine is idle, and save its memory in the disk."""
    # That /dev/kvm can be opened does not prove that a kernel runs on it.
    attempts = [("kvm", KVM_BOOT_TIMEOUT)] if os.access("/dev/kvm", os.R_OK | os.W_OK) else []
    for accelerator, timeout in (*attempts, ("tcg", BOOT_TIMEOUT)):
        guest = Guest(image.kernel, image.initrd, image.disk, image.directory, accelerator=accelerator)
        try:
            await guest.start()
            await guest.wait_until_up(timeout)
            await guest.wait_until_idle(IDLE_TIMEOUT)
            await guest.save_memory(BOOTED)
        except GuestError as error:
            reason = error
        else:
            (image.directory / "accelerator").write_text(accelerator)
            return
        finally:
            await guest.kill()
    raise MachinesUnavailable(f"the new image does not boot: {reason}")


def _run(*command: str, cwd: Path | None = None) -> str:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin", "LC_ALL": "C"}
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", env=environment, check=False)
    if done.returncode:
        raise MachinesUnavailable(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout
