// Results as a person reads them, and as one line of JSON.
#pragma once

#include <string>

#include "perf/lab/icmp_ping.h"
#include "perf/lab/udp_receiver.h"
#include "perf/lab/udp_sender.h"
#include "perf/lab/udp_trial.h"

namespace vireo::lab {

enum class Format { kText, kJson };

std::string Report(const UdpSendOptions& options, const UdpSendResult& result, Format format);
std::string Report(const UdpReceiveResult& result, Format format);
std::string Report(const UdpSendOptions& options, const UdpSearchResult& result, Format format);
std::string Report(const PingOptions& options, const PingResult& result, Format format);

}  // namespace vireo::lab
