#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints whether the guestbook is healthy; exit status 1 if not. Changes nothing.
# Argument: the server's root directory ("" for /).

root=$1
data=$root/var/lib/guestbook
version=$(sed -n 's/^version=//p' "$root/etc/guestbook.conf")
signed=$(cat "$data/signed")

case $version in
1.*) found=$(grep -c . "$data/guests.txt") ;;
2.*) found=$(find "$data/guests" -type f | grep -c .) ;;
*) found=0 ;;
esac

if [ "$found" -ne "$signed" ]; then
    echo "guestbook $version is unhealthy: $signed guests signed, $found are left"
    exit 1
fi
echo "guestbook $version is healthy: all $signed guests are there"
