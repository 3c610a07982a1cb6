// Which routers may have a tenant network.
#pragma once

#include <optional>
#include <string>

#include "dataplane/slow/tenant_objects.h"

namespace vireo {

// The rule of the network that keeps the router from having it, for a person: "country PL is not
// in network 7's list HR, DE"; nullopt: it may. Fail-closed: a country or provider that is not
// known is in no list. The claim is about our own routers, not about the carriers beneath.
[[nodiscard]] std::optional<std::string> RefusalOf(const NetworkSpec& network,
                                                   const RouterSpec& router);

// The same for the suite of the tunnel to a router; nullopt for `suite`: not known.
[[nodiscard]] std::optional<std::string> RefusalOf(const NetworkSpec& network,
                                                   std::optional<CipherSuite> suite);

}  // namespace vireo
