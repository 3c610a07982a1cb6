// Aead over libipsec-mb.
//
// Theory of operation: each suite uses the library's fastest interface (docs/performance.md,
// "Choosing libipsec-mb's interface"): AES-GCM the direct call, one packet after the other,
// ChaCha20-Poly1305 the unchecked burst. So a burst of mixed suites is one walk that calls AES-GCM
// at once and fills a library job for each ChaCha20-Poly1305 packet, and one submission of those
// jobs.
//
// Every field of a job is written for every packet: leaving the constant ones from the time before
// saved nothing that could be measured.
//
// The library never compares tags. It writes the computed tag where it is told: in the packet when
// sealing, in scratch when opening.
//
// Thread safety: an object belongs to one thread. Key schedules come from functions of a
// process-wide manager that keep no state.
//
// Invariant: no job is in flight between calls.
#include <intel-ipsec-mb.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <new>

#include "dataplane/crypto/aead_backend.h"

namespace vireo {
namespace {

struct FreeManager {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, FreeManager>;

// nullptr if the CPU lacks AVX2, AES-NI or PCLMULQDQ.
Manager MakeManager() {
  constexpr std::uint64_t kNeeded = IMB_FEATURE_AVX2 | IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  Manager manager(alloc_mb_mgr(0));
  if (manager == nullptr || (manager->features & kNeeded) != kNeeded) return nullptr;
  IMB_ARCH arch;
  init_mb_mgr_auto(manager.get(), &arch);
  return imb_get_errno(manager.get()) == 0 ? std::move(manager) : nullptr;
}

IMB_MGR* KeyExpander() {
  static const Manager manager = MakeManager();
  return manager.get();
}

constexpr std::align_val_t kScheduleAlignment{64};

// Brings in the lines of a GCM schedule that `length` bytes of text use: the round keys in front,
// and from the back as many hash key powers as there are blocks, up to the 48 of the widest code.
void PrefetchGcmSchedule(const void* schedule, std::size_t length) {
  constexpr std::size_t kLine = 64, kBlock = 16, kRoundKeys = 15 * kBlock, kPowers = 48;
  const auto* at = static_cast<const std::byte*>(schedule);
  const std::size_t powers = std::min(length / kBlock + 2, kPowers);
  const std::size_t end = kRoundKeys + kPowers * kBlock;
  for (std::size_t line = 0; line < kRoundKeys; line += kLine) __builtin_prefetch(at + line);
  for (std::size_t line = end - powers * kBlock; line < end; line += kLine) {
    __builtin_prefetch(at + line);
  }
}

}  // namespace

void* ExpandGcmSchedule(std::span<const std::byte, kAeadKeySize> key) {
  IMB_MGR* const manager = KeyExpander();
  if (manager == nullptr) return nullptr;
  void* const memory = ::operator new(sizeof(gcm_key_data), kScheduleAlignment);
  auto* const schedule = new (memory) gcm_key_data;
  IMB_AES256_GCM_PRE(manager, key.data(), schedule);
  return schedule;
}

void FreeGcmSchedule(void* schedule) {
  if (schedule == nullptr) return;
  SecureZero(schedule, sizeof(gcm_key_data));
  ::operator delete(schedule, kScheduleAlignment);
}

namespace {

enum class Direction { kSeal, kOpen };

class IpsecMbAead final : public PacketAead {
 public:
  explicit IpsecMbAead(Manager manager) : manager_(std::move(manager)) {}

  void SealBurst(std::span<AeadJob> jobs) override { Run<Direction::kSeal>(jobs); }
  void OpenBurst(std::span<AeadJob> jobs) override {
    Run<Direction::kOpen>(jobs);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      jobs[i].ok = TagMatches(tags_[i], jobs[i].data + jobs[i].length);
    }
  }
  [[nodiscard]] std::string_view name() const override { return "libipsec-mb"; }

  void SealPacket(const AeadKey& key, const AeadNonce& nonce, ConstBytes additional,
                  MutableBytes data) override {
    RunPacket<Direction::kSeal>(key, nonce, additional, data);
  }
  bool OpenPacket(const AeadKey& key, const AeadNonce& nonce, ConstBytes additional,
                  MutableBytes data) override {
    RunPacket<Direction::kOpen>(key, nonce, additional, data);
    return TagMatches(tags_[0], data.last<kAeadTagSize>().data());
  }

 private:
  template <Direction kDirection>
  [[nodiscard]] std::uint8_t* TagOutput(std::byte* data, std::size_t length, std::size_t i) {
    return kDirection == Direction::kSeal ? reinterpret_cast<std::uint8_t*>(data + length)
                                          : reinterpret_cast<std::uint8_t*>(&tags_[i]);
  }

