#include <map>

#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/json.h"
#include "ctrl/cli/table.h"
#include "ctrl/cli/units.h"
#include "dataplane/base/encoding.h"
#include "dataplane/net/address.h"

namespace vireo::cli {
namespace {

constexpr std::size_t kShownRouterKey = 12;  // characters, as in `vireo peers`

// All pages of a list in one. `prepare` makes the request for what comes after, `take` gives the
// answer's page.
template <typename List, typename Prepare, typename Take>
std::optional<List> AskPages(Dataplane& dataplane, Prepare prepare, Take take) {
  List all;
  std::uint64_t after = 0;
  do {
    v1::Request request;
    prepare(request, after);
    auto response = dataplane.Ask(request);
    if (!response) return std::nullopt;
    const List page = take(*response);
    after = page.next();
    all.MergeFrom(page);
  } while (after != 0);
  all.set_next(0);
  return all;
}

std::optional<v1::ListNetworksResponse> AskNetworks(Dataplane& dataplane) {
  return AskPages<v1::ListNetworksResponse>(
      dataplane,
      [](v1::Request& request, std::uint64_t after) {
        request.mutable_list_networks()->set_after(after);
      },
      [](v1::Response& response) { return std::move(*response.mutable_list_networks()); });
}

std::optional<v1::ListRoutersResponse> AskRouters(Dataplane& dataplane) {
  bool first = true;
  return AskPages<v1::ListRoutersResponse>(
      dataplane,
      [](v1::Request& request, std::uint64_t after) {
        request.mutable_list_routers()->set_after(after);
      },
      [&first](v1::Response& response) {
        v1::ListRoutersResponse page = std::move(*response.mutable_list_routers());
        if (!std::exchange(first, false)) page.clear_own();  // every page has it
        return page;
      });
}

std::optional<v1::ListEndpointsResponse> AskEndpoints(Dataplane& dataplane, std::uint32_t vni) {
  return AskPages<v1::ListEndpointsResponse>(
      dataplane,
      [vni](v1::Request& request, std::uint64_t after) {
        request.mutable_list_endpoints()->set_after(after);
        request.mutable_list_endpoints()->set_vni(vni);
      },
      [](v1::Response& response) { return std::move(*response.mutable_list_endpoints()); });
}

std::string AddressText(const std::string& bytes) {
  if (bytes.size() == 4) return net::IpAddress::V4(AsBytes(bytes)).ToString();
  if (bytes.size() == 16) return net::IpAddress::V6(AsBytes(bytes)).ToString();
  return "-";
}

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

template <typename Texts, typename ToText>
std::string Join(const Texts& texts, ToText to_text) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : " ") + to_text(text);
  return OrDash(all);
}

std::string SubnetText(const v1::Subnet& subnet) {
  return AddressText(subnet.address()) + "/" + std::to_string(subnet.length());
}

// What people call a router: its name, or the beginning of its key.
class RouterNames {
 public:
  explicit RouterNames(const v1::ListRoutersResponse& list) {
    for (const v1::Router& router : list.routers()) names_[router.public_key()] = router.name();
  }
  std::string operator()(const std::string& key) const {
    const auto it = names_.find(key);
    if (it != names_.end() && !it->second.empty()) return it->second;
    return ToBase64(AsBytes(key)).substr(0, kShownRouterKey);
  }

 private:
  std::map<std::string, std::string> names_;
};

// Where a network is: ports of this router, and other routers.
std::string Where(const v1::NetworkState& state, const RouterNames& names) {
  const std::string ports = Join(state.ports(), [](const std::string& port) { return port; });
  const std::string routers = Join(state.routers(), names);
  return (ports == "-" ? "" : "ports " + ports + (routers == "-" ? "" : ", ")) +
         (routers == "-" ? "" : "routers " + routers);
}

