// Aead's backends: time a packet, sealing and opening, by suite, size, burst and number of keys.
// With 1000 keys each packet's is a random one: what a router with as many busy peers pays at
// least.
//
//   aead_bench --benchmark_filter=libipsec-mb/aes256gcm
#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dataplane/crypto/aead.h"
#include "perf/bench/packet_pool.h"

namespace vireo::bench {
namespace {

enum class Op { kSeal, kOpen };

class Burst {
 public:
  Burst(CipherSuite suite, std::uint32_t length, std::size_t keys) {
    keys_.reserve(keys);
    for (std::size_t i = 0; i < keys; ++i) {
      const std::array<std::byte, kAeadKeySize> key{static_cast<std::byte>(i),
                                                    static_cast<std::byte>(i >> 8)};
      keys_.push_back(std::make_unique<AeadKey>(suite, key));
    }
    for (std::size_t i = 0; i < kPackets; ++i)
      jobs_[i] = {nullptr, i, pool_.payload(i), length, false};
    PickKeys();
  }

  // Other keys for all packets; they must be opened with those that sealed them.
  void PickKeys() {
    std::uniform_int_distribution<std::size_t> any(0, keys_.size() - 1);
    for (AeadJob& job : jobs_) job.key = keys_[any(random_)].get();
  }

  void Run(Aead& aead, Op op, std::size_t burst) {
    for (std::size_t i = 0; i < kPackets; i += burst) {
      const std::span<AeadJob> jobs(jobs_.data() + i, std::min(burst, kPackets - i));
      op == Op::kSeal ? aead.SealBurst(jobs) : aead.OpenBurst(jobs);
    }
  }

  [[nodiscard]] bool AllOk() const {
    return std::all_of(jobs_.begin(), jobs_.end(), [](const AeadJob& job) { return job.ok; });
  }

 private:
  PacketPool pool_;
  std::vector<std::unique_ptr<AeadKey>> keys_;
  std::minstd_rand random_;
  std::array<AeadJob, kPackets> jobs_;
};

void Bench(benchmark::State& state, AeadBackend backend, CipherSuite suite, Op op) {
  const std::unique_ptr<Aead> aead = MakeAead(backend);
  if (aead == nullptr) {
    state.SkipWithError("this CPU lacks what the backend needs");
    return;
  }
  Burst packets(suite, static_cast<std::uint32_t>(state.range(0)),
                static_cast<std::size_t>(state.range(2)));
  const auto burst = static_cast<std::size_t>(state.range(1));
  bool ok = true;
  MeasurePackets(
      state,
      [&] {
        packets.PickKeys();
        if (op == Op::kOpen) packets.Run(*aead, Op::kSeal, burst);
      },
      [&] {
        packets.Run(*aead, op, burst);
        if (op == Op::kOpen) ok &= packets.AllOk();
      });
  if (!ok) state.SkipWithError("a tag did not match");
}

void RegisterAll() {
  for (const AeadBackend backend : {AeadBackend::kIpsecMb, AeadBackend::kOpenssl}) {
    for (const CipherSuite suite : {CipherSuite::kChaCha20Poly1305, CipherSuite::kAes256Gcm}) {
      for (const Op op : {Op::kSeal, Op::kOpen}) {
        const std::string name =
            std::string(backend == AeadBackend::kIpsecMb ? "libipsec-mb/" : "openssl/") +
            std::string(Name(suite)) + (op == Op::kSeal ? "/seal" : "/open");
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { Bench(state, backend, suite, op); })
            ->ArgNames({"bytes", "burst", "keys"})
            ->ArgsProduct({{64, 512, 1400}, {1, 4, 16, 32, 64}, {1, 64, 1000}})
            ->UseManualTime()
            ->Iterations(2000);
      }
    }
  }
}

}  // namespace
}  // namespace vireo::bench

int main(int argc, char** argv) {
  vireo::bench::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
