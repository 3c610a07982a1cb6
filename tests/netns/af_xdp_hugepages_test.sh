#!/usr/bin/env bash
# A router with AF_XDP uplink and access port, on huge pages.
. "$(dirname "$0")/lib.sh"

before=$(cat /proc/sys/vm/nr_hugepages)
at_exit "echo $before >/proc/sys/vm/nr_hugepages"
echo 512 >/proc/sys/vm/nr_hugepages 2>/dev/null || skip "huge pages cannot be reserved here"
free=$(awk '/^HugePages_Free/{print $2}' /proc/meminfo)
[ "$free" -ge 256 ] || skip "only $free huge pages are free, the test wants 256"
mkdir -p /dev/hugepages
mountpoint -q /dev/hugepages || mount -t hugetlbfs vireo-test /dev/hugepages ||
  skip "hugetlbfs cannot be mounted"

. "$(dirname "$0")/router.sh"
router_scenarios always
used=$(awk '/^HugePages_Free/{print $2}' /proc/meminfo)
[ "$used" -eq "$free" ] || fail "$((free - used)) huge pages are still in use"