void PrintRouters(const Context& context, const v1::ListRoutersResponse& list) {
  const v1::OwnRouter& own = list.own();
  Table routers({{"ROUTER"}, {"KEY"}, {"VTEP"}, {"PROVIDER"}, {"COUNTRY"}, {"ENDPOINT"}});
  routers.Add({OrDash(own.name()), "(this router)", Join(own.vteps(), AddressText),
               OrDash(own.provider()), OrDash(own.country()), "-"});
  for (const v1::Router& router : list.routers()) {
    routers.Add({OrDash(router.name()),
                 ToBase64(AsBytes(router.public_key())).substr(0, kShownRouterKey),
                 AddressText(router.vtep()), OrDash(router.provider()), OrDash(router.country()),
                 OrDash(router.peer().endpoint())});
  }
  routers.Print(context.out(), context.environment.color);
}

}  // namespace

ExitCode ShowNetworks(const Context& context) {
  Dataplane dataplane(context);
  const auto list = AskNetworks(dataplane);
  if (!list) return dataplane.failure();
  if (context.json) {
    context.out() << ToJson(*list);
    return kOk;
  }
  Table table({{"NETWORK", Align::kRight},
               {"NAME"},
               {"TENANT"},
               {"KIND"},
               {"MTU", Align::kRight},
               {"SUBNETS"},
               {"PORTS", Align::kRight},
               {"ROUTERS", Align::kRight},
               {"ENDPOINTS", Align::kRight}});
  for (const v1::NetworkState& state : list->networks()) {
    const v1::Network& network = state.network();
    table.Add({std::to_string(network.vni()), OrDash(network.name()), OrDash(network.tenant()),
               network.kind(), std::to_string(network.mtu()), Join(network.subnets(), SubnetText),
               std::to_string(state.ports_size()), std::to_string(state.routers_size()),
               std::to_string(state.endpoints())});
  }
  table.Print(context.out(), context.environment.color);
  return kOk;
}

ExitCode ShowEndpoints(const Context& context, std::uint32_t vni) {
  Dataplane dataplane(context);
  const auto list = AskEndpoints(dataplane, vni);
  if (!list) return dataplane.failure();
  if (context.json) {
    context.out() << ToJson(*list);
    return kOk;
  }
  const auto routers = AskRouters(dataplane);
  if (!routers) return dataplane.failure();
  const RouterNames names(*routers);
  Table table(
      {{"NETWORK", Align::kRight}, {"MAC"}, {"PLACE"}, {"EPOCH", Align::kRight}, {"ADDRESSES"}});
  for (const v1::Endpoint& endpoint : list->endpoints()) {
    table.Add(
        {std::to_string(endpoint.vni()), MacText(endpoint.mac()),
         endpoint.has_port() ? "port " + endpoint.port() : "router " + names(endpoint.router()),
         std::to_string(endpoint.epoch()), Join(endpoint.addresses(), AddressText)});
  }
  table.Print(context.out(), context.environment.color);
  return kOk;
}

ExitCode ShowRoutes(const Context& context) {
  Dataplane dataplane(context);
  const auto routers = AskRouters(dataplane);
  if (!routers) return dataplane.failure();
  const auto networks = AskNetworks(dataplane);
  if (!networks) return dataplane.failure();
  if (context.json) {
    std::string first = ToJson(*routers);
    first.pop_back();  // the newline
    context.out() << "{\"routers\": " << first << ", \"networks\": " << ToJson(*networks) << "}\n";
    return kOk;
  }
  PrintRouters(context, *routers);
  context.out() << '\n';
  const RouterNames names(*routers);
  Table table({{"NETWORK", Align::kRight}, {"SUBNET"}, {"GATEWAY"}, {"WHERE"}});
  for (const v1::NetworkState& state : networks->networks()) {
    const std::string vni = std::to_string(state.network().vni());
    const std::string where = OrDash(Where(state, names));
    for (const v1::Subnet& subnet : state.network().subnets()) {
      table.Add({vni, SubnetText(subnet), AddressText(subnet.gateway()), where});
    }
    if (state.network().subnets().empty()) table.Add({vni, "-", "-", where});
  }
  table.Print(context.out(), context.environment.color);
  return kOk;
}

}  // namespace vireo::cli
