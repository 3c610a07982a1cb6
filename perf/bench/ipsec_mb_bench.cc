// The interfaces that libipsec-mb offers for the two cipher suites, beside each other: the figures
// behind "Choosing libipsec-mb's interface" in docs/performance.md.
//
//   ipsec_mb_bench --benchmark_filter=aes256gcm/seal/64
#include <intel-ipsec-mb.h>

#include <array>
#include <string>

#include "dataplane/crypto/aead.h"
#include "perf/bench/packet_pool.h"

namespace vireo::bench {
namespace {

enum class Interface { kJob, kJobNoCheck, kBurst, kBurstNoCheck, kDirect };
enum class Op { kSeal, kOpen };

constexpr Interface kInterfaces[] = {Interface::kJob, Interface::kJobNoCheck, Interface::kBurst,
                                     Interface::kBurstNoCheck, Interface::kDirect};

const char* Name(Interface interface) {
  switch (interface) {
    case Interface::kJob:
      return "job";
    case Interface::kJobNoCheck:
      return "job_nocheck";
    case Interface::kBurst:
      return "burst";
    case Interface::kBurstNoCheck:
      return "burst_nocheck";
    case Interface::kDirect:
      return "direct";
  }
  return "";
}

struct Packet {
  std::uint8_t* payload;
  std::uint32_t length;
  std::array<std::uint8_t, 12> nonce;
  std::array<std::uint8_t, kAeadTagSize> computed_tag;
};

class Runner {
 public:
  Runner(CipherSuite suite, std::uint32_t length) : suite_(suite) {
    IMB_ARCH arch;
    init_mb_mgr_auto(mgr_.get(), &arch);
    IMB_AES256_GCM_PRE(mgr_.get(), key_.data(), &gcm_key_);
    for (std::size_t i = 0; i < kPackets; ++i) {
      packets_[i].payload = reinterpret_cast<std::uint8_t*>(pool_.payload(i));
      packets_[i].length = length;
      packets_[i].nonce = {0, 0, 0, 0, static_cast<std::uint8_t>(i)};
    }
  }

  void Run(Interface interface, Op op, std::size_t burst) {
    for (std::size_t i = 0; i < kPackets; i += burst) {
      const std::span<Packet> packets(packets_.data() + i, std::min(burst, kPackets - i));
      switch (interface) {
        case Interface::kJob:
        case Interface::kJobNoCheck:
          RunJobs(packets, op, interface == Interface::kJob);
          break;
        case Interface::kBurst:
        case Interface::kBurstNoCheck:
          RunBurst(packets, op, interface == Interface::kBurst);
          break;
        case Interface::kDirect:
          suite_ == CipherSuite::kAes256Gcm ? RunGcmDirect(packets, op)
                                            : RunChaChaDirect(packets, op);
          break;
      }
      if (op == Op::kOpen) {
        for (const Packet& packet : packets) mismatches_ += !TagMatches(packet);
      }
    }
  }

  [[nodiscard]] std::size_t mismatches() const { return mismatches_; }

 private:
  struct FreeMgr {
    void operator()(IMB_MGR* mgr) const { free_mb_mgr(mgr); }
  };

  // Every field, as the library's own examples do.
  void Fill(IMB_JOB* job, Packet& packet, Op op) {
    const bool gcm = suite_ == CipherSuite::kAes256Gcm;
    const bool seal = op == Op::kSeal;
    job->cipher_mode = gcm ? IMB_CIPHER_GCM : IMB_CIPHER_CHACHA20_POLY1305;
    job->hash_alg = gcm ? IMB_AUTH_AES_GMAC : IMB_AUTH_CHACHA20_POLY1305;
    job->cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    job->chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->enc_keys = gcm ? static_cast<const void*>(&gcm_key_) : key_.data();
    job->dec_keys = job->enc_keys;
    job->key_len_in_bytes = key_.size();
    job->iv = packet.nonce.data();
    job->iv_len_in_bytes = packet.nonce.size();
    job->src = packet.payload;
    job->dst = packet.payload;
    job->cipher_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = packet.length;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = packet.length;
    job->auth_tag_output = seal ? packet.payload + packet.length : packet.computed_tag.data();
    job->auth_tag_output_len_in_bytes = kAeadTagSize;
    if (gcm) {
      job->u.GCM.aad = &no_aad_;
      job->u.GCM.aad_len_in_bytes = 0;
    } else {
      job->u.CHACHA20_POLY1305.aad = &no_aad_;
      job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
    }
  }

