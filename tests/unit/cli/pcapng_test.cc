#include "ctrl/cli/pcapng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace vireo::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::uint32_t WordAt(const std::string& bytes, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

// The types of the blocks; both lengths of each must agree (§3.1).
std::vector<std::uint32_t> Blocks(const std::string& file) {
  std::vector<std::uint32_t> types;
  for (std::size_t at = 0; at < file.size();) {
    const std::uint32_t length = WordAt(file, at + 4);
    EXPECT_EQ(length % 4, 0u);
    EXPECT_LE(at + length, file.size());
    EXPECT_EQ(WordAt(file, at + length - 4), length);
    if (length < 12 || at + length > file.size()) break;
    types.push_back(WordAt(file, at));
    at += length;
  }
  return types;
}

std::string Example() {
  PcapngWriter writer("test");
  const auto vm = writer.AddInterface("vm1", "port", LinkType::kEthernet, 0);
  writer.AddPacket(vm, 1'700'000'000'123'456'789, PacketWay::kIn, 60, std::string(60, '\x02'), "");
  writer.AddPacket(vm, 1'700'000'001'000'000'000, PacketWay::kOut, 1500, std::string(61, '\x02'),
                   "dropped: too_big: larger");
  const auto peer = writer.AddInterface("zagreb", "peer", LinkType::kRaw, 65535);
  writer.AddPacket(peer, 1'700'000'002'000'000'000, PacketWay::kUnknown, 20,
                   "\x45" + std::string(19, '\0'), "");
  writer.AddStatistics(vm, 1'700'000'003'000'000'000, 2, 7, "seven were left out");
  return writer.Take();
}

TEST(Pcapng, BlocksAreWhole) {
  EXPECT_THAT(Blocks(Example()), ElementsAre(0x0a0d0d0au, 1u, 6u, 6u, 1u, 6u, 5u));
}

TEST(Pcapng, PacketIsAsTheFormatSays) {
  PcapngWriter writer("test");
  const auto vm = writer.AddInterface("vm1", "", LinkType::kEthernet, 0);
  (void)writer.Take();
  writer.AddPacket(vm, 0x0102030405060708, PacketWay::kOut, 100, "abcde", "why");
  const std::string block = writer.Take();
  EXPECT_EQ(WordAt(block, 8), vm);
  EXPECT_EQ(WordAt(block, 12), 0x01020304u);
  EXPECT_EQ(WordAt(block, 16), 0x05060708u);
  EXPECT_EQ(WordAt(block, 20), 5u);    // captured
  EXPECT_EQ(WordAt(block, 24), 100u);  // of
  EXPECT_EQ(block.substr(28, 8), std::string("abcde\0\0\0", 8));
  EXPECT_EQ(WordAt(block, 36), 2u | 4u << 16);  // epb_flags
  EXPECT_EQ(WordAt(block, 40), 2u);             // outbound
  EXPECT_EQ(WordAt(block, 44), 1u | 3u << 16);  // opt_comment
  EXPECT_EQ(block.substr(48, 4), std::string("why\0", 4));
  EXPECT_EQ(WordAt(block, 52), 0u);  // opt_endofopt
  EXPECT_EQ(block.size(), 60u);
}

TEST(Pcapng, TakeLeavesNothing) {
  PcapngWriter writer("test");
  EXPECT_FALSE(writer.Take().empty());
  EXPECT_THAT(writer.Take(), IsEmpty());
}

TEST(Pcapng, TsharkReadsIt) {
  if (std::system("command -v tshark >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "SKIPPED, needs tshark: deploy/setup --test";
  }
  const std::string path = testing::TempDir() + "/pcapng_test." + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << Example();
  const std::string command = "tshark -r " + path +
                              " -T fields -E separator=/s -e frame.number -e frame.len "
                              "-e frame.cap_len -e frame.time_epoch -e frame.interface_name "
                              "-e frame.packet_flags_direction -e frame.comment 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string text;
  std::array<char, 512> line;
  while (std::fgets(line.data(), line.size(), pipe) != nullptr) text += line.data();
  EXPECT_EQ(pclose(pipe), 0);
  std::filesystem::remove(path);
  EXPECT_THAT(text, HasSubstr("1 60 60 1700000000.123456789 vm1 0x00000001 \n"));
  EXPECT_THAT(
      text, HasSubstr("2 1500 61 1700000001.000000000 vm1 0x00000002 dropped: too_big: larger\n"));
  EXPECT_THAT(text, HasSubstr("3 20 20 1700000002.000000000 zagreb 0x00000000 \n"));
}

}  // namespace
}  // namespace vireo::cli
