#!/bin/sh
# The guest's only program: /init of the initramfs. See lab/guest/__init__.py for what it prints.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
export PATH=/bin:/usr/sbin

behaviour=cooperative look=0.5 load='' swap_mib=''
read -r cmdline </proc/cmdline
for word in $cmdline; do
  case $word in
    xloud.guest=*) behaviour=${word#*=} ;;
    xloud.look=*) look=${word#*=} ;;
    xloud.load=*) load=${word#*=} ;;
    xloud.swap=*) swap_mib=${word#*=} ;;
  esac
done

# A size changes within a second, and these guests act while it does.
case $behaviour in dies-shrinking | reboots-shrinking) look=0.1 ;; esac

while read -r module; do
  case $behaviour:$module in
    no-balloon:virtio_balloon) ;;
    *:virtio_blk) [ "$load" ] && insmod /modules/virtio_blk.ko ;;
    silent-balloon:virtio_balloon) insmod /modules/virtio_balloon_silent.ko ;;
    *) insmod "/modules/$module.ko" ;;
  esac
done </modules/order

# Requests to eject a CPU are then refused (_OST), and those that bring one are not.
[ "$behaviour" = no-removal ] && echo 0 >/sys/firmware/acpi/hotplug/processor/enabled

# It reads from the console what it is to do; nothing else here reads.
if [ "$load" ]; then
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -b /dev/vda ] && break
    sleep 0.2
  done
  [ "$swap_mib" ] && mkswap /dev/vda $((swap_mib * 1024)) >/dev/null && swapon /dev/vda
  xloud-load "$load" /dev/vda </dev/ttyS0 &
fi

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
    case $behaviour in
      agent-*) sh /fake_agent.sh "${behaviour#agent-}" "/dev/${port##*/}" >/dev/null & ;;
      *) qemu-ga --method=virtio-serial --path="/dev/${port##*/}" --statedir=/run >/dev/null & ;;
    esac
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

# What a guest does when its memory is taken, after it was once given more. At boot the memory only
# goes down, which does not count.
smallest_mib='' largest_mib=0 looks_since_shrunk=''
follow_shrinking() {
  held=$((ram_mib - balloon_mib))
  { [ -z "$smallest_mib" ] || [ $held -lt "$smallest_mib" ]; } && smallest_mib=$held
  [ $held -ge $((smallest_mib + 128)) ] && [ $held -gt $largest_mib ] && largest_mib=$held
  [ $largest_mib -gt 0 ] || return
  if [ $held -le $((largest_mib - 32)) ]; then
    case $behaviour in
      dies-shrinking) echo c >/proc/sysrq-trigger ;;
      reboots-shrinking) reboot -f ;;
    esac
  fi
  # Some seconds later, so that whoever waits for the smaller size has seen it.
  [ $held -eq "$smallest_mib" ] && [ -z "$looks_since_shrunk" ] && looks_since_shrunk=0
  [ "$looks_since_shrunk" ] || return
  looks_since_shrunk=$((looks_since_shrunk + 1))
  case $behaviour:$looks_since_shrunk in
    unloads-driver:20 | takes-back:20) rmmod virtio_balloon ;;
    takes-back:100) insmod /modules/virtio_balloon.ko ;;
  esac
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
  case $behaviour in
    hungry) eat ;;
    dies-shrinking | reboots-shrinking | unloads-driver | takes-back) follow_shrinking ;;
  esac
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
