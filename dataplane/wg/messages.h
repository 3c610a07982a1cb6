// WireGuard's messages as they lie on the wire (WireGuard paper §5.4): UDP payloads, every integer
// little-endian, no padding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/base/bytes.h"

namespace vireo::wg {

inline constexpr std::size_t kTagSize = 16;  // of every AEAD used
inline constexpr std::size_t kMacSize = 16;
inline constexpr std::size_t kCookieSize = 16;
inline constexpr std::size_t kCookieNonceSize = 24;
inline constexpr std::size_t kTai64nSize = 12;

// The type byte and three reserved zero bytes are read as one word, so a non-zero reserved byte
// makes an unknown type.
enum class MessageType : std::uint32_t {
  kInitiation = 1,
  kResponse = 2,
  kCookieReply = 3,
  kTransport = 4,
};

struct MessageHeader {
  Le32 type;
};

// The last 32 bytes of an initiation and of a response. mac1 covers everything before it, mac2
// everything before itself.
struct MessageMacs {
  std::array<std::byte, kMacSize> mac1;
  std::array<std::byte, kMacSize> mac2;
};

struct InitiationMessage {
  Le32 type;
  Le32 sender_index;
  std::array<std::byte, 32> ephemeral;
  std::array<std::byte, 32 + kTagSize> encrypted_static;
  std::array<std::byte, kTai64nSize + kTagSize> encrypted_timestamp;
  MessageMacs macs;
};

struct ResponseMessage {
  Le32 type;
  Le32 sender_index;
  Le32 receiver_index;
  std::array<std::byte, 32> ephemeral;
  std::array<std::byte, kTagSize> encrypted_nothing;
  MessageMacs macs;
};

struct CookieReplyMessage {
  Le32 type;
  Le32 receiver_index;
  std::array<std::byte, kCookieNonceSize> nonce;
  std::array<std::byte, kCookieSize + kTagSize> encrypted_cookie;
};

// Followed by the sealed inner packet (zero-padded to a multiple of 16) and its tag.
struct TransportHeader {
  Le32 type;
  Le32 receiver_index;
  Le64 counter;
};

inline constexpr std::size_t kInitiationSize = 148;
inline constexpr std::size_t kResponseSize = 92;
inline constexpr std::size_t kCookieReplySize = 64;
inline constexpr std::size_t kTransportHeaderSize = 16;
inline constexpr std::size_t kTransportMinSize = kTransportHeaderSize + kTagSize;  // a keepalive
static_assert(sizeof(InitiationMessage) == kInitiationSize && alignof(InitiationMessage) == 1);
static_assert(sizeof(ResponseMessage) == kResponseSize && alignof(ResponseMessage) == 1);
static_assert(sizeof(CookieReplyMessage) == kCookieReplySize && alignof(CookieReplyMessage) == 1);
static_assert(sizeof(TransportHeader) == kTransportHeaderSize && alignof(TransportHeader) == 1);

// The type of a message whose size fits that type; kNone for everything else.
enum class MessageKind : std::uint8_t { kNone, kInitiation, kResponse, kCookieReply, kTransport };
[[nodiscard]] inline MessageKind Classify(ConstBytes message) {
  if (message.size() < sizeof(MessageHeader)) return MessageKind::kNone;
  const auto* header = reinterpret_cast<const MessageHeader*>(message.data());
  const auto kind_if = [](bool fits, MessageKind kind) { return fits ? kind : MessageKind::kNone; };
  switch (static_cast<MessageType>(header->type.value())) {
    case MessageType::kInitiation:
      return kind_if(message.size() == kInitiationSize, MessageKind::kInitiation);
    case MessageType::kResponse:
      return kind_if(message.size() == kResponseSize, MessageKind::kResponse);
    case MessageType::kCookieReply:
      return kind_if(message.size() == kCookieReplySize, MessageKind::kCookieReply);
    case MessageType::kTransport:
      return kind_if(message.size() >= kTransportMinSize, MessageKind::kTransport);
  }
  return MessageKind::kNone;
}

}  // namespace vireo::wg
