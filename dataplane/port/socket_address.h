// UDP endpoints as the kernel's socket addresses, and back.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "dataplane/net/address.h"

namespace vireo {

union SocketAddress {
  sockaddr base;
  sockaddr_in v4;
  sockaddr_in6 v6;

  // REQUIRES: endpoint.IsSet().
  static SocketAddress From(const net::UdpEndpoint& endpoint) {
    SocketAddress address{};
    if (endpoint.address.is_v4()) {
      address.v4.sin_family = AF_INET;
      address.v4.sin_port = htons(endpoint.port);
      std::memcpy(&address.v4.sin_addr, endpoint.address.bytes.data(), 4);
    } else {
      address.v6.sin6_family = AF_INET6;
      address.v6.sin6_port = htons(endpoint.port);
      address.v6.sin6_scope_id = endpoint.scope;
      std::memcpy(&address.v6.sin6_addr, endpoint.address.bytes.data(), 16);
    }
    return address;
  }

  // Not set if the address is of neither family.
  [[nodiscard]] net::UdpEndpoint ToEndpoint() const {
    net::UdpEndpoint endpoint;
    if (base.sa_family == AF_INET) {
      endpoint.address.family = net::Family::kIpv4;
      endpoint.port = ntohs(v4.sin_port);
      std::memcpy(endpoint.address.bytes.data(), &v4.sin_addr, 4);
    } else if (base.sa_family == AF_INET6) {
      endpoint.address.family = net::Family::kIpv6;
      endpoint.port = ntohs(v6.sin6_port);
      endpoint.scope = v6.sin6_scope_id;
      std::memcpy(endpoint.address.bytes.data(), &v6.sin6_addr, 16);
    }
    return endpoint;
  }

  [[nodiscard]] socklen_t size() const { return base.sa_family == AF_INET ? sizeof v4 : sizeof v6; }
};

}  // namespace vireo
