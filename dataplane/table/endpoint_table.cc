#include "dataplane/table/endpoint_table.h"

namespace vireo {

void EndpointTable::PutAddress(NetworkId network, const net::IpAddress& address,
                               const net::MacAddress& mac) {
  const std::byte* raw = address.span().data();
  if (address.is_v4()) {
    v4_.Put(KeyOfV4(network, raw), kHasMac | Word(mac));
  } else {
    v6_.Put(KeyOfV6(network, raw), kHasMac | Word(mac));
  }
}

void EndpointTable::RemoveAddress(NetworkId network, const net::IpAddress& address) {
  const std::byte* raw = address.span().data();
  if (address.is_v4()) {
    v4_.Remove(KeyOfV4(network, raw));
  } else {
    v6_.Remove(KeyOfV6(network, raw));
  }
}

}  // namespace vireo
