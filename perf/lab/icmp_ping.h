// Round trips by ICMP and ICMPv6 echo, with nanoseconds kept: /bin/ping prints too few digits.
#pragma once

#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/net/address.h"

namespace vireo::lab {

struct PingOptions {
  net::IpAddress to;
  unsigned count = 10;
  Duration interval = std::chrono::milliseconds(100);
  Duration timeout = std::chrono::seconds(1);  // for each answer
  std::size_t payload = 56;                    // bytes, 0 … 1400
};

struct PingResult {
  std::vector<Duration> round_trips;  // sorted; one for each answer
  unsigned sent = 0;

  [[nodiscard]] Duration Percentile(double percent) const;
};

// Sends `count` echo requests, one at a time, from the calling thread's network namespace; fewer if
// answers are missing, since it ends after count intervals and one timeout in any case. The
// arrival is the kernel's time stamp, as in /bin/ping, so that this program's own wake-up is not in
// the figure. Needs CAP_NET_RAW.
Result<PingResult> Ping(const PingOptions& options);

}  // namespace vireo::lab
