# Sourced by every test here (and by tests/vm): a private world for the test, and words to build
# networks in it.
#
# Theory of operation. The test starts itself again in mount, PID and network namespaces of its
# own, with an empty /run. So interface names, UAPI sockets and named network namespaces of tests
# that run at the same time cannot collide, and when the test's first process ends, for whatever
# reason, the kernel ends every process and removes every interface that it made.
#
# Usage: NAME_test.sh BUILD_DIR. Exit code 0 passed, 1 failed, 77 cannot run here (and why).
# VIREO_WG='wireguard-go' puts another program in the place of `vireo-dataplane wg`, to try the
# tests themselves.
set -euo pipefail

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

skip() {
  echo "SKIPPED: $*" >&2
  exit 77
}

if [ -z "${VIREO_TEST_WORLD:-}" ]; then
  BUILD=${1:?usage: $0 BUILD_DIR}
  [ -d "$BUILD" ] || {
    echo "$0: no build folder $BUILD: cmake --preset release && cmake --build build/release" >&2
    exit 1
  }
  [ "$(id -u)" -eq 0 ] || skip "needs root to make network namespaces"
  unshare --mount --pid --net true 2>/dev/null || skip "this machine allows no namespaces"
  VIREO_TEST_WORLD=vireo-$$ BUILD=$(cd "$BUILD" && pwd) exec unshare --mount --pid --net --fork \
    --kill-child --mount-proc --propagation private bash "$0" "$@"
fi

BIN=$BUILD/bin
DATAPLANE=$BIN/vireo-dataplane
CLI=$BIN/vireo
VIREO_WG=${VIREO_WG:-$DATAPLANE wg}
HERE=$TESTS/netns
TEST=$(basename "$0" .sh)

mount -t tmpfs -o mode=755 vireo-test /run
mkdir -p /run/wireguard /run/netns /var/lib/vireo
mount -t tmpfs -o mode=700 vireo-test /var/lib/vireo
WORK=/run/test
mkdir -p "$WORK/log"
ip link set lo up
started=$(date +%s%N)

step() {
  printf '%6.2f s  %s\n' "$(($(date +%s%N) - started))e-9" "$*"
}
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# --- what to look at when a test failed ---

