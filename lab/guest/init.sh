#!/bin/sh
# The guest's only program: /init of the initramfs. See lab/guest/__init__.py for what it prints.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
export PATH=/bin:/usr/sbin

behaviour=cooperative look=0.5
read -r cmdline </proc/cmdline
for word in $cmdline; do
  case $word in
    xloud.guest=*) behaviour=${word#*=} ;;
    xloud.look=*) look=${word#*=} ;;
  esac
done

while read -r module; do
  [ "$behaviour:$module" = no-balloon:virtio_balloon ] || insmod "/modules/$module.ko"
done </modules/order

# Requests to eject a CPU are then refused (_OST), and those that bring one are not.
[ "$behaviour" = no-removal ] && echo 0 >/sys/firmware/acpi/hotplug/processor/enabled

# The ACPI power button: Nova's stop and soft reboot press it.
for device in /dev/input/event*; do
  [ -c "$device" ] && {
    dd if="$device" of=/dev/null bs=24 count=1 2>/dev/null
    echo "xloud-guest: power button"
    poweroff -f
  } &
done

# The port has its name some time after the driver was loaded.
start_agent() {
  for port in /sys/class/virtio-ports/*; do
    read -r name <"$port/name" && [ "$name" = org.qemu.guest_agent.0 ] || continue
    qemu-ga --method=virtio-serial --path="/dev/${port##*/}" --statedir=/run >/dev/null &
    has_agent=yes
  done 2>/dev/null
}

bring_cpus_online() {
  for online in /sys/devices/system/cpu/cpu[0-9]*/online; do
    read -r is_online <"$online" && [ "$is_online" = 0 ] && echo 1 >"$online"
  done 2>/dev/null
}

# Those that were not there at the last look: one that went and came back has another inode.
bring_new_cpus_online() {
  present=$(ls -di /sys/devices/system/cpu/cpu[0-9]*)
  while read -r inode cpu; do
    case $known in *"$inode $cpu"*) ;; *) echo 1 >"$cpu/online" ;; esac
  done 2>/dev/null <<EOF
$present
EOF
  known=$present
}

count_cpus() {
  cpus=0
  while read -r word _; do
    [ "$word" = processor ] && cpus=$((cpus + 1))
  done </proc/cpuinfo
}

# System RAM without what the firmware keeps of it, which is less than a MiB: rounded up.
measure_ram() {
  ram=0
  while IFS= read -r line; do
    case $line in
      [!\ ]*" : System RAM")
        range=${line%% *}
        ram=$((ram + 0x${range#*-} - 0x${range%-*} + 1))
        ;;
    esac
  done </proc/iomem
  ram_mib=$(((ram + 1048575) / 1048576))
}

measure_memory() {
  while read -r name value _; do
    case $name in
      MemTotal:) mem_total=$value ;;
      MemFree:) mem_free=$value && break ;;
    esac
  done </proc/meminfo
  inflated=0 deflated=0
  while read -r name value; do
    case $name in
      balloon_inflate) inflated=$value ;;
      balloon_deflate) deflated=$value && break ;;
    esac
  done </proc/vmstat
  balloon_mib=$(((inflated - deflated) * 4 / 1024))
}

# A program that uses what it is given. Memory of a tmpfs is not reclaimed without swap.
lowest_mib=''
eat() {
  held=$((ram_mib - balloon_mib))
  if [ -z "$lowest_mib" ]; then
    mkdir /eaten
    mount -t tmpfs -o size=100% tmpfs /eaten
    lowest_mib=$held
  fi
  [ $held -lt "$lowest_mib" ] && lowest_mib=$held
  [ $held -ge $((lowest_mib + 128)) ] && [ "$mem_free" -gt $((128 * 1024)) ] &&
    dd if=/dev/zero bs=1M count=32 2>/dev/null >>/eaten/memory
}

last='' quiet=0 has_agent='' known=''
while :; do
  [ "$has_agent" ] || start_agent
  case $behaviour in
    no-online) ;;
    online-once | no-removal) bring_new_cpus_online ;;
    *) bring_cpus_online ;;
  esac
  count_cpus
  measure_ram
  measure_memory
  [ "$behaviour" = hungry ] && eat
  now="cpus_online=$cpus ram_mib=$ram_mib balloon_mib=$balloon_mib"
  now="$now held_mib=$((ram_mib - balloon_mib)) mem_total_kib=$mem_total"
  if [ "$now" != "$last" ] || [ $quiet -ge 10 ]; then
    read -r uptime _ </proc/uptime
    echo "xloud-guest: $now mem_free_kib=$mem_free uptime=$uptime guest=$behaviour"
    last=$now quiet=0
  fi
  quiet=$((quiet + 1))
  sleep "$look"
done
