// Writes pcapng (draft-ietf-opsawg-pcapng): a section header, interfaces, packets with comments,
// statistics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vireo::cli {

// https://www.tcpdump.org/linktypes.html
enum class LinkType : std::uint16_t {
  kEthernet = 1,
  kRaw = 101,  // IPv4 or IPv6, by the first four bits
};

// As epb_flags has them (§4.3.1).
enum class PacketWay : std::uint32_t { kUnknown = 0, kIn = 1, kOut = 2 };

// Makes blocks in this machine's byte order, which the section header tells. Whatever is taken out
// ends with a whole block, so a file of it can be read at any time.
class PcapngWriter {
 public:
  // `program`: who writes, for people.
  explicit PcapngWriter(std::string_view program);

  // Returns the interface's number. `snap_length` 0: packets are whole.
  std::uint32_t AddInterface(std::string_view name, std::string_view description, LinkType link,
                             std::uint32_t snap_length);
  // `size`: of the packet, of which `bytes` is the beginning. `comment` may be empty; at most
  // 65535 bytes of it are written. REQUIRES: AddInterface gave `interface`.
  void AddPacket(std::uint32_t interface, std::int64_t unix_ns, PacketWay way, std::uint32_t size,
                 std::string_view bytes, std::string_view comment);
  // What became of the capture: packets written, and packets missing in it.
  void AddStatistics(std::uint32_t interface, std::int64_t unix_ns, std::uint64_t written,
                     std::uint64_t left_out, std::string_view comment);

  // The blocks made since the last call.
  [[nodiscard]] std::string Take();

 private:
  template <typename T>
  void Put(T value);
  void PutTime(std::int64_t unix_ns);
  void PutPadded(std::string_view bytes);
  void PutOption(std::uint16_t code, std::string_view value);
  void BeginBlock(std::uint32_t type);
  void EndBlock();

  std::string out_;
  std::size_t block_ = 0;  // where the present block begins
  std::uint32_t interfaces_ = 0;
};

}  // namespace vireo::cli
