// Text forms of bytes: base64 as `wg` prints keys, hexadecimal as its UAPI sends them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dataplane/base/bytes.h"

namespace vireo {

[[nodiscard]] std::string ToHex(ConstBytes bytes);
// Decodes exactly out.size() bytes, upper or lower case; false leaves `out` unspecified.
[[nodiscard]] bool FromHex(std::string_view text, MutableBytes out);

// RFC 4648 §4 with padding. Decoding is strict: exactly out.size() bytes, canonical padding bits,
// no white space.
[[nodiscard]] std::string ToBase64(ConstBytes bytes);
[[nodiscard]] bool FromBase64(std::string_view text, MutableBytes out);

}  // namespace vireo
