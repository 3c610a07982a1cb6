// Virtual Ethernet for tests, in a network namespace that ends with the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vireo::test {

using Frame = std::vector<std::byte>;

// Moves the calling thread, and threads and processes it makes from now on, into a new network
// namespace, whose interfaces send nothing of their own (no IPv6). Returns why that is impossible,
// or nothing.
std::optional<std::string> EnterPrivateNetwork();

// Runs a shell command; aborts the test program if it fails.
void Shell(const std::string& command);

// A pair of connected interfaces, both up, and without offloads at the end named PEER, so that its
// frames leave with whole checksums and sizes.
class VethPair {
 public:
  VethPair(std::string name, std::string peer, unsigned mtu = 1500, unsigned queues = 1);
  ~VethPair();
  VethPair(const VethPair&) = delete;
  VethPair& operator=(const VethPair&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& peer() const { return peer_; }

 private:
  std::string name_, peer_;
};

// A raw socket on an interface: sends frames, receives those that come in.
class RawSocket {
 public:
  explicit RawSocket(const std::string& interface);
  ~RawSocket();
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  void Send(const Frame& frame);
  // The next frame, or nothing if none comes within a second.
  std::optional<Frame> Receive();
  // The next frame if there is one already.
  std::optional<Frame> ReceiveNow();

 private:
  std::optional<Frame> ReceiveWithin(int milliseconds);

  int fd_;
};

// `size` bytes: an Ethernet header for 02:00:00:00:00:01 of an experimental type (88b5), then bytes
// that depend on `seed`.
Frame MakeFrame(std::size_t size, std::uint32_t seed);

}  // namespace vireo::test
