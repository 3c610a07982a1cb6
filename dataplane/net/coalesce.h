// Joining packets of one flow into a large packet for the kernel (what Linux calls GRO).
//
// Theory of operation: packets are held, not copied. A handful of flows are open at a time; a
// packet that continues its flow's superpacket becomes one more part of it, anything else first
// sends the flow's superpacket on its way, so that order within a flow never changes. Only what
// Segmenter (or the kernel) would cut back into the very same packets is joined: see CanAppend. The
// checksum of each packet is verified before its payload loses it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/base/bytes.h"
#include "dataplane/net/segment.h"

namespace vireo::net {

// Where joined packets go.
class PacketSink {
 public:
  virtual ~PacketSink() = default;
  // One packet, the concatenation of `parts`; `offload` says what is left to do. `owners` came in
  // with Add and are the sink's again.
  virtual void Write(const Offload& offload, std::span<const ConstBytes> parts,
                     std::span<void* const> owners) = 0;
};

enum class UdpCoalescing : bool { kOff, kOn };
// What packets begin with. Frames of one superpacket have the same Ethernet header.
enum class Framing : bool { kIp, kEthernet };

// Not thread-safe. Never allocates.
class Coalescer {
 public:
  static constexpr std::size_t kMaxFlows = 8;
  static constexpr std::size_t kMaxSegments = 64;  // what Linux takes for UDP (UDP_MAX_SEGMENTS)
  static constexpr std::size_t kMaxSize = 65535;   // of a superpacket with its headers, bytes

  explicit Coalescer(UdpCoalescing udp, Framing framing = Framing::kIp);

  // Takes a whole IP packet or frame; `sink` gets it now or later. The bytes must stay until then,
  // and the headers of a superpacket's first packet are rewritten in place. `owner` is opaque.
  void Add(MutableBytes packet, void* owner, PacketSink& sink);
  // Writes everything that is held.
  void Flush(PacketSink& sink);

 private:
  struct FlowKey {
    std::array<std::byte, 16> source{}, destination{};
    std::array<std::byte, 4> ports{};
    std::uint8_t protocol = 0;
    std::uint8_t version = 0;
    std::uint16_t unused = 0;

    bool operator==(const FlowKey& other) const;
    [[nodiscard]] bool SameHosts(const FlowKey& other) const;
  };

  enum class Kind : std::uint8_t {
    kNotIp,     // nothing known about it
    kOther,     // not TCP or UDP, or not readable as such: only the hosts are known
    kOrdinary,  // of a flow, but never joined: SYN, bare ACK, zero checksum
    kJoinable,
  };

  struct Packet {
    MutableBytes bytes;
    void* owner = nullptr;
    Kind kind = Kind::kNotIp;
    FlowKey key;
    std::uint16_t transport_offset = 0;  // from the packet's begin, as the next
    std::uint16_t header_size = 0;
    std::uint16_t payload = 0;
    bool last = false;  // TCP: PSH or FIN, nothing may follow
  };

  struct Flow {
    bool open = false;
    Packet first;
    std::size_t count = 0;
    std::size_t size = 0;         // of the superpacket so far, bytes
    bool first_verified = false;  // only done once a second packet comes
    bool fixed_id = false;        // IPv4: all packets share one id
    std::array<ConstBytes, kMaxSegments> parts;
    std::array<void*, kMaxSegments> owners;
  };

  enum class Progress : bool { kOpen, kComplete };

  [[nodiscard]] Packet Parse(MutableBytes bytes, void* owner) const;
  [[nodiscard]] bool IsIp(ConstBytes bytes) const;
  static void ParseTransport(Packet& packet, UdpCoalescing udp);
  [[nodiscard]] bool SameLinkHeader(const Flow& flow, const Packet& packet) const;
  [[nodiscard]] bool SameIpHeader(const Flow& flow, const Packet& packet) const;
  static bool SameTcpHeader(const Flow& flow, const Packet& packet);
  [[nodiscard]] bool CanAppend(const Flow& flow, const Packet& packet) const;
  [[nodiscard]] bool IsIntact(const Packet& packet) const;
  [[nodiscard]] Progress Append(Flow& flow, const Packet& packet) const;
  [[nodiscard]] Offload Finish(Flow& flow) const;
  void Emit(Flow& flow, PacketSink& sink);
  void Open(const Packet& packet, PacketSink& sink);

  const UdpCoalescing udp_;
  const std::size_t link_size_;  // bytes before the IP packet
  std::size_t open_flows_ = 0;
  std::size_t next_victim_ = 0;
  std::array<Flow, kMaxFlows> flows_;
};

}  // namespace vireo::net
