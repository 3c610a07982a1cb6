#!/usr/bin/env bash
# A router with AF_XDP uplink and access port, without huge pages.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/router.sh"

router_scenarios never
