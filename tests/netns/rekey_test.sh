#!/usr/bin/env bash
# A real rekey after 120 s under load, with no packet lost, doubled or disordered, in both
# directions at once. VIREO_SOAK_SECONDS makes it last longer than its 130 s.
. "$(dirname "$0")/lib.sh"

seconds=${VIREO_SOAK_SECONDS:-130}
pair
pings a 10.0.0.2
first_us=$(handshake_of a wg0) first_go=$(handshake_of b wg1)

# Rates that a peer's default socket buffer survives when a busy machine stops it for 200 ms.
step "numbered packets both ways for $seconds s"
serve b "$HERE/sequence" receive 10.0.0.2 5400 --json "$WORK/there"
there=$served
serve a "$HERE/sequence" receive 10.0.0.1 5400 --json "$WORK/back"
back=$served
wait_for 20 "the packet counters" listening b 5400
wait_for 20 "the packet counters" listening a 5400
serve b "$HERE/sequence" send 10.0.0.1 5400 --seconds "$seconds" --rate 300 --size 300
sender=$served
on a "$HERE/sequence" send 10.0.0.2 5400 --seconds "$seconds" --rate 500 --size 400
wait "$sender" || fail "sending from b"
wait "$there" || fail "counting in b"
wait "$back" || fail "counting in a"

second_us=$(handshake_of a wg0) second_go=$(handshake_of b wg1)
[ "$second_us" -ge $((first_us + 115)) ] || fail "we saw no new handshake after 120 s"
[ "$second_go" -ge $((first_go + 115)) ] || fail "wireguard-go saw no new handshake after 120 s"
for direction in there back; do
  step "$direction: $(cat "$WORK/$direction")"
  cp "$WORK/$direction" "$WORK/sequence"
  faultless
done
