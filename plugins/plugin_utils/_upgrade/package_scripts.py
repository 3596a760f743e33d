# Copyright: (c) 2026, rewind.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell scripts that upgrade packages with apt, zypper, apk and pacman, without a question. Modules of ansible-core do it for dnf and yum,
and for apt if all packages are meant.

Each is a POSIX shell script of four functions: `versions`, `exclude`, `include_again` and `upgrade`. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from .package_selection import Selection

SCRIPT_MANAGERS = ("apt", "zypper", "apk", "pacman")
MODULE_MANAGERS = ("dnf", "dnf5", "yum")
WITHOUT_SECURITY = ("apk", "pacman")  # their repositories do not mark security updates

# What is excluded is released again however the script ends. For apk an exclusion is a preference, and pacman answers yes to its question whether
# to ignore it, so the versions are compared.
_SCRIPT = r"""
exec </dev/null
export LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none ZYPP_LOCK_TIMEOUT=10
names='@NAMES@' excluded='@EXCLUDED@' selection=@SELECTION@ added=
@FUNCTIONS@
release() {
  status=$?
  trap - EXIT
  [ -n "$added" ] || exit "$status"
  tries=1
  until include_again $added >/dev/null 2>&1; do
    [ "$tries" -lt 12 ] || { echo "these packages are still excluded from upgrades:$added" >&2; exit 1; }
    tries=$((tries + 1))
    sleep 5
  done
  exit "$status"
}
trap release EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
before=$([ -z "$excluded" ] || versions)
[ -z "$excluded" ] || exclude || exit
upgrade || exit
after=$([ -z "$excluded" ] || versions)
[ "$before" = "$after" ] || { echo "the upgrade needs an excluded package ($excluded), and has changed it" >&2; exit 1; }
"""

# dpkg keeps a configuration file that the user has changed, and uses the new one of the others. `install` would mark packages as chosen by the user.
# `dist-upgrade` names the origins of the newest version alone: one with a security update and a newer ordinary one needs a second look.
_APT = r"""
versions() {
  dpkg-query --show --showformat '${binary:Package} ${Version}\n' $excluded 2>/dev/null
}
exclude() {
  added=
  for package in $(dpkg-query --show --showformat '${binary:Package}/${db:Status-Want}/${db:Status-Status}\n' $excluded 2>/dev/null); do
    case $package in */hold/*) ;; */installed) added="$added ${package%%/*}" ;; esac
  done
  [ -z "$added" ] || apt-mark hold $added
}
include_again() {
  apt-mark unhold "$@"
}
apt_get() {
  apt-get --yes --quiet -o DPkg::Lock::Timeout=10 -o Dpkg::Use-Pty=0 -o APT::Update::Error-Mode=any \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
has_security_version() {
  [ -n "$(apt-cache madison "$1" | while read -r name bar version bar place suite rest; do
    case $suite in *-security/* | */updates/*) ! dpkg --compare-versions "$version" gt "$2" || echo yes ;; esac
  done)" ]
}
security_updates() {
  printf '%s\\n' "$1" | while read -r word name current origins; do
    case "$word $current" in 'Inst ['*) ;; *) continue ;; esac
    current=${current#?}
    case "${origins#* }" in
      *Debian-Security:* | */*-security*) echo "$name" ;;
      *) ! has_security_version "$name" "${current%?}" || echo "$name" ;;
    esac
  done
}
upgrade_named() {
  automatic=$(apt-mark showauto "$@") || return
  apt_get --only-upgrade install "$@" || return
  [ -z "$automatic" ] || apt-mark auto $automatic >/dev/null
}
upgrade() {
  apt_get update || return
  case $selection in
    names) upgrade_named $names ;;
    security)
      planned=$(apt_get --simulate dist-upgrade) || { echo "$planned"; return 1; }
      names=$(security_updates "$planned")
      if [ -n "$names" ]; then upgrade_named $names; else echo "there are no security updates"; fi ;;
    *) apt_get dist-upgrade ;;
  esac
}
"""

