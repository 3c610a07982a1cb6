#include "perf/lab/udp_trial.h"

#include <algorithm>
#include <optional>
#include <thread>

namespace vireo::lab {
namespace {

using namespace std::chrono_literals;

Result<UdpSender> OpenSender(const UdpPath& path, const UdpSendOptions& options) {
  const Result<NamespaceScope> scope = NamespaceScope::Enter(path.send_namespace);
  if (!scope) return scope.error();
  return UdpSender::Open(options);
}

Result<UdpReceiver> OpenReceiver(const UdpPath& path, const UdpReceiveOptions& options) {
  const Result<NamespaceScope> scope = NamespaceScope::Enter(path.receive_namespace);
  if (!scope) return scope.error();
  return UdpReceiver::Open(options);
}

}  // namespace

Trial UdpTrial::Outcome(std::uint64_t asked) const {
  Trial outcome{.asked = asked, .sent_pps = sent.pps()};
  if (sent.packets == 0) {
    outcome.loss = 1;
    return outcome;
  }
  const auto came = static_cast<double>(std::min(received.received(), sent.packets));
  const double share = came / static_cast<double>(sent.packets);
  outcome.received_pps = outcome.sent_pps * share;
  outcome.loss = 1 - share;
  return outcome;
}

Result<UdpTrial> RunUdpTrial(const UdpPath& path, const UdpSendOptions& send) {
  Result<UdpSender> sender = OpenSender(path, send);
  if (!sender) return sender.error();
  Result<UdpReceiver> receiver = OpenReceiver(path, {.at = send.to,
                                                     .limit = send.duration + 500ms,
                                                     .coalesce = path.coalesce,
                                                     .run = sender->run()});
  if (!receiver) return receiver.error();
  std::optional<Result<UdpReceiveResult>> received;
  std::thread receiving([&] { received.emplace(receiver->Run()); });
  Result<UdpSendResult> sent = sender->Run();
  receiving.join();
  if (!sent) return sent.error();
  if (!received->ok()) return received->error();
  return UdpTrial{sent.value(), std::move(received->value())};
}

Result<UdpSearchResult> SearchUdpRate(const UdpPath& path, const UdpSendOptions& send,
                                      const RateSearch::Options& options) {
  UdpSearchResult result{RateSearch(options), {}};
  while (const auto rate = result.search.Next()) {
    std::this_thread::sleep_for(50ms);
    UdpSendOptions at_rate = send;
    at_rate.rate = *rate;
    Result<UdpTrial> trial = RunUdpTrial(path, at_rate);
    if (!trial) return trial.error();
    result.search.Report(trial->Outcome(*rate));
    result.trials.push_back(std::move(*trial));
  }
  return result;
}

}  // namespace vireo::lab
