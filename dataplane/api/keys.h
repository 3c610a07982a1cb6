// Keys as configuration and control interfaces carry them; their text is `wg`'s.
#pragma once

#include <array>
#include <cstddef>

#include "dataplane/base/secret.h"

namespace vireo::api {

inline constexpr std::size_t kKeySize = 32;
// Characters of a key in base64, padding included.
inline constexpr std::size_t kKeyBase64Size = 44;

using PublicKey = std::array<std::byte, kKeySize>;  // X25519 (RFC 7748 §5)
using PrivateKey = Secret<kKeySize>;
using PresharedKey = Secret<kKeySize>;  // all zero: none

}  // namespace vireo::api
