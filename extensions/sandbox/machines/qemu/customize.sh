#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs as root in the machine's root file system before it becomes a disk: network, login users, units, test packages.
set -eu

echo "machine" >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 machine\n' >/etc/hosts
echo '/dev/vda / ext4 defaults,errors=remount-ro 0 1' >/etc/fstab
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/machine-id
: >/etc/machine-id

# QEMU's user network answers DHCP.
printf '[Match]\nName=eth0 en*\n[Network]\nDHCP=ipv4\n' >/etc/systemd/network/10-lan.network
systemctl enable --quiet systemd-networkd ssh cron
# What waits for the internet, or works in the background and so disturbs short tests.
systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer systemd-networkd-wait-online.service systemd-timesyncd.service \
  e2scrub_all.timer e2scrub_reap.service dpkg-db-backup.timer fstrim.timer getty@tty1.service
# What no test needs, and what an emulated processor takes seconds for at each boot.
systemctl mask --quiet modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service \
  modprobe@fuse.service modprobe@loop.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  sys-fs-fuse-connections.mount sys-kernel-config.mount systemd-update-utmp.service systemd-update-utmp-runlevel.service
systemctl set-default --quiet multi-user.target

# `admin` needs a password for sudo, `deploy` needs none; its password is `admin`.
for user in admin deploy; do useradd --create-home --shell /bin/bash "$user"; done
echo 'admin:admin' | chpasswd
echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin
echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy
chmod 440 /etc/sudoers.d/admin /etc/sudoers.d/deploy
for home in /root /home/admin /home/deploy; do
  mkdir -p "$home/.ssh"
  cp /srv/client_key.pub "$home/.ssh/authorized_keys"
  chmod 700 "$home/.ssh"
  [ "$home" = /root ] || chown -R "${home#/home/}:${home#/home/}" "$home/.ssh"
done
rm -f /etc/ssh/ssh_host_*
mv /srv/host_key /etc/ssh/ssh_host_ed25519_key
chmod 600 /etc/ssh/ssh_host_ed25519_key
printf 'HostKey /etc/ssh/ssh_host_ed25519_key\nKexAlgorithms curve25519-sha256\n' >/etc/ssh/sshd_config.d/10-lab.conf

# The sandbox waits for this line on the serial console.
cat >/etc/systemd/system/announce.service <<'UNIT'
[Unit]
Description=Write to the console that the machine is up
After=ssh.service systemd-networkd.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'until ip -4 -o address show scope global | grep -q inet; do sleep 0.2; done; echo machine-is-up >/dev/ttyS0'
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --quiet announce.service

if [ "$1" = debian ]; then
  dpkg --install /srv/old/*.deb >/dev/null
else
  # Ansible detects Debian by these files.
  rm -f /etc/os-release /usr/lib/os-release /etc/debian_version /usr/bin/apt /usr/bin/apt-get /usr/bin/aptitude
  printf 'ID=rocky\nNAME="Rocky Linux"\nVERSION_ID="9.4"\nID_LIKE="rhel centos fedora"\nPRETTY_NAME="Rocky Linux 9.4"\n' >/etc/os-release
  echo 'Rocky Linux release 9.4 (Blue Onyx)' >/etc/redhat-release
  mkdir -p /etc/yum.repos.d
  # A plugin of Debian's package, whose repository is empty and requires signatures: dnf would upgrade nothing.
  sed -i 's/^enabled *=.*/enabled = false/' /etc/dnf/plugins/local.conf
  rpm --install --nodeps /srv/old/*.rpm
fi

cat >/usr/local/sbin/lab-offer <<'SCRIPT'
#!/bin/sh
# Offer version 2 of the named test packages to the package manager, and of no others.
set -eu
if [ -d /etc/yum.repos.d ]; then list=/etc/yum.repos.d/lab.repo; else list=/etc/apt/sources.list.d/lab.list; fi
: >"$list"
for name; do
  [ -d "/srv/lab/$name" ] || { echo "lab-offer: no package $name" >&2; exit 1; }
  case $list in
  *.repo) printf '[%s]\nname=%s\nbaseurl=file:///srv/lab/%s\ngpgcheck=0\n' "$name" "$name" "$name" ;;
  *) echo "deb [trusted=yes] file:/srv/lab/$name ./" ;;
  esac >>"$list"
done
SCRIPT
chmod 755 /usr/local/sbin/lab-offer

rm -rf /srv/old /srv/client_key.pub /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*.log
