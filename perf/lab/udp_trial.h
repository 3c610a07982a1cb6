// One sender and one receiver in their namespaces, run against each other in this process.
#pragma once

#include <string>
#include <vector>

#include "dataplane/base/result.h"
#include "perf/lab/rate_search.h"
#include "perf/lab/udp_receiver.h"
#include "perf/lab/udp_sender.h"

namespace vireo::lab {

struct UdpPath {
  std::string send_namespace;     // as `ip netns` knows them; empty: the caller's
  std::string receive_namespace;  // likewise
  Duration coalesce{};            // the receiver's sleep between batches
};

struct UdpTrial {
  UdpSendResult sent;
  UdpReceiveResult received;

  // What a rate search wants to know of it.
  [[nodiscard]] Trial Outcome(std::uint64_t asked) const;
};

// Sends as `send` says and accounts what arrives. Takes the duration
// plus about 0.2 s.
Result<UdpTrial> RunUdpTrial(const UdpPath& path, const UdpSendOptions& send);

struct UdpSearchResult {
  RateSearch search;
  std::vector<UdpTrial> trials;
};

// Runs trials of `send`'s duration until the search is over. A trial at a given rate keeps a
// pause of 50 ms before it, so that queues of the one before are empty.
Result<UdpSearchResult> SearchUdpRate(const UdpPath& path, const UdpSendOptions& send,
                                      const RateSearch::Options& options);

}  // namespace vireo::lab
