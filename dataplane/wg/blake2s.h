// BLAKE2s (RFC 7693), and HMAC and HKDF over it (RFC 2104; Noise §4.3).
#pragma once

#include <array>
#include <initializer_list>

#include "dataplane/base/bytes.h"
#include "dataplane/base/secret.h"

namespace vireo::wg {

inline constexpr std::size_t kHashSize = 32;
using Hash = std::array<std::byte, kHashSize>;

// The hash of all parts, one after the other.
[[nodiscard]] Hash Blake2s(std::initializer_list<ConstBytes> parts);

// BLAKE2s' own keyed mode, out.size() bytes long (1 to 32). The key is 1 to 32 bytes.
void Blake2sMac(ConstBytes key, std::initializer_list<ConstBytes> parts, MutableBytes out);

// HMAC with BLAKE2s-256. The key is at most 64 bytes.
void HmacBlake2s(ConstBytes key, std::initializer_list<ConstBytes> parts,
                 std::span<std::byte, kHashSize> out);

// Noise's HKDF with two or three outputs, each kHashSize bytes. Outputs may be the chaining key.
void Hkdf2(ConstBytes chaining_key, ConstBytes input, std::span<std::byte, kHashSize> first,
           std::span<std::byte, kHashSize> second);
void Hkdf3(ConstBytes chaining_key, ConstBytes input, std::span<std::byte, kHashSize> first,
           std::span<std::byte, kHashSize> second, std::span<std::byte, kHashSize> third);

}  // namespace vireo::wg
