#include "dataplane/port/dpdk_log.h"

#include <rte_log.h>

#include <algorithm>
#include <cstdlib>

namespace vireo {

DpdkLog::DpdkLog() : stream_(open_memstream(&text_, &size_)) {
  if (stream_ != nullptr) rte_openlog_stream(stream_);
}

DpdkLog::~DpdkLog() {
  rte_openlog_stream(nullptr);  // back to standard error
  if (stream_ != nullptr) std::fclose(stream_);
  std::free(text_);
}

std::string DpdkLog::Reason() const {
  if (stream_ == nullptr) return {};
  std::fflush(stream_);
  std::string line(text_ + forgotten_, size_ - forgotten_);
  line.resize(std::min(line.size(), line.find('\n')));
  // "EAL: ", "ETHDEV: ", or a driver's function: "eth_dev_tap_create(): "
  if (const auto colon = line.find(": "); colon != std::string::npos) line.erase(0, colon + 2);
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

void DpdkLog::Forget() {
  if (stream_ == nullptr) return;
  std::fflush(stream_);
  forgotten_ = size_;
}

}  // namespace vireo
