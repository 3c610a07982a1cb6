#include "dataplane/slow/netlink_socket.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <vector>

#include "dataplane/base/encoding.h"

namespace vireo {
namespace {

std::string Bytes(ConstBytes bytes) { return ToHex(bytes); }

TEST(NetlinkMessage, LaysOutBodyAndPaddedAttributes) {
  rtgenmsg body{.rtgen_family = 7};
  NetlinkMessage message(RTM_GETLINK, NLM_F_ACK, body);
  const std::byte three[3] = {std::byte{1}, std::byte{2}, std::byte{3}};
  message.Add(5, three);
  message.Add(6, 0x01020304u);
  const ConstBytes bytes = message.bytes();
  EXPECT_EQ(message.header().nlmsg_len, 16u + 4 + 8 + 8);
  EXPECT_EQ(message.header().nlmsg_type, RTM_GETLINK);
  EXPECT_EQ(message.header().nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
  EXPECT_EQ(Bytes(bytes.subspan(16)),
            "07000000"
            "0700050001020300"
            "0800060004030201");
  const NetlinkAnswer answer{RTM_GETLINK, bytes.subspan(16)};
  EXPECT_EQ(Bytes(answer.Find<rtgenmsg>(5)), "010203");
  EXPECT_EQ(ReadNumber(answer.Find<rtgenmsg>(6), 0), 0x01020304u);
  EXPECT_EQ(ReadNumber(answer.Find<rtgenmsg>(7), 9), 9u);
}

TEST(NetlinkAnswer, NeverReadsBehindItsEnd) {
  std::vector<std::byte> whole(20);
  // Attributes of 5 bytes (padded to 8) and of 12.
  ASSERT_TRUE(
      FromHex("0500010011000000"
              "0c0002002122232425262728",
              whole));
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<long>(size));
    EXPECT_EQ(NetlinkAnswer::FindAttribute(cut, 1).size(), size >= 5 ? 1u : 0u) << size;
    EXPECT_EQ(NetlinkAnswer::FindAttribute(cut, 2).size(), size >= 20 ? 8u : 0u) << size;
    EXPECT_TRUE(NetlinkAnswer::FindAttribute(cut, 3).empty());
  }
}

TEST(NetlinkAnswer, StopsAtLengthsThatLie) {
  for (const char* hex : {"0000010011000000", "0300010011000000", "ffff010011000000"}) {
    std::vector<std::byte> bytes(8);
    ASSERT_TRUE(FromHex(hex, bytes));
    EXPECT_TRUE(NetlinkAnswer::FindAttribute(bytes, 1).empty()) << hex;
  }
}

TEST(NetlinkAnswer, FindsAttributesThatAreMarkedNested) {
  std::vector<std::byte> bytes(8);
  ASSERT_TRUE(FromHex("0800018011121314", bytes));
  EXPECT_EQ(Bytes(NetlinkAnswer::FindAttribute(bytes, 1)), "11121314");
}

TEST(NetlinkSocket, TellsTheKernelsErrno) {
  auto socket = NetlinkSocket::Open(0);
  ASSERT_TRUE(socket);
  ifinfomsg body{};
  body.ifi_index = 0x7ffffff0;
  NetlinkMessage message(RTM_GETLINK, 0, body);
  int answers = 0;
  EXPECT_EQ(socket->Request(message, [&](const NetlinkAnswer&) { ++answers; }), ENODEV);
  EXPECT_EQ(answers, 0);
}

TEST(NetlinkSocket, ReadsDumpsToTheirEnd) {
  auto socket = NetlinkSocket::Open(0);
  ASSERT_TRUE(socket);
  for (int i = 0; i < 3; ++i) {
    NetlinkMessage message(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
    int links = 0;
    EXPECT_EQ(
        socket->Request(message,
                        [&](const NetlinkAnswer& answer) { links += answer.type == RTM_NEWLINK; }),
        0);
    EXPECT_GE(links, 1);  // lo
  }
  EXPECT_TRUE(socket->Receive([](const NetlinkAnswer&) { ADD_FAILURE() << "left behind"; }));
}

}  // namespace
}  // namespace vireo
