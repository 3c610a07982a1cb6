#!/usr/bin/env bash
# `vireo trace` on a live router: the way of a ping and of its answer, and of a packet that is dropped.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

plain_router
shown() { timeout 5 "$CLI" --socket "$WORK/site.control" trace show >"$WORK/trace"; }
# way REGEX...: the trace has lines that match, in this order.
way() {
  local line=0 at
  for regex in "$@"; do
    at=$(tail -n +$((line + 1)) "$WORK/trace" | grep -nE -m1 -- "$regex" | cut -d: -f1 || true)
    [ -n "$at" ] || fail "the trace has no \"$regex\" behind line $line:
$(cat "$WORK/trace")"
    line=$((line + at))
  done
}

step "a ping and its answer, stage by stage"
vireo site trace add --protocol icmp --count 2 >/dev/null
pings h 10.0.0.2 1
shown
way 'admit' 'forward' 'encapsulate' 'transmit' 'decrypt' 'authorize' 'forward' 'transmit'

step "a packet that goes nowhere is shown with its reason"
vireo site trace clear >/dev/null
vireo site trace add --port access --destination 198.51.100.0/24 --count 1 >/dev/null
on h ping -c 1 -W 1 198.51.100.7 >/dev/null || true
shown
way 'admit' 'drop .*no_route'

step "what does not match is not traced"
vireo site trace clear >/dev/null
vireo site trace add --protocol udp >/dev/null
pings h 10.0.0.2 1
shown
! grep -q admit "$WORK/trace" || fail "a ping matched udp: $(cat "$WORK/trace")"
