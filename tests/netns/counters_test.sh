#!/usr/bin/env bash
# What `wg show` counts: ten pings of 84 bytes are ten messages of 128 bytes each way, plus the
# handshake (148 and 92 bytes), and 32 more where a keepalive confirmed the session.
. "$(dirname "$0")/lib.sh"

shopt -s extglob
counted() { on "$1" wg show "$2" transfer | cut -f2,3 | tr '\t' ' '; }
check() {
  case $2 in
    $3) step "$1 counts received and sent: $2" ;;
    *) fail "$1 counts '$2' bytes received and sent, expected '$3'" ;;
  esac
}

pair
step "we open"
pings a 10.0.0.2 10
check "opener (ours)" "$(counted a wg0)" '1372 14@(28|60)'
check "answerer (wireguard-go)" "$(counted b wg1)" '14@(28|60) 1372'

step "they open"
end a wg0
wireguard a wg0 us
configure a wg0 us 51820 10.0.0.1/24
on a wg set wg0 peer "$(pub go)" allowed-ips 10.0.0.2/32
on b wg set wg1 peer "$(pub us)" remove
on b wg set wg1 peer "$(pub us)" endpoint 192.0.2.1:51820 allowed-ips 10.0.0.1/32
pings b 10.0.0.1 10
check "opener (wireguard-go)" "$(counted b wg1)" '1372 14@(28|60)'
check "answerer (ours)" "$(counted a wg0)" '14@(28|60) 1372'
