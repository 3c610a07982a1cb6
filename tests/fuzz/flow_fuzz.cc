// What a capture's filter reads of bytes that nobody has checked: frames and IP packets.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dataplane/net/flow.h"
#include "dataplane/net/vxlan.h"

namespace {

using namespace vireo;

void Check(const net::Flow& flow, std::size_t size) {
  const bool has_ip = flow.source.family != net::Family::kNone;
  const bool has_ports = flow.source_port != 0 || flow.destination_port != 0;
  if (flow.size > size || flow.vni > net::kMaxVni || (has_ports && !has_ip) ||
      (has_ip && flow.size == 0) || flow.source.family != flow.destination.family) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto* start = reinterpret_cast<const std::byte*>(data);
  const std::vector<std::byte> bytes(start, start + size);  // so that reading too far is seen
  Check(net::ReadFlowOfPacket(bytes), size);
  Check(net::ReadFlowOfFrame(bytes), size);
  return 0;
}