  void RunJobs(std::span<Packet> packets, Op op, bool check) {
    for (Packet& packet : packets) {
      Fill(IMB_GET_NEXT_JOB(mgr_.get()), packet, op);
      benchmark::DoNotOptimize(check ? IMB_SUBMIT_JOB(mgr_.get())
                                     : IMB_SUBMIT_JOB_NOCHECK(mgr_.get()));
    }
    while (IMB_FLUSH_JOB(mgr_.get()) != nullptr) {
    }
  }

  void RunBurst(std::span<Packet> packets, Op op, bool check) {
    IMB_JOB* jobs[kPackets];
    const auto count = static_cast<std::uint32_t>(packets.size());
    if (IMB_GET_NEXT_BURST(mgr_.get(), count, jobs) != count) std::abort();
    for (std::size_t i = 0; i < count; ++i) Fill(jobs[i], packets[i], op);
    std::uint32_t done = check ? IMB_SUBMIT_BURST(mgr_.get(), count, jobs)
                               : IMB_SUBMIT_BURST_NOCHECK(mgr_.get(), count, jobs);
    while (done < count) done += IMB_FLUSH_BURST(mgr_.get(), count - done, jobs);
  }

  void RunGcmDirect(std::span<Packet> packets, Op op) {
    gcm_context_data context;
    for (Packet& p : packets) {
      if (op == Op::kSeal) {
        IMB_AES256_GCM_ENC(mgr_.get(), &gcm_key_, &context, p.payload, p.payload, p.length,
                           p.nonce.data(), &no_aad_, 0, p.payload + p.length, kAeadTagSize);
      } else {
        IMB_AES256_GCM_DEC(mgr_.get(), &gcm_key_, &context, p.payload, p.payload, p.length,
                           p.nonce.data(), &no_aad_, 0, p.computed_tag.data(), kAeadTagSize);
      }
    }
  }

  void RunChaChaDirect(std::span<Packet> packets, Op op) {
    chacha20_poly1305_context_data context;
    for (Packet& p : packets) {
      IMB_CHACHA20_POLY1305_INIT(mgr_.get(), key_.data(), &context, p.nonce.data(), &no_aad_, 0);
      if (op == Op::kSeal) {
        IMB_CHACHA20_POLY1305_ENC_UPDATE(mgr_.get(), key_.data(), &context, p.payload, p.payload,
                                         p.length);
        IMB_CHACHA20_POLY1305_ENC_FINALIZE(mgr_.get(), &context, p.payload + p.length,
                                           kAeadTagSize);
      } else {
        IMB_CHACHA20_POLY1305_DEC_UPDATE(mgr_.get(), key_.data(), &context, p.payload, p.payload,
                                         p.length);
        IMB_CHACHA20_POLY1305_DEC_FINALIZE(mgr_.get(), &context, p.computed_tag.data(),
                                           kAeadTagSize);
      }
    }
  }

  static bool TagMatches(const Packet& packet) {
    return std::memcmp(packet.payload + packet.length, packet.computed_tag.data(), kAeadTagSize) ==
           0;
  }

  std::unique_ptr<IMB_MGR, FreeMgr> mgr_{alloc_mb_mgr(0)};
  PacketPool pool_;
  std::array<Packet, kPackets> packets_{};
  std::array<std::uint8_t, kAeadKeySize> key_{1, 2, 3};
  gcm_key_data gcm_key_;
  std::size_t mismatches_ = 0;
  CipherSuite suite_;
  std::uint8_t no_aad_ = 0;
};

void Bench(benchmark::State& state, Interface interface, CipherSuite suite, Op op) {
  Runner runner(suite, static_cast<std::uint32_t>(state.range(0)));
  const auto burst = static_cast<std::size_t>(state.range(1));
  MeasurePackets(
      state,
      [&] {
        if (op == Op::kOpen) runner.Run(interface, Op::kSeal, burst);
      },
      [&] { runner.Run(interface, op, burst); });
  if (runner.mismatches() != 0) state.SkipWithError("a tag did not match");
}

void RegisterAll() {
  for (const CipherSuite suite : {CipherSuite::kChaCha20Poly1305, CipherSuite::kAes256Gcm}) {
    for (const Op op : {Op::kSeal, Op::kOpen}) {
      for (const Interface interface : kInterfaces) {
        const std::string name = std::string(vireo::Name(suite)) +
                                 (op == Op::kSeal ? "/seal/" : "/open/") + Name(interface);
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { Bench(state, interface, suite, op); })
            ->ArgNames({"bytes", "burst"})
            ->ArgsProduct({{64, 512, 1400}, {1, 4, 16, 32, 64}})
            ->UseManualTime()
            ->Iterations(5000)
            ->ThreadRange(1, 2);
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
