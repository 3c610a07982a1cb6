#!/usr/bin/env bash
# Against wireguard-go: either side opens the tunnel, with and without preshared key, over IPv4 and
# IPv6, with both inside.
. "$(dirname "$0")/lib.sh"

netns a b
link a eth0 b eth0
address a eth0 192.0.2.1/24 2001:db8::1/64
address b eth0 192.0.2.2/24 2001:db8::2/64
keys us go
(umask 077 && wg genpsk >"$WORK/psk")

# case OPENER PSK OUTER_US OUTER_GO
run_case() {
  local opener=$1 psk=$2 us=$3 go=$4
  local with=()
  [ "$psk" = no ] || with=(preshared-key "$WORK/psk")
  step "$opener opens, preshared key $psk, over $us"
  wireguard a wg0 us
  wireguard b wg1 go
  configure a wg0 us 51820 10.0.0.1/24 fd00::1/64
  configure b wg1 go 51821 10.0.0.2/24 fd00::2/64
  # Only the opener knows where the other is: the answerer must learn it from the handshake.
  local to_go=() to_us=()
  if [ "$opener" = us ]; then to_go=(endpoint "$go:51821"); else to_us=(endpoint "$us:51820"); fi
  on a wg set wg0 peer "$(pub go)" "${with[@]}" "${to_go[@]}" allowed-ips 10.0.0.2/32,fd00::2/128
  on b wg set wg1 peer "$(pub us)" "${with[@]}" "${to_us[@]}" allowed-ips 10.0.0.1/32,fd00::1/128
  if [ "$opener" = us ]; then
    pings a 10.0.0.2
    pings a fd00::2
    pings b 10.0.0.1
    pings b fd00::1
  else
    pings b 10.0.0.1
    pings b fd00::1
    pings a 10.0.0.2
    pings a fd00::2
  fi
  [ "$(handshake_of a wg0)" -gt 0 ] || fail "wg shows no handshake"
  end a wg0
  end b wg1
}
for opener in us go; do
  for psk in no yes; do
    run_case "$opener" "$psk" 192.0.2.1 192.0.2.2
    run_case "$opener" "$psk" '[2001:db8::1]' '[2001:db8::2]'
  done
done

step "a wrong preshared key keeps the tunnel shut"
wireguard a wg0 us
wireguard b wg1 go
configure a wg0 us 51820 10.0.0.1/24
configure b wg1 go 51821 10.0.0.2/24
on a wg set wg0 peer "$(pub go)" preshared-key "$WORK/psk" endpoint 192.0.2.2:51821 \
  allowed-ips 10.0.0.2/32
on b wg set wg1 peer "$(pub us)" allowed-ips 10.0.0.1/32
no_pings a 10.0.0.2
[ "$(handshake_of a wg0)" -eq 0 ] || fail "a handshake completed with a wrong preshared key"
