#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs guestbook 1.0 with some guests. Arguments: the server's root folder ("" for /), then the guests.

set -eu
root=$1
shift
data=$root/var/lib/guestbook
site=$root/srv/www/guestbook

mkdir -p "$data" "$site"
echo "version=1.0" >"$root/etc/guestbook.conf"
printf '%s\n' "$@" >"$data/guests.txt"
echo "$#" >"$data/signed"
echo "<h1>Guestbook</h1> <p>$# guests have signed it.</p> <footer>Guestbook 1.0</footer>" >"$site/index.html"