# Without the option, a patch that suggests a reboot would be left out. Status 102 means that a reboot is needed, and 103 that zypper itself was
# upgraded and has to be run again. A patch of a locked package is a question, to which zypper answers no and ends; a newer zypper can skip it.
_ZYPPER = r"""
versions() {
  rpm --query $excluded | sort
}
locks() {
  zypper --non-interactive locks | sed -n 's/^ *[0-9][0-9]* *| *\([^ |]*\) *|.*/\1/p'
}
exclude() {
  present=$(locks) || return
  added=
  for package in $excluded; do
    printf '%s\\n' "$present" | grep -Fqx -e "$package" || added="$added $package"
  done
  [ -z "$added" ] || zypper --non-interactive addlock $added
}
include_again() {
  zypper --non-interactive removelock "$@"
}
zypper_upgrade() {
  for attempt in 1 2 3; do
    zypper --non-interactive --non-interactive-include-reboot-patches "$@"
    status=$?
    case $status in 0 | 102) return 0 ;; 103) ;; *) return "$status" ;; esac
  done
  return "$status"
}
upgrade() {
  case $selection in
    security)
      skip=
      [ -z "$excluded" ] || ! zypper help patch | grep -Fq -e --skip-not-applicable-patches || skip=--skip-not-applicable-patches
      zypper_upgrade patch --category security --auto-agree-with-licenses $skip ;;
    *) zypper_upgrade update --auto-agree-with-licenses $names ;;
  esac
}
"""

# apk writes NAME.apk-new beside a configuration file that the user has changed. It fails if --ignore names a package that it does not know.
_APK = r"""
versions() {
  apk info --verbose 2>/dev/null | sort | while read -r package; do
    name=${package%-*}
    case " $excluded " in *" ${name%-*} "*) echo "$package" ;; esac
  done
}
exclude() {
  ignored=
  for package in $excluded; do
    ! apk info --installed "$package" >/dev/null 2>&1 || ignored="$ignored $package"
  done
}
include_again() {
  return 0
}
upgrade() {
  apk --wait 10 update || return
  apk --wait 10 upgrade ${ignored:+--ignore $ignored} $names
}
"""

# pacman writes NAME.pacnew beside a configuration file that the user has changed.
_PACMAN = r"""
versions() {
  pacman --query $excluded 2>/dev/null
}
exclude() {
  ignored=$(echo $excluded | tr ' ' ',')
}
include_again() {
  return 0
}
upgrade() {
  case $selection in
    names) pacman --sync --refresh --needed --noconfirm --noprogressbar $names ;;
    *) pacman --sync --refresh --sysupgrade --noconfirm --noprogressbar ${ignored:+--ignore "$ignored"} ;;
  esac
}
"""

_FUNCTIONS = {"apt": _APT, "zypper": _ZYPPER, "apk": _APK, "pacman": _PACMAN}

_IS_INSTALLED = {
    "apt": "case $(dpkg-query --show --showformat '${db:Status-Abbrev}' \"$1\" 2>/dev/null) in ?i*) ;; *) return 1 ;; esac",
    "apk": 'apk info --installed "$1" >/dev/null 2>&1',
    "pacman": '[ "$(pacman --query --quiet "$1" 2>/dev/null)" = "$1" ]',
}
_RPM_IS_INSTALLED = r"""rpm --query --queryformat '%{NAME}\n%{NAME}.%{ARCH}\n' "$1" 2>/dev/null | grep -Fqx -e "$1" """


def upgrade_script(package_manager: str, selection: Selection) -> str:
    """Return the script that upgrades what is selected; empty where a module of ansible-core does it."""
    is_plain = not (selection.names or selection.security or selection.exclude)
    if package_manager not in SCRIPT_MANAGERS or package_manager == "apt" and is_plain:
        return ""
    replacements = {
        "@FUNCTIONS@": _FUNCTIONS[package_manager].strip("\n"), "@NAMES@": " ".join(selection.names), "@EXCLUDED@": " ".join(selection.exclude),
        "@SELECTION@": "names" if selection.names else "security" if selection.security else "all",
    }
    script = _SCRIPT.lstrip("\n")
    for placeholder, value in replacements.items():
        script = script.replace(placeholder, value)
    return script


def absent_script(package_manager: str, names: Sequence[str]) -> str:
    """Return the script that prints a line `absent NAME` for each of these packages that is not installed, then `end`."""
    test = _IS_INSTALLED.get(package_manager, _RPM_IS_INSTALLED).strip()
    return (
        f'{{\nis_installed() {{\n  {test}\n}}\nfor name in {" ".join(map(quote, names))}; do\n  is_installed "$name" || echo "absent $name"\ndone\n'
        "echo end\n} </dev/null\n"
    )


def absent_names(text: str) -> list[str]:
    return [line[len("absent "):] for line in text.replace("\r", "").split("\n") if line.startswith("absent ")]
