#!/usr/bin/env bash
# Against the Linux kernel's own WireGuard, which runs in a QEMU guest: either side opens the
# tunnel, once with and once without preshared key; pings of both families and files by TCP both ways.
. "$(dirname "$0")/guest.sh"

netns a
on a ip tuntap add mode tap name tap0
address a tap0 192.0.2.1/24
on a ip link set tap0 up
keys us guest
(umask 077 && wg genpsk >"$WORK/psk")
head -c 300000 /dev/urandom >"$WORK/file"
sum=$(sha256sum <"$WORK/file" | cut -d' ' -f1)

# boot OPENER WITH_PSK: a guest that does its half of the test and powers off. Sets $guest.
boot() {
  local image=$WORK/guest psk=
  rm -rf "$image"
  mkdir -p "$image"
  cp "$WORK/file" "$image/file"
  [ "$2" = no ] || psk="PresharedKey = $(cat "$WORK/psk")"
  cat >"$image/wg.conf" <<CONF
[Interface]
PrivateKey = $(cat "$WORK/guest.key")
ListenPort = 51821
[Peer]
PublicKey = $(pub us)
$psk
AllowedIPs = 10.0.0.1/32, fd00::1/128
CONF
  [ "$1" = us ] || echo "Endpoint = 192.0.2.1:51820" >>"$image/wg.conf"
  cat >"$image/run.sh" <<'RUN'
ip link add wg0 type wireguard
wg setconf wg0 /wg.conf
ip address add 10.0.0.2/24 dev wg0
ip address add fd00::2/64 dev wg0
ip link set wg0 up
echo "guest: tunnel is there"
if grep -q Endpoint /wg.conf; then
  ping -c 5 10.0.0.1 | sed -n 's/^/guest: pings: /;/received/p'
  ping -6 -c 3 fd00::1 | sed -n 's/^/guest: pings6: /;/received/p'
fi
nc -l -p 5301 >/received &
nc -l -p 5302 </file &
echo "guest: listening"
wait
sha256sum </received | sed 's/^/guest: received /'
wg show wg0 latest-handshakes | cut -f2 | sed 's/^/guest: handshake /'
wg show wg0 transfer | sed 's/^/guest: transfer /'
RUN
  boot_guest a tap0 192.0.2.2/24 "$image"
}

# play OPENER WITH_PSK
play() {
  step "$1 opens, preshared key $2"
  wireguard a wg0 us
  configure a wg0 us 51820 10.0.0.1/24 fd00::1/64
  local with=()
  [ "$2" = no ] || with+=(preshared-key "$WORK/psk")
  [ "$1" = guest ] || with+=(endpoint 192.0.2.2:51821)
  on a wg set wg0 peer "$(pub guest)" "${with[@]}" allowed-ips 10.0.0.2/32,fd00::2/128
  boot "$1" "$2"
  wait_for 100 "the guest's boot" said "tunnel is there"
  step "the guest is up"
  if [ "$1" = guest ]; then
    wait_for 40 "the guest's pings" said "pings6"
    said "pings: .* 5 packets received" || fail "the guest lost pings"
    said "pings6: .* 3 packets received" || fail "the guest lost IPv6 pings"
  fi
  wait_for 40 "the guest's listening" said listening
  pings a 10.0.0.2 20
  pings a fd00::2 5
  pings a 10.0.0.2 3 -s 1392 -M do
  step "a file each way by TCP"
  on a "$TESTS/netns/transfer" send 10.0.0.2 5301 "$WORK/file" || fail "sending to the guest"
  fetch a 10.0.0.2 5302 "$WORK/received"
  cmp -s "$WORK/file" "$WORK/received" || fail "the guest's file arrived damaged"
  wait_for 60 "the guest's power-off" gone "$guest"
  said "received $sum" || fail "our file arrived damaged at the guest"
  said "handshake [1-9]" || fail "the guest saw no handshake"
  grep 'guest:' "$WORK/log/guest" | sed 's/^/          /'
  end a wg0
}
play guest no
play us yes
