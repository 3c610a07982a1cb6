#include "dataplane/stage/capture_ring.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace vireo {

static_assert(std::is_trivially_copyable_v<CaptureHeader>);

void CaptureRing::Put(std::uint64_t position, const void* from, std::size_t size) {
  const std::size_t at = position % kBytes;
  const std::size_t first = std::min(size, kBytes - at);
  std::memcpy(memory_.get() + at, from, first);
  std::memcpy(memory_.get(), static_cast<const std::byte*>(from) + first, size - first);
}

void CaptureRing::Get(std::uint64_t position, void* to, std::size_t size) const {
  const std::size_t at = position % kBytes;
  const std::size_t first = std::min(size, kBytes - at);
  std::memcpy(to, memory_.get() + at, first);
  std::memcpy(static_cast<std::byte*>(to) + first, memory_.get(), size - first);
}

std::optional<std::uint64_t> CaptureRing::Append(const CaptureHeader& header, ConstBytes bytes) {
  const std::uint64_t used = written_ - tail_.load(std::memory_order_acquire);
  if (used + sizeof header + header.bytes > kBytes) {
    left_out_.store(left_out_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return std::nullopt;
  }
  const std::uint64_t position = written_;
  Put(position, &header, sizeof header);
  Put(position + sizeof header, bytes.data(), header.bytes);
  written_ += sizeof header + header.bytes;
  return position;
}

void CaptureRing::SetReason(std::uint64_t position, DropReason reason) {
  const auto value = static_cast<std::uint16_t>(reason);
  Put(position + offsetof(CaptureHeader, reason), &value, sizeof value);
}

bool CaptureRing::Read(CaptureHeader& header, std::vector<std::byte>& bytes) {
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (tail == head_.load(std::memory_order_acquire)) return false;
  Get(tail, &header, sizeof header);
  bytes.resize(header.bytes);
  Get(tail + sizeof header, bytes.data(), header.bytes);
  tail_.store(tail + sizeof header + header.bytes, std::memory_order_release);
  return true;
}

}  // namespace vireo
