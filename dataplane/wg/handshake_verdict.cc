#include "dataplane/wg/handshake_verdict.h"

#include <array>

namespace vireo::wg {

std::string_view Name(HandshakeVerdict verdict) {
  static constexpr std::array<std::string_view, kHandshakeVerdicts> kNames = {
#define X(constant, name, text) name,
      VIREO_HANDSHAKE_VERDICTS(X)
#undef X
  };
  return kNames[static_cast<std::size_t>(verdict)];
}

std::string_view Text(HandshakeVerdict verdict) {
  static constexpr std::array<std::string_view, kHandshakeVerdicts> kTexts = {
#define X(constant, name, text) text,
      VIREO_HANDSHAKE_VERDICTS(X)
#undef X
  };
  return kTexts[static_cast<std::size_t>(verdict)];
}

}  // namespace vireo::wg
