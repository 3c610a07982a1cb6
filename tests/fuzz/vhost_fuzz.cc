// What a VM can leave to a vhost-user port: frames whose checksum or cutting is ours to do, with
// flags that need not be true. The input is a byte of flags, a byte of segment size, and the frame.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "dataplane/net/segment.h"
#include "dataplane/port/vhost_offload.h"

namespace {

using namespace vireo;

void Require(bool condition) {
  if (!condition) std::abort();
}

void Cut(const Packet& packet, ConstBytes frame) {
  const FrameOffload work = OffloadOf(&packet, frame);
  if (!work) return;
  net::Segmenter segmenter;
  if (!segmenter.Start(frame, work.offload, work.link_size)) return;
  std::size_t segments = 0;
  while (!segmenter.done()) {
    std::vector<std::byte> segment(segmenter.next_size());
    segmenter.Next(segment.data());
    Require(++segments <= frame.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Packet packet{};
  if ((data[0] & 1) != 0) packet.ol_flags |= RTE_MBUF_F_RX_LRO;
  if ((data[0] & 2) != 0) packet.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
  packet.tso_segsz = static_cast<std::uint16_t>(data[1] * 8);
  std::vector<std::byte> frame(size - 2);
  if (!frame.empty()) std::memcpy(frame.data(), data + 2, frame.size());
  Cut(packet, frame);

  packet.buf_addr = frame.data();
  packet.nb_segs = 1;
  SetSize(&packet, static_cast<std::uint16_t>(std::min<std::size_t>(frame.size(), 65535)));
  (void)FinishChecksum(&packet);
  return 0;
}
