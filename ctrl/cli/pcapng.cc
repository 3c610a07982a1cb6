#include "ctrl/cli/pcapng.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vireo::cli {
namespace {

// Block types, §4.
constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kInterfaceStatistics = 5;
constexpr std::uint32_t kEnhancedPacket = 6;

constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;

// Options, §3.5 and those of each block.
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kInterfaceName = 2, kInterfaceDescription = 3, kTimeResolution = 9;
constexpr std::uint16_t kPacketFlags = 2;
constexpr std::uint16_t kReceived = 4, kDropped = 5;  // isb_ifrecv, isb_ifdrop
constexpr std::uint16_t kUserApplication = 4;

template <typename T>
std::string_view AsText(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

PcapngWriter::PcapngWriter(std::string_view program) {
  BeginBlock(kSectionHeader);
  Put(kByteOrderMagic);
  Put(std::uint16_t{1});  // version 1.0
  Put(std::uint16_t{0});
  Put(std::int64_t{-1});  // length of the section: not known yet
  PutOption(kUserApplication, program);
  EndBlock();
}

template <typename T>
void PcapngWriter::Put(T value) {
  out_ += AsText(value);
}

void PcapngWriter::PutTime(std::int64_t unix_ns) {
  const auto time = static_cast<std::uint64_t>(unix_ns);
  Put(static_cast<std::uint32_t>(time >> 32));
  Put(static_cast<std::uint32_t>(time));
}

void PcapngWriter::PutPadded(std::string_view bytes) {
  out_ += bytes;
  out_.append((4 - bytes.size() % 4) % 4, '\0');
}

void PcapngWriter::PutOption(std::uint16_t code, std::string_view value) {
  value = value.substr(0, UINT16_MAX);
  Put(code);
  Put(static_cast<std::uint16_t>(value.size()));
  PutPadded(value);
}

void PcapngWriter::BeginBlock(std::uint32_t type) {
  block_ = out_.size();
  Put(type);
  Put(std::uint32_t{0});  // its length, when it is known
}

void PcapngWriter::EndBlock() {
  Put(kEndOfOptions);
  Put(std::uint16_t{0});
  const auto length = static_cast<std::uint32_t>(out_.size() - block_ + sizeof(std::uint32_t));
  std::memcpy(out_.data() + block_ + sizeof(std::uint32_t), &length, sizeof length);
  Put(length);
}

std::uint32_t PcapngWriter::AddInterface(std::string_view name, std::string_view description,
                                         LinkType link, std::uint32_t snap_length) {
  BeginBlock(kInterface);
  Put(link);
  Put(std::uint16_t{0});
  Put(snap_length);
  PutOption(kInterfaceName, name);
  if (!description.empty()) PutOption(kInterfaceDescription, description);
  PutOption(kTimeResolution, AsText(std::uint8_t{9}));  // 10^-9 s
  EndBlock();
  return interfaces_++;
}

void PcapngWriter::AddPacket(std::uint32_t interface, std::int64_t unix_ns, PacketWay way,
                             std::uint32_t size, std::string_view bytes, std::string_view comment) {
  BeginBlock(kEnhancedPacket);
  Put(interface);
  PutTime(unix_ns);
  Put(static_cast<std::uint32_t>(bytes.size()));
  Put(size);
  PutPadded(bytes);
  PutOption(kPacketFlags, AsText(way));
  if (!comment.empty()) PutOption(kComment, comment);
  EndBlock();
}

void PcapngWriter::AddStatistics(std::uint32_t interface, std::int64_t unix_ns,
                                 std::uint64_t written, std::uint64_t left_out,
                                 std::string_view comment) {
  BeginBlock(kInterfaceStatistics);
  Put(interface);
  PutTime(unix_ns);
  if (!comment.empty()) PutOption(kComment, comment);
  PutOption(kReceived, AsText(written));
  PutOption(kDropped, AsText(left_out));
  EndBlock();
}

std::string PcapngWriter::Take() { return std::exchange(out_, {}); }

}  // namespace vireo::cli
