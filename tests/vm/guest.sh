# Sourced instead of tests/netns/lib.sh by tests with a Linux guest in QEMU (tests/vm/guest-image).
. "$(dirname "${BASH_SOURCE[0]}")/world.sh"

# boot_guest NS TAP CIDR FOLDER: a guest with the files of the folder, which runs its run.sh and
# powers off; its eth0 with that address is the TAP in the namespace. Sets $guest to its pid.
boot_guest() {
  (cat "$GUEST/guest.gz" && cd "$4" && find . -type f | cpio -o -H newc --quiet | gzip -1) \
    >"$WORK/guest.gz"
  rm -f "$WORK/log/guest"
  # vectors=0, romfile=: MSI-X and the network ROM are slow or broken without KVM. The CPU's random
  # numbers: WireGuard makes no handshake before the kernel has gathered entropy.
  ip netns exec "$(ns "$1")" timeout 150 qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 256 \
    -display none -monitor none -serial "file:$WORK/log/guest" -no-reboot \
    -kernel "$GUEST/vmlinuz" -initrd "$WORK/guest.gz" \
    -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on addr=$3" \
    -netdev "tap,id=n0,ifname=$2,script=no,downscript=no" \
    -device virtio-net-pci,netdev=n0,romfile=,vectors=0 >"$WORK/log/qemu" 2>&1 </dev/null &
  guest=$!
}
# said REGEX: the guest has printed "guest: REGEX".
said() { grep -qE "guest: $1" "$WORK/log/guest"; }
# fetch NS ADDRESS PORT FILE: all that a TCP server says.
fetch() {
  on "$1" timeout 60 python3 -c 'import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 30) as s, open(sys.argv[3], "wb") as f:
    while data := s.recv(65536): f.write(data)' "$2" "$3" "$4" || fail "$1: fetching from $2"
}
