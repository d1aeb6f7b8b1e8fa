#!/bin/bash
# Runs inside a fresh mount and UTS namespace: gives it the compute's private folders and hostname,
# then holds it open. Called by lab/hypervisor/namespace.py:
#   namespace.sh COMPUTE_FOLDER HOSTNAME [UNPACKED_TREE EMULATOR_WRAPPER]
set -euo pipefail
compute=$1 hostname=$2 tree=${3:-} wrapper=${4:-}

echo "$hostname" > /proc/sys/kernel/hostname
# Its source names the compute, so that every process in here can be found in /proc/*/mountinfo.
mount -t tmpfs -o size=64k "nova-xloud-lab:$compute" "$compute/namespace"
for folder in run var etc; do
  mount --bind "$compute/$folder" "/$folder"
done
for folder in cpu node; do
  if [[ -d $compute/sys/$folder ]]; then
    mount --bind "$compute/sys/$folder" "/sys/devices/system/$folder"
  fi
done
if [[ -n $tree ]]; then
  # The tree's QEMU under a second name, and the wrapper in its place.
  mount --bind "$wrapper" "$tree/usr/bin/qemu-system-x86_64"
  mount --rbind "$tree/usr" /usr
fi
exec sleep infinity
