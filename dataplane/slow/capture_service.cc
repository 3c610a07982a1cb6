#include "dataplane/slow/capture_service.h"

#include <algorithm>
#include <cstring>

#include "dataplane/api/control_frame.h"
#include "dataplane/base/encoding.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/vxlan.h"
#include "dataplane/slow/listen_port.h"
#include "dataplane/slow/packet_match.h"

namespace vireo {
namespace {

// Of packets in one answer: the slow path has other things to do as well.
constexpr std::size_t kMaxAnswerBytes = std::size_t{1} << 20;

Status ReadMatch(const v1::CaptureMatch& match, CaptureRule& rule) {
  if (auto read = ReadAddresses(match, rule); !read) return read;
  if (match.transport_port() > UINT16_MAX) {
    return Error{ErrorCode::kInvalidArgument, "transport_port is above 65535"};
  }
  if (match.vni() > net::kMaxVni) {
    return Error{ErrorCode::kInvalidArgument, "vni is above 16777215"};
  }
  if (match.transport_port() != 0) {
    rule.transport_port = static_cast<std::uint16_t>(match.transport_port());
  }
  if (match.vni() != 0) rule.vni = match.vni();
  return {};
}

// The IP and UDP headers that the kernel has around a WireGuard message, as far as we know them:
// our own address is unspecified (RFC 4291 §2.5.2), and there is no checksum of the message.
std::string MessageHeaders(const CaptureHeader& header, std::uint16_t own_port) {
  const bool in = header.way == CaptureWay::kIn;
  const net::UdpHeader udp{in ? header.remote.port : own_port, in ? own_port : header.remote.port,
                           static_cast<std::uint16_t>(sizeof(net::UdpHeader) + header.size), 0};
  const auto upper = static_cast<std::uint16_t>(sizeof udp + header.size);
  std::string bytes;
  const auto append = [&bytes](const auto& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const net::IpAddress& remote = header.remote.address;
  if (remote.is_v6()) {
    net::Ipv6Header ip{};
    ip.version_class_flow = 6u << 28;
    ip.payload_length = upper;
    ip.next_header = net::kProtocolUdp;
    ip.hop_limit = 64;
    std::memcpy(in ? ip.source : ip.destination, remote.bytes.data(), 16);
    append(ip);
  } else {
    net::Ipv4Header ip{};
    ip.version_length = 0x45;
    ip.total_length = static_cast<std::uint16_t>(sizeof ip + upper);
    ip.ttl = 64;
    ip.protocol = net::kProtocolUdp;
    std::memcpy(in ? &ip.source : &ip.destination, remote.bytes.data(), 4);
    net::SetIpv4Checksum(&ip);
    append(ip);
  }
  append(udp);
  return bytes;
}

CaptureLink WireOf(const Port& port) {
  switch (port.info().link) {
    case Link::kUdp:
      return CaptureLink::kMessage;
    case Link::kIp:
      return CaptureLink::kIp;
    case Link::kEthernet:
      break;
  }
  return CaptureLink::kEthernet;
}

v1::CaptureInterface InterfaceOf(const Router& router, const CaptureHeader& header) {
  v1::CaptureInterface interface;
  interface.set_link(header.link == CaptureLink::kEthernet ? "ethernet" : "ip");
  interface.set_peer(header.of_peer);
  if (header.of_peer) {
    const auto& peers = router.peers();
    if (header.source < peers.size() && peers[header.source] != nullptr) {
      const PeerRecord& record = *peers[header.source];
      interface.set_name(record.name.empty() ? ToBase64(AsBytes(BytesOf(record.peer->public_key())))
                                             : record.name);
    }
    interface.set_inside(header.link != CaptureLink::kIp);
    return interface;
  }
  const auto& ports = router.ports();
  if (header.source < ports.size() && ports[header.source] != nullptr) {
    interface.set_name(ports[header.source]->info().name);
    interface.set_inside(header.link != WireOf(*ports[header.source]));
  }
  return interface;
}

std::uint32_t IndexOf(v1::ReadCaptureResponse& answer, const v1::CaptureInterface& interface) {
  for (int i = 0; i < answer.interfaces_size(); ++i) {
    const v1::CaptureInterface& known = answer.interfaces(i);
    if (known.name() == interface.name() && known.peer() == interface.peer() &&
        known.link() == interface.link() && known.inside() == interface.inside()) {
      return static_cast<std::uint32_t>(i);
    }
  }
  *answer.add_interfaces() = interface;
  return static_cast<std::uint32_t>(answer.interfaces_size() - 1);
}

void Describe(const Router& router, const CaptureHeader& header, ConstBytes bytes,
              std::int64_t to_wall_ns, v1::ReadCaptureResponse& answer) {
  v1::CapturedPacket& packet = *answer.add_packets();
  packet.set_unix_ns(header.time_ns + to_wall_ns);
  packet.set_interface(IndexOf(answer, InterfaceOf(router, header)));
  packet.set_way(header.way == CaptureWay::kIn    ? "in"
                 : header.way == CaptureWay::kOut ? "out"
                                                  : "");
  std::string& all = *packet.mutable_bytes();
  if (header.link == CaptureLink::kMessage) {
    all = MessageHeaders(header, header.of_peer ? 0 : ListenPortOf(router, header.source));
  }
  packet.set_size(static_cast<std::uint32_t>(all.size()) + header.size);
  all.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (header.reason != CaptureHeader::kNotDropped) {
    const auto reason = static_cast<DropReason>(header.reason);
    packet.set_drop_reason(std::string(Name(reason)));
    packet.set_drop_text(std::string(Text(reason)));
  }
}

}  // namespace

v1::Response BeginCapture(Router& router, const v1::BeginCaptureRequest& request) {
  CaptureRule rule;
  rule.everywhere = request.ports().empty() && request.peers().empty();
  for (const std::string& name : request.ports()) {
    const auto port = ReadPortName(router, name);
    if (!port) return api::ErrorResponse(port.error());
    rule.ports.push_back(port.value());
  }
  for (const std::string& key : request.peers()) {
    const auto peer = ReadPeerKey(router, key);
    if (!peer) return api::ErrorResponse(peer.error());
    rule.peers.push_back(peer.value());
  }
  if (auto read = ReadMatch(request.match(), rule); !read) return api::ErrorResponse(read.error());
  if (request.snap_length() != 0) {
    rule.snap_length = std::min<std::uint32_t>(request.snap_length(), UINT16_MAX);
  }
  auto id = router.captures().Begin(std::move(rule));
  if (!id) return api::ErrorResponse(id.error());
  v1::Response response;
  response.mutable_begin_capture()->set_id(*id);
  return response;
}

v1::Response ReadCapture(Router& router, const v1::ReadCaptureRequest& request) {
  if (request.end()) {
    if (auto ended = router.captures().End(request.id()); !ended) {
      return api::ErrorResponse(ended.error());
    }
  }
  v1::Response response;
  v1::ReadCaptureResponse& answer = *response.mutable_read_capture();
  // Workers note monotonic times; the wall clock of now dates them.
  const std::int64_t to_wall =
      (router.clock().WallNow().time_since_epoch() - router.clock().Now().time_since_epoch())
          .count();
  auto progress = router.captures().Read(request.id(), kMaxAnswerBytes,
                                         [&](const CaptureHeader& header, ConstBytes bytes) {
                                           Describe(router, header, bytes, to_wall, answer);
                                         });
  if (!progress) return api::ErrorResponse(progress.error());
  std::stable_sort(answer.mutable_packets()->begin(), answer.mutable_packets()->end(),
                   [](const v1::CapturedPacket& a, const v1::CapturedPacket& b) {
                     return a.unix_ns() < b.unix_ns();
                   });
  answer.set_more(progress->more);
  answer.set_left_out(progress->left_out);
  return response;
}

}  // namespace vireo