  template <Direction kDirection>
  void RunGcm(const AeadJob& job, const AeadNonce& nonce, ConstBytes additional, std::size_t i) {
    const auto call = kDirection == Direction::kSeal ? manager_->gcm256_enc : manager_->gcm256_dec;
    auto* const text = reinterpret_cast<std::uint8_t*>(job.data);
    call(static_cast<const gcm_key_data*>(job.key->gcm_schedule()), &gcm_context_, text, text,
         job.length, nonce.bytes(), Raw(additional), additional.size(),
         TagOutput<kDirection>(job.data, job.length, i), kAeadTagSize);
  }

  template <Direction kDirection>
  void FillChaCha(IMB_JOB& out, const AeadJob& job, const AeadNonce& nonce, ConstBytes additional,
                  std::size_t i) {
    constexpr bool kSeal = kDirection == Direction::kSeal;
    out.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    out.hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    out.cipher_direction = kSeal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    out.chain_order = kSeal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    out.enc_keys = job.key->raw().data();
    out.dec_keys = out.enc_keys;
    out.key_len_in_bytes = kAeadKeySize;
    out.iv = nonce.bytes();
    out.iv_len_in_bytes = AeadNonce::kSize;
    out.src = reinterpret_cast<const std::uint8_t*>(job.data);
    out.dst = reinterpret_cast<std::uint8_t*>(job.data);
    out.cipher_start_src_offset_in_bytes = 0;
    out.msg_len_to_cipher_in_bytes = job.length;
    out.hash_start_src_offset_in_bytes = 0;
    out.msg_len_to_hash_in_bytes = job.length;
    out.u.CHACHA20_POLY1305.aad = Raw(additional);
    out.u.CHACHA20_POLY1305.aad_len_in_bytes = additional.size();
    out.auth_tag_output = TagOutput<kDirection>(job.data, job.length, i);
    out.auth_tag_output_len_in_bytes = kAeadTagSize;
  }

  // The library may complete jobs in any order and keep some back; all are done on return.
  void SubmitChaCha(IMB_JOB** jobs, std::uint32_t count) {
    std::uint32_t done = IMB_SUBMIT_BURST_NOCHECK(manager_.get(), count, jobs);
    while (done < count) {
      const std::uint32_t flushed = IMB_FLUSH_BURST(manager_.get(), count - done, jobs);
      if (flushed == 0) std::abort();  // a lost job would be a packet sent in the clear
      done += flushed;
    }
  }

  // Of a job that comes up, if it does not share its key with the one before.
  static constexpr std::size_t kAhead = 3;
  static void PrefetchSchedule(std::span<const AeadJob> jobs, std::size_t i) {
    if (i >= jobs.size() || jobs[i].key == jobs[i - 1].key) return;
    const void* const schedule = jobs[i].key->gcm_schedule();
    if (schedule != nullptr) PrefetchGcmSchedule(schedule, jobs[i].length);
  }

  template <Direction kDirection>
  void Run(std::span<AeadJob> jobs) {
    assert(jobs.size() <= kMaxBurst);
    std::uint32_t chacha = 0;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const CipherSuite suite = jobs[i].key->suite();
      nonces_[i] = AeadNonce(suite, jobs[i].counter);
      chacha += suite == CipherSuite::kChaCha20Poly1305;
    }
    IMB_JOB* slots[kMaxBurst];
    if (chacha != 0) IMB_GET_NEXT_BURST(manager_.get(), chacha, slots);
    IMB_JOB** slot = slots;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      PrefetchSchedule(jobs, i + kAhead);
      if (jobs[i].key->suite() == CipherSuite::kAes256Gcm) {
        RunGcm<kDirection>(jobs[i], nonces_[i], {}, i);
      } else {
        FillChaCha<kDirection>(**slot++, jobs[i], nonces_[i], {}, i);
      }
    }
    if (chacha != 0) SubmitChaCha(slots, chacha);
  }

  template <Direction kDirection>
  void RunPacket(const AeadKey& key, const AeadNonce& nonce, ConstBytes additional,
                 MutableBytes data) {
    const auto length = static_cast<std::uint32_t>(data.size() - kAeadTagSize);
    const AeadJob job{&key, 0, data.data(), length, false};
    if (key.suite() == CipherSuite::kAes256Gcm) {
      RunGcm<kDirection>(job, nonce, additional, 0);
      return;
    }
    IMB_JOB* slot;
    IMB_GET_NEXT_BURST(manager_.get(), 1, &slot);
    FillChaCha<kDirection>(*slot, job, nonce, additional, 0);
    SubmitChaCha(&slot, 1);
  }

  Manager manager_;
  gcm_context_data gcm_context_;
  std::array<AeadNonce, kMaxBurst> nonces_;
  std::array<AeadTag, kMaxBurst> tags_;
};

}  // namespace

std::unique_ptr<PacketAead> MakeIpsecMbAead() {
  if (KeyExpander() == nullptr) return nullptr;
  Manager manager = MakeManager();
  if (manager == nullptr) return nullptr;
  return std::make_unique<IpsecMbAead>(std::move(manager));
}

}  // namespace vireo
