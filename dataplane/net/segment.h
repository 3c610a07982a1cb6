// Cutting a large TCP or UDP packet into packets of wire size (what a NIC calls TSO and USO).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/net/checksum.h"

namespace vireo::net {

enum class Segmentation : std::uint8_t { kNone, kTcp, kUdp };

// The work one side of an interface leaves to the other, as in virtio-net's packet header
// (virtio 1.2 §5.1.6). Offsets count from where the packet begins: its link header, if it has one.
struct Offload {
  Segmentation segmentation = Segmentation::kNone;
  bool needs_checksum = false;         // the field holds the pseudo header's sum only
  std::uint16_t segment_size = 0;      // payload bytes a segment; segmentation only
  std::uint16_t header_size = 0;       // all headers, bytes; a hint, segmentation only
  std::uint16_t transport_offset = 0;  // where the checksum starts
  std::uint16_t checksum_offset = 0;   // of the field, from there
};

// Yields the wire packets of one superpacket, copying and summing the payload in one pass. A packet
// without segmentation yields itself, its checksum completed.
//
// Every segment has the superpacket's headers, the link's too, but: IP lengths, IPv4 ids counting
// up, TCP sequence numbers, CWR only in the first, FIN and PSH only in the last (RFC 3168 §6.1.2;
// Linux tcp_gso_segment), and its own checksums.
//
// Not thread-safe. Borrows the superpacket's bytes until done().
class Segmenter {
 public:
  // Begins with `packet`: `link_size` bytes of link header (0: none), then an IP packet; without
  // offload, whatever it is. False, leaving done() true, if it is not what `offload` says or its
  // lengths are wrong. A packet with IPv6 extension headers is taken, but a routing header's final
  // destination is not looked up for the checksum.
  [[nodiscard]] bool Start(ConstBytes packet, const Offload& offload, std::size_t link_size = 0);

  [[nodiscard]] bool done() const { return position_ >= packet_.size(); }
  // Bytes of the next segment. REQUIRES: !done().
  [[nodiscard]] std::size_t next_size() const { return header_size_ + next_payload(); }
  // Writes it. REQUIRES: !done(), next_size() bytes at `out`.
  void Next(std::byte* out);
  // Skips it. REQUIRES: !done().
  void Skip() { Advance(next_payload()); }
  // Forgets the rest.
  void Abandon() { position_ = packet_.size(); }

 private:
  [[nodiscard]] bool StartSingle(ConstBytes packet, const Offload& offload);
  [[nodiscard]] bool ReadIp(ConstBytes ip_packet, std::size_t ip_header_size);
  void ReadTransport();
  void Advance(std::size_t payload);
  void NextSingle(std::byte* out);
  void PatchIp(std::byte* out, std::size_t payload);
  [[nodiscard]] std::size_t next_payload() const {
    const std::size_t rest = packet_.size() - position_;
    return rest < segment_size_ ? rest : segment_size_;
  }

  // A header is at most 18 bytes of tagged Ethernet, 60 of IPv4 and 60 of TCP; IPv6 extensions have
  // the rest.
  static constexpr std::size_t kMaxHeader = 256;

  ConstBytes packet_;
  std::size_t position_ = 0;  // of the next payload byte in packet_
  Offload offload_;
  std::size_t link_size_ = 0;
  std::size_t header_size_ = 0;  // the link's included
  std::size_t segment_size_ = 0;
  bool is_v4_ = false;
  std::uint16_t ip_id_ = 0;
  std::uint32_t sequence_ = 0;
  std::uint8_t tcp_flags_ = 0;
  // The headers with the fields that differ by segment zeroed, and the sums over them.
  std::array<std::byte, kMaxHeader> header_;
  InternetSum ip_sum_, transport_sum_;
};

}  // namespace vireo::net
