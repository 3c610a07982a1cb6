#!/usr/bin/env bash
# `vireo capture` on a live router, read by tshark: as many packets as were sent, with the reason of
# those that were dropped.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

command -v tshark >/dev/null || skip "needs tshark: deploy/setup --test"
plain_router
file=$WORK/capture.pcapng
# capture ARGUMENT...: in the background until end_capture; returns when it captures.
capture() {
  rm -f "$file"
  "$CLI" --socket "$WORK/site.control" capture -w "$file" "$@" 2>"$WORK/summary" </dev/null &
  capturing=$!
  wait_for 10 "the beginning of the capture" test -s "$file"
}
end_capture() {
  kill -INT "$capturing"
  wait "$capturing" || fail "vireo capture exited with $?: $(cat "$WORK/summary")"
}
# count FILTER: packets in the file that match the display filter.
count() { tshark -r "$file" -Y "$1" 2>/dev/null | wc -l; }
# expect NUMBER FILTER
expect() {
  [ "$(count "$2")" -eq "$1" ] ||
    fail "$(count "$2") instead of $1 packets are \"$2\": $(tshark -r "$file" 2>&1 | tail -n 30)"
}

step "a port shows what it received and sent"
capture access --protocol icmp
pings h 10.0.0.2 5
end_capture
grep -q '^10 packets captured, 0 of them dropped' "$WORK/summary" || fail "$(cat "$WORK/summary")"
[ "$(stat -c %a "$file")" = 600 ] || fail "others may read the file: $(stat -c %a "$file")"
expect 5 'icmp.type == 8 && frame.packet_flags_direction == 1 && eth'
expect 5 'icmp.type == 0 && frame.packet_flags_direction == 2 && eth'
expect 10 'frame.interface_name == "access" && !frame.comment'

step "a peer shows what is inside its tunnel, an uplink what is around it"
capture b
pings h 10.0.0.2 5
end_capture
expect 5 'icmp.type == 8 && frame.packet_flags_direction == 2 && !eth && !wg'
expect 5 'icmp.type == 0 && frame.packet_flags_direction == 1 && !eth && !wg'
capture up
pings h 10.0.0.2 5
end_capture
expect 10 'wg.type == 4 && frame.len > 100'
expect 0 icmp

step "a spoofed packet has its drop reason as its comment"
capture access --source 10.0.0.2
on h ip address add 10.0.0.2/32 dev eth0
on h ping -n -q -c 3 -i 0.05 -W 1 -I 10.0.0.2 10.0.0.9 >/dev/null 2>&1 || true
on h ip address del 10.0.0.2/32 dev eth0
end_capture
expect 3 'frame.comment contains "dropped: source_spoofed: "'
expect 3 'ip.src == 10.0.0.2'

step "count, snap length and a pipe"
capture access --protocol icmp -c 4 -s 60
pings h 10.0.0.2 5
wait "$capturing" || fail "it did not end by itself"
expect 4 'frame.cap_len == 60 && frame.len == 98'
"$CLI" --socket "$WORK/site.control" capture access --protocol icmp -c 6 --seconds 20 -w - \
  2>"$WORK/summary" | tee "$file.raw" | tshark -r - 2>/dev/null >"$WORK/piped" &
piping=$!
wait_for 10 "the beginning of the pipe" test -s "$file.raw"
pings h 10.0.0.2 3
wait "$piping"
[ "$(grep -c 'ICMP.*Echo' "$WORK/piped")" -eq 6 ] || fail "by the pipe came: $(cat "$WORK/piped")"
for what in 'Echo (ping) request' 'Echo (ping) reply'; do
  grep -qF "$what" "$WORK/piped" || fail "no $what came by the pipe"
done
