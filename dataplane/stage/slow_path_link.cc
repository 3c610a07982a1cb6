#include "dataplane/stage/slow_path_link.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <string>

namespace vireo {
namespace {

// Several routers may live in one process (simulation): ring names must differ.
std::string UniqueName(const char* what) {
  static std::atomic<unsigned> next{0};
  return std::string(what) + std::to_string(next.fetch_add(1));
}

}  // namespace

Doorbell::Doorbell() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Doorbell::~Doorbell() { close(fd_); }

void Doorbell::Write() {
  const std::uint64_t one = 1;
  // A full counter means that it is ringing already.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

void Doorbell::Drain() {
  std::uint64_t rings;
  [[maybe_unused]] const ssize_t got = read(fd_, &rings, sizeof rings);
}

SlowPathLink::SlowPathLink()
    : handshakes(UniqueName("handshakes").c_str(), kHandshakes, Producers::kMany),
      packets(UniqueName("punted").c_str(), kPackets, Producers::kMany),
      events(UniqueName("events").c_str(), kEvents, Producers::kMany),
      traces(UniqueName("traces").c_str(), kTraces, Producers::kMany) {}

}  // namespace vireo
