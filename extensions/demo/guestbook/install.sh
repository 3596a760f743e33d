#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs guestbook 1.0 with some guests. Arguments: the server's root directory ("" for /), then the guests.

set -eu
root=$1
shift
data=$root/var/lib/guestbook

mkdir -p "$data"
echo "version=1.0" >"$root/etc/guestbook.conf"
printf '%s\n' "$@" >"$data/guests.txt"
echo "$#" >"$data/signed"