show_file() {
  [ -s "$2" ] || return 0
  echo "--- $1"
  grep -vE '│|──' "$2" | tail -n "${3:-40}" # without wireguard-go's advertisement
}
diagnose() {
  local name socket file
  for name in $(ip netns list 2>/dev/null | awk '{print $1}' | sort); do
    echo "--- $name"
    ip netns exec "$name" ip -brief address
    ip netns exec "$name" ip -s -brief link 2>/dev/null | head -n 20
  done
  echo "--- wg show"
  wg show 2>&1 | grep -v 'private key' || true
  for socket in "$WORK"/*.control /run/vireo/*.sock; do
    [ -S "$socket" ] && [ -x "$CLI" ] || continue
    for name in peers ports stats drops; do
      echo "--- vireo $name ($socket)"
      timeout 5 "$CLI" --socket "$socket" "$name" 2>&1 || true
    done
  done
  for file in "$WORK"/log/*; do
    show_file "${file##*/}" "$file"
  done
}
cleanups=()
# at_exit COMMAND: undone in reverse order. Needed only for what outlives the namespaces.
at_exit() { cleanups+=("$*"); }
finish() {
  local status=$? i
  trap - EXIT
  set +e
  [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || diagnose >&2
  for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
    eval "${cleanups[i]}"
  done
  [ "$status" -ne 0 ] || step "$TEST passed"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

# --- waiting ---

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# wait_for SECONDS WHAT COMMAND...: until it succeeds; fails the test when it does not in time.
wait_for() {
  local deadline=$(($(now_ms) + ${1%.*} * 1000)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$(now_ms)" -lt "$deadline" ] || fail "$what did not happen in time"
    sleep 0.05
  done
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# --- namespaces and links ---

ns() { echo "$VIREO_TEST_WORLD-$1"; }
# netns NAME...: makes namespaces.
netns() {
  local name
  for name in "$@"; do
    ip netns add "$(ns "$name")"
    on "$name" ip link set lo up
    # No address resolution delays, and addresses usable at once.
    on "$name" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
      net.ipv6.conf.default.router_solicitations=0 net.ipv4.conf.all.promote_secondaries=1
  done
}
# on NAME COMMAND...: runs it in the namespace.
on() {
  local name=$1
  shift
  ip netns exec "$(ns "$name")" "$@"
}
# link NS1 IF1 NS2 IF2 [MTU]: a veth pair between two namespaces, up.
link() {
  ip link add "$2" mtu "${5:-1500}" netns "$(ns "$1")" type veth \
    peer name "$4" mtu "${5:-1500}" netns "$(ns "$3")"
  on "$1" ip link set "$2" up
  on "$3" ip link set "$4" up
}
# address NS IF CIDR...
address() {
  local name=$1 interface=$2 cidr
  shift 2
  for cidr in "$@"; do
    on "$name" ip address add "$cidr" dev "$interface"
  done
}
# keep_order NS IF: what arrives there stays in the order in which it was sent, as on a wire. Else
# packets that their sender handed over on different CPUs may overtake each other on a veth.
keep_order() {
  on "$1" sh -c "echo 1 >/sys/class/net/$2/queues/rx-0/rps_cpus" 2>/dev/null || true # no RPS
}
# plain_frames NS IF: what leaves IF is frames as on a wire. AF_XDP sees frames as they are, so the
# kernel at the other end of a veth must finish checksums and segments itself.
plain_frames() {
  on "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
}

# --- WireGuard ---

# keys NAME...: makes $WORK/NAME.key and $WORK/NAME.pub.
keys() {
  local name
  for name in "$@"; do
    (umask 077 && wg genkey >"$WORK/$name.key")
    wg pubkey <"$WORK/$name.key" >"$WORK/$name.pub"
  done
}
pub() { cat "$WORK/$1.pub"; }

# wireguard NS IF us|go: starts ours or wireguard-go on IF; returns when it answers `wg`.
wireguard() {
  local program
  case $3 in
    us) program=$VIREO_WG ;;
    go) program=wireguard-go ;;
  esac
  on "$1" env LOG_LEVEL=error $program "$2" </dev/null >"$WORK/log/$1-$2-$3" 2>&1 ||
    fail "$program $2 exited with $?: $(tail -n 1 "$WORK/log/$1-$2-$3")"
  wait_for 5 "an answer of $2 to wg" on "$1" timeout 2 wg show "$2"
}
# process_of NS IF: sets $process to the process that serves IF's UAPI socket.
process_of() {
  process=$(on "$1" ss -lxpH | sed -nE "s#.*/wireguard/[.]?$2[.]sock[^ ]* .*pid=([0-9]+).*#\1#p" | head -n 1)
  [ "$process" ] || fail "nobody serves $2's socket"
}
# end NS IF: ends a tunnel's process by removing its socket.
end() {
  local process
  process_of "$1" "$2"
  rm "/run/wireguard/$2.sock"
  wait_for 5 "the end of the process of $2" gone "$process"
}

# configure NS IF KEY PORT CIDR...: key, port and addresses of an interface, and up.
configure() {
  local name=$1 interface=$2 key=$3 port=$4
  shift 4
  on "$name" wg set "$interface" private-key "$WORK/$key.key" listen-port "$port"
  address "$name" "$interface" "$@"
  on "$name" ip link set "$interface" up
}
# pair [MTU]: namespaces a and b, one link; ours wg0 in a at 10.0.0.1, wireguard-go wg1 in b at
# 10.0.0.2 (and fd00::1, fd00::2), each with the other's endpoint over IPv4.
pair() {
  netns a b
  link a eth0 b eth0 "${1:-1500}"
  address a eth0 192.0.2.1/24
  address b eth0 192.0.2.2/24
  keys us go
  wireguard a wg0 us
  wireguard b wg1 go
  configure a wg0 us 51820 10.0.0.1/24 fd00::1/64
  configure b wg1 go 51821 10.0.0.2/24 fd00::2/64
  on a wg set wg0 peer "$(pub go)" endpoint 192.0.2.2:51821 allowed-ips 10.0.0.2/32,fd00::2/128
  on b wg set wg1 peer "$(pub us)" endpoint 192.0.2.1:51820 allowed-ips 10.0.0.1/32,fd00::1/128
}
# handshake_of NS IF: time of the latest handshake with the first peer, 0 if none.
handshake_of() { on "$1" wg show "$2" latest-handshakes | awk 'NR==1{print $2}'; }

# --- traffic ---

# pings NS ADDRESS [COUNT [PING OPTION...]]: every one must be answered. One that opens a tunnel
# waits for the handshake.
pings() {
  local name=$1 to=$2 count=${3:-3}
  shift $(($# > 3 ? 3 : $#))
  on "$name" ping -n -q -i 0.05 -c "$count" -W 5 "$@" "$to" >"$WORK/ping" 2>&1 &&
    grep -q " $count received" "$WORK/ping" ||
    fail "$name: ping $* $to: $(grep -E 'transmitted|error|Message' "$WORK/ping" | head -n 2)"
}
# no_pings NS ADDRESS: nothing may come back.
no_pings() {
  ! on "$1" ping -n -q -i 0.05 -c 3 -W 1 "$2" >/dev/null 2>&1 || fail "$1: $2 answered a ping"
}
# serve NS COMMAND...: a program in the background until the test ends; sets $served to its pid.
serve() {
  local name=$1
  shift
  ip netns exec "$(ns "$name")" "$@" >>"$WORK/log/$name-$(basename "$1")" 2>&1 </dev/null &
  served=$!
}
listening() { on "$1" ss -Hltun "sport = :$2" | grep -q .; }
# transfer NS1 NS2 ADDRESS FILE: sends a file by TCP to ADDRESS in NS2 and compares what arrived.
transfer() {
  serve "$2" "$HERE/transfer" receive "$3" 5300 "$WORK/received"
  local pid=$served
  wait_for 20 "the file receiver" listening "$2" 5300
  on "$1" timeout 60 "$HERE/transfer" send "$3" 5300 "$4" || fail "$1: sending a file to $3"
  wait "$pid" || fail "$2: receiving a file at $3"
  cmp -s "$4" "$WORK/received" || fail "the file that arrived at $3 differs"
}
# sequence NS1 NS2 ADDRESS SECONDS RATE SIZE [OPTION...]: numbered UDP packets from NS1 to ADDRESS
# in NS2; prints and leaves in $WORK/sequence what was lost, repeated, disordered, damaged.
sequence() {
  local from=$1 to=$2 at=$3 seconds=$4 rate=$5 size=$6
  shift 6
  rm -f "$WORK/sequence"
  serve "$to" "$HERE/sequence" receive "$at" 5400 --json "$WORK/sequence"
  local pid=$served
  wait_for 20 "the packet counter" listening "$to" 5400
  on "$from" "$HERE/sequence" send "$at" 5400 --seconds "$seconds" --rate "$rate" --size "$size" \
    "$@" || fail "$from: sending packets to $at"
  wait "$pid" || fail "$to: counting packets at $at"
  cat "$WORK/sequence"
}
# full_sockets NS [PORT]: packets over IPv4 that the kernel in NS has thrown away so far because the
# UDP socket they were for was full: its program was too slow. Without those for PORT, if given.
full_sockets() {
  local all own=0
  all=$(on "$1" awk '/^Udp: [0-9]/ {print $6}' /proc/net/snmp)
  [ $# -eq 1 ] || own=$(on "$1" awk -v port=":$(printf %04X "$2")" \
    'substr($2, 9) == port {sum += $NF} END {print sum + 0}' /proc/net/udp)
  echo $((all - own))
}
# faultless: the last `sequence` had nothing lost, repeated, disordered or damaged.
faultless() {
  jq -e '.sent > 0 and .lost == 0 and .duplicated == 0 and .reordered == 0 and .damaged == 0' \
    "$WORK/sequence" >/dev/null || fail "packets were lost or spoilt: $(cat "$WORK/sequence")"
}
