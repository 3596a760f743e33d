#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Is the guestbook on this server well? Says so in one line; exit status 1 if it is not. Changes nothing.
# Argument: the server's root folder ("" for /).

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
    echo "guestbook $version is ill: $signed guests have signed, $found are left"
    exit 1
fi
echo "guestbook $version is well: all $signed guests are there"
