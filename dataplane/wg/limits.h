// WireGuard's constants (WireGuard paper §6.1; Linux and wireguard-go where they differ).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "dataplane/base/clock.h"

namespace vireo::wg {

using namespace std::chrono_literals;

inline constexpr Duration kRekeyAfterTime = 120s;
inline constexpr Duration kRejectAfterTime = 180s;
inline constexpr Duration kRekeyTimeout = 5s;
inline constexpr Duration kRekeyTimeoutJitterMax = 333ms;
inline constexpr Duration kRekeyAttemptTime = 90s;
inline constexpr Duration kKeepaliveTimeout = 10s;
// Only the initiator, once, when it receives on a session this old.
inline constexpr Duration kRekeyOnReceiveAfterTime =
    kRejectAfterTime - kKeepaliveTimeout - kRekeyTimeout;  // 165 s
inline constexpr Duration kZeroKeysAfterTime = 3 * kRejectAfterTime;
inline constexpr Duration kCookieSecretMaxAge = 120s;
inline constexpr Duration kCookieLatency = 5s;
inline constexpr Duration kInitiationMinInterval = 20ms;
inline constexpr Duration kUnderLoadAfterglow = 1s;

// The lower of Linux's and wireguard-go's limits: no counter at or past it is sent or accepted.
inline constexpr std::uint64_t kRejectAfterMessages = UINT64_MAX - (1u << 13);
inline constexpr std::uint64_t kRekeyAfterMessages = std::uint64_t{1} << 60;
// aes256gcm: keeps GCM's confidentiality bound comfortable at any packet size.
inline constexpr std::uint64_t kRekeyAfterMessagesAesGcm = std::uint64_t{1} << 32;

inline constexpr std::size_t kMaxStagedPackets = 128;
inline constexpr std::size_t kPaddingMultiple = 16;

}  // namespace vireo::wg
