#include "dataplane/base/encoding.h"

#include <array>

namespace vireo {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

}  // namespace

std::string ToHex(ConstBytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

bool FromHex(std::string_view text, MutableBytes out) {
  if (text.size() != out.size() * 2) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = HexValue(text[2 * i]);
    const int low = HexValue(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::byte>(high << 4 | low);
  }
  return true;
}

std::string ToBase64(ConstBytes bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t take = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < take ? std::to_integer<unsigned>(bytes[i + j]) : 0);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= take ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

bool FromBase64(std::string_view text, MutableBytes out) {
  if (text.size() != (out.size() + 2) / 3 * 4) return false;
  for (std::size_t i = 0; i < out.size(); i += 3) {
    const std::size_t take = std::min<std::size_t>(3, out.size() - i);
    unsigned group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const char c = text[i / 3 * 4 + j];
      const int value = j <= take ? Base64Value(c) : (c == '=' ? 0 : -1);
      if (value < 0) return false;
      group = group << 6 | static_cast<unsigned>(value);
    }
    for (std::size_t j = 0; j < 3; ++j) {
      const auto byte = static_cast<std::byte>(group >> (16 - 8 * j) & 255);
      if (j < take) {
        out[i + j] = byte;
      } else if (byte != std::byte{0}) {
        return false;  // bits past the end must be zero, so that a key has one spelling
      }
    }
  }
  return true;
}

}  // namespace vireo
