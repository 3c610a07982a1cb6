#include "dataplane/net/checksum.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vireo::net {
namespace {

using Sum = std::uint64_t (*)(std::byte* to, const std::byte* from, std::size_t size);

// Written for the compiler's vectorizer and compiled once for each instruction set below.
template <bool kCopy>
[[gnu::always_inline]] inline std::uint64_t SumWords(std::byte* __restrict to,
                                                     const std::byte* __restrict from,
                                                     std::size_t size) {
  std::uint64_t sum = 0;
  std::size_t i = 0;
  for (; i + 4 <= size; i += 4) {
    std::uint32_t word;
    std::memcpy(&word, from + i, 4);
    if constexpr (kCopy) std::memcpy(to + i, &word, 4);
    sum += word;
  }
  if (i < size) {
    std::uint32_t word = 0;
    std::memcpy(&word, from + i, size - i);
    if constexpr (kCopy) std::memcpy(to + i, from + i, size - i);
    sum += word;
  }
  return sum;
}

template <bool kCopy>
std::uint64_t SumBaseline(std::byte* to, const std::byte* from, std::size_t size) {
  return SumWords<kCopy>(to, from, size);
}

#if defined(__x86_64__)
template <bool kCopy>
[[gnu::target("avx2")]] std::uint64_t SumAvx2(std::byte* to, const std::byte* from,
                                              std::size_t size) {
  return SumWords<kCopy>(to, from, size);
}

// By hand, since masked loads spare the tail loop that short headers would mostly run in. Avoids
// the intrinsics whose inside g++ 12 takes for uninitialized (GCC bug 105593).
template <bool kCopy>
[[gnu::target("avx512f,avx512bw,bmi2")]] std::uint64_t SumAvx512(std::byte* to,
                                                                 const std::byte* from,
                                                                 std::size_t size) {
  const __m512i low = _mm512_set1_epi64(0xffffffff);
  __m512i even = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();
  std::size_t i = 0;
  for (; i + 64 <= size; i += 64) {
    const __m512i words = _mm512_loadu_si512(from + i);
    if constexpr (kCopy) _mm512_storeu_si512(to + i, words);
    even = _mm512_add_epi64(even, _mm512_and_si512(words, low));
    odd = _mm512_add_epi64(odd, _mm512_maskz_srli_epi64(0xff, words, 32));
  }
  if (i < size) {
    const __mmask64 mask = _bzhi_u64(~0ull, static_cast<unsigned>(size - i));
    const __m512i words = _mm512_maskz_loadu_epi8(mask, from + i);
    if constexpr (kCopy) _mm512_mask_storeu_epi8(to + i, mask, words);
    even = _mm512_add_epi64(even, _mm512_and_si512(words, low));
    odd = _mm512_add_epi64(odd, _mm512_maskz_srli_epi64(0xff, words, 32));
  }
  alignas(64) std::uint64_t lanes[8];
  _mm512_store_si512(lanes, _mm512_add_epi64(even, odd));
  std::uint64_t sum = 0;
  for (const std::uint64_t lane : lanes) sum += lane;
  return sum;
}
#endif

template <bool kCopy>
Sum Choose() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2")) {
    return SumAvx512<kCopy>;
  }
  if (__builtin_cpu_supports("avx2")) return SumAvx2<kCopy>;
#endif
  return SumBaseline<kCopy>;
}

const Sum kSum = Choose<false>();
const Sum kCopyAndSum = Choose<true>();

std::uint16_t Fold(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

Be16 FromRaw(std::uint16_t memory_order) { return std::bit_cast<Be16>(memory_order); }

}  // namespace

InternetSum& InternetSum::Add(ConstBytes bytes) {
  sum_ += kSum(nullptr, bytes.data(), bytes.size());
  return *this;
}

InternetSum& InternetSum::AddCopy(std::byte* to, ConstBytes from) {
  sum_ += kCopyAndSum(to, from.data(), from.size());
  return *this;
}

Be16 InternetSum::Folded() const { return FromRaw(Fold(sum_)); }

Be16 InternetSum::Checksum() const { return FromRaw(static_cast<std::uint16_t>(~Fold(sum_))); }

Be16 InternetSum::UdpChecksum() const {
  const Be16 checksum = Checksum();
  return checksum.raw() == 0 ? FromRaw(0xffff) : checksum;
}

InternetSum PseudoHeader(const Ipv4Header& ip, std::uint8_t protocol, std::uint32_t length) {
  InternetSum sum;
  sum.Add(ip.source).Add(ip.destination).Add(Be32(protocol)).Add(Be32(length));
  return sum;
}

InternetSum PseudoHeader(const Ipv6Header& ip, std::uint8_t protocol, std::uint32_t length) {
  InternetSum sum;
  sum.Add(ConstBytes(reinterpret_cast<const std::byte*>(ip.source), 32));
  sum.Add(Be32(protocol)).Add(Be32(length));
  return sum;
}

void SetIpv4Checksum(Ipv4Header* ip) {
  ip->checksum = 0;
  InternetSum sum;
  sum.Add(ConstBytes(reinterpret_cast<const std::byte*>(ip), ip->header_bytes()));
  ip->checksum = sum.Checksum();
}

}  // namespace vireo::net
