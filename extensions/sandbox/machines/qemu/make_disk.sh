#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# make_disk.sh ROOT_ARCHIVE CUSTOMIZE_SCRIPT REPOSITORIES SIZE DISTRIBUTION: write disk.raw to the working directory.
# Runs as root, or as root of a user namespace.
set -eu
archive=$1 customize=$2 repositories=$3 size=$4 distribution=$5

rm -rf root
mkdir root
tar --extract --file "$archive" --directory root --exclude './dev/*'
cp -r old root/srv/old
mkdir -p "root$(dirname "$repositories")"
cp -r new "root$repositories"
cp client_key.pub host_key root/srv/
cp "$customize" root/customize.sh
chroot root /bin/sh /customize.sh "$distribution"
rm root/customize.sh
mkfs.ext4 -q -F -L root -O ^metadata_csum -E lazy_itable_init=1,lazy_journal_init=1 -d root disk.raw "$size"
rm -rf root
