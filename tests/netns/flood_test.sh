#!/usr/bin/env bash
# A router on AF_XDP gets more than it can carry, at both ports at once: it must live, lose only what
# it counts, and work as before afterwards.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

plain_router

# flood NAMESPACE ADDRESS:PORT SIZE: as fast as it goes, in the background.
flood() {
  on "$1" "$BIN/vireo-perf" udp-send --to "$2" --size "$3" --rate max --seconds 4 --json >"$WORK/flood-$1" &
  floods+=($!)
}
for size in 64 1372; do
  step "packets of $size bytes without end, from both sides"
  floods=()
  flood h 10.0.0.2:9 "$size"
  flood b 192.0.2.1:51820 "$size"
  wait "${floods[@]}" || fail "a flood did not run: $(cat "$WORK"/flood-*)"
  kill -0 "$router" || fail "the router died"
  missed=$(vireo site ports | jq '[.ports[] | .counters.rx_missed] | add')
  [ "$missed" -gt 0 ] || skip "this machine sends less than a router can carry: nothing was missed"
done

step "all is as it was"
sequence h b 10.0.0.2 1 1000 600
faultless
sequence b h 10.1.0.2 1 1000 64
faultless
stop_router "$router" r
no_xdp_left
