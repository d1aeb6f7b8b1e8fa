#!/bin/sh
# A guest agent that is no help: fake_agent.sh lies|hangs|errors PORT. It speaks the protocol of
# qemu-ga, a JSON object a line, on a virtio-serial port. libvirt greets it (guest-sync) before each
# command, and has to get back the number that it has sent.
#   lies    counts one CPU online, whatever is true, and says that it has done what it was asked
#   hangs   answers the greeting and nothing else
#   errors  answers the greeting, and all else with an error
how=$1 port=$2

# As many CPUs as there are, the first of them online.
list_cpus() {
  list='' online=true
  for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
    number=${cpu##*/cpu}
    offline=true && [ "$number" = 0 ] && offline=false
    list="$list${list:+, }{\"logical-id\": $number, \"online\": $online, \"can-offline\": $offline}"
    online=false
  done
}

# guest-set-vcpus names the CPUs; its answer is how many of them were changed.
count_named() {
  rest=$1 count=0
  while [ "$rest" != "${rest#*logical-id}" ]; do
    rest=${rest#*logical-id}
    count=$((count + 1))
  done
}

answer() {
  printf '%s\n' "$1" >&3
}

exec 3<>"$port"
while :; do
  # Without a reader on the host there is nothing to read.
  IFS= read -r line <&3 || { sleep 0.2; continue; }
  case $line in
    *guest-sync*)
      id=${line#*\"id\":}
      id=${id# }
      case $line in *guest-sync-delimited*) printf '\377' >&3 ;; esac
      answer "{\"return\": ${id%%[!0-9]*}}"
      continue
      ;;
  esac
  case $how:$line in
    hangs:*) ;;
    errors:*)
      answer '{"error": {"class": "GenericError", "desc": "this agent answers with errors"}}'
      ;;
    lies:*guest-get-vcpus*) list_cpus; answer "{\"return\": [$list]}" ;;
    lies:*guest-set-vcpus*) count_named "$line"; answer "{\"return\": $count}" ;;
    *) answer '{"return": {}}' ;;
  esac
done
