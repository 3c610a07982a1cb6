#include "dataplane/api/uapi_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "dataplane/base/encoding.h"
#include "tests/unit/api/fake_device.h"
#include "tests/unit/api/server_fixture.h"

namespace vireo::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string kKey(64, 'a');

struct Exchange {
  std::string answers;
  Progress last = Progress::kIdle;
};

// Feeds `text` in pieces of `step` bytes until all is taken or the conversation ends.
Exchange Converse(UapiConversation& conversation, std::string_view text, std::size_t step) {
  Exchange exchange;
  while (!text.empty()) {
    std::string_view piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    do {
      std::string answer;
      exchange.last = conversation.Receive(piece, answer);
      exchange.answers += answer;
      if (exchange.last == Progress::kClose) return exchange;
    } while (!piece.empty());
  }
  return exchange;
}

class UapiConversationTest : public testing::TestWithParam<std::size_t> {
 protected:
  Exchange Converse(std::string_view text) {
    return vireo::api::Converse(conversation_, text, GetParam());
  }

  FakeDevice device_;
  std::string logged_;
  UnixServer::Log log_ = [this](std::string_view line) { logged_ += line; };
  UapiConversation conversation_{device_, log_};
};

TEST_P(UapiConversationTest, SetThenGetThenSet) {
  const Exchange exchange = Converse("set=1\nlisten_port=7\n\nget=1\n\nset=1\nfwmark=3\n\n");
  EXPECT_EQ(exchange.answers, "errno=0\n\nlisten_port=7\nerrno=0\n\nerrno=0\n\n");
  EXPECT_EQ(device_.device.fwmark, 3u);
}

TEST_P(UapiConversationTest, MistakeIsAnsweredAtTheEndAndNothingApplied) {
  const Exchange exchange =
      Converse("set=1\nlisten_port=7\nfwmark=x\npublic_key=" + kKey + "\n\nget=1\n\n");
  EXPECT_EQ(exchange.answers, "errno=-22\n\nerrno=0\n\n");
  EXPECT_EQ(device_.sets, 0);
  EXPECT_THAT(logged_, HasSubstr("line 2 of set: fwmark"));
}

TEST_P(UapiConversationTest, BackendsErrorBecomesNegativeErrno) {
  device_.refuse = Error{ErrorCode::kAddressInUse, "port 7 is in use"};
  EXPECT_EQ(Converse("set=1\nlisten_port=7\n\n").answers, "errno=-98\n\n");
  EXPECT_THAT(logged_, HasSubstr("port 7 is in use"));
}

TEST_P(UapiConversationTest, UnknownOperationCloses) {
  for (const char* text : {"\n", "get=2\n", "delete=1\n", "GET / HTTP/1.1\r\n", "set=1 \n"}) {
    UapiConversation fresh(device_, log_);
    const Exchange exchange = vireo::api::Converse(fresh, text, GetParam());
    EXPECT_EQ(exchange.last, Progress::kClose) << text;
    EXPECT_EQ(exchange.answers, "") << text;
  }
}

TEST_P(UapiConversationTest, GetWithFurtherLinesIsRefused) {
  const Exchange exchange = Converse("get=1\nprivate_key=1\n\n");
  EXPECT_EQ(exchange.last, Progress::kClose);
  EXPECT_EQ(exchange.answers, "errno=22\n\n");
}

TEST_P(UapiConversationTest, KnowsWhetherARequestIsIncomplete) {
  EXPECT_EQ(Converse("g").last, Progress::kMidway);
  EXPECT_EQ(Converse("et=1\n").last, Progress::kMidway);
  EXPECT_EQ(Converse("\n").last, Progress::kAnswer);
  std::string_view nothing;
  std::string answer;
  EXPECT_EQ(conversation_.Receive(nothing, answer), Progress::kIdle);
}

TEST_P(UapiConversationTest, EndlessLineIsRefused) {
  const Exchange exchange = Converse("set=1\n" + std::string(100000, 'a'));
  EXPECT_EQ(exchange.last, Progress::kClose);
  EXPECT_EQ(exchange.answers, "errno=-22\n\n");
}

INSTANTIATE_TEST_SUITE_P(PieceSizes, UapiConversationTest, testing::Values(1, 2, 7, 100000));

TEST(UapiConversation, EndlessRequestIsRefused) {
  FakeDevice device;
  const UnixServer::Log log;
  UapiConversation conversation(device, log);
  EXPECT_EQ(Converse(conversation, "set=1\n", 100).last, Progress::kMidway);
  const std::string block = [] {
    std::string text;
    while (text.size() < (1 << 20)) text += "listen_port=1\n";
    return text;
  }();
  Exchange exchange;
  for (int megabyte = 0; megabyte < 40 && exchange.last != Progress::kClose; ++megabyte) {
    exchange = Converse(conversation, block, block.size());
  }
  EXPECT_EQ(exchange.last, Progress::kClose);
  EXPECT_EQ(exchange.answers, "errno=-12\n\n");
  EXPECT_EQ(device.sets, 0);
}

TEST(UapiConversation, RandomBytesNeverCrash) {
  std::mt19937 random(3);
  FakeDevice device;
  const UnixServer::Log log;
  const std::string seed = "set=1\nlisten_port=1\npublic_key=" + kKey + "\n\nget=1\n\n";
  for (int round = 0; round < 3000; ++round) {
    std::string text = seed;
    for (unsigned flips = random() % 6; flips > 0; --flips) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    UapiConversation conversation(device, log);
    Converse(conversation, text, random() % text.size() + 1);
  }
  EXPECT_GT(device.sets, 10);
}

class UapiServerTest : public ServerTest {
 protected:
  void SetUp() override {
    OnServer([&] {
      auto server = UapiServer::Listen(
          context(), device_,
          {.interface_name = "wg7", .folder = folder(), .limits = {}, .log = {}, .on_removed = [&] {
             server_.reset();  // allowed
             removed_.set_value();
           }});
      ASSERT_TRUE(server.ok()) << server.error().message;
      server_ = std::move(server).value();
    });
  }
  void TearDown() override {
    OnServer([&] { server_.reset(); });
  }

  const std::string path_ = folder() + "/wg7.sock";
  FakeDevice device_;
  std::promise<void> removed_;
  std::unique_ptr<UapiServer> server_;
};

TEST_F(UapiServerTest, ServesSetAndGet) {
  Client client(path_);
  client.Send("set=1\nlisten_port=51820\npublic_key=" + kKey + "\nallowed_ip=10.0.0.0/8\n\n");
  EXPECT_EQ(client.ReadTo("\n\n"), "errno=0\n\n");
  client.Send("get=1\n\n");
  const std::string answer = client.ReadTo("\n\n");
  EXPECT_THAT(answer, HasSubstr("listen_port=51820\npublic_key=" + kKey + "\n"));
  EXPECT_THAT(answer, HasSubstr("allowed_ip=10.0.0.0/8\nerrno=0\n\n"));
}

TEST_F(UapiServerTest, TenThousandPeersComeBackWhole) {
  std::string request = "set=1\n";
  for (unsigned i = 0; i < 10000; ++i) {
    char key[65];
    std::snprintf(key, sizeof key, "%064x", i + 1);
    request += "public_key=" + std::string(key) + "\nallowed_ip=10." + std::to_string(i / 256) +
               "." + std::to_string(i % 256) + ".0/24\n";
  }
  Client client(path_);
  client.Send(request + "\n");
  ASSERT_EQ(client.ReadTo("\n\n"), "errno=0\n\n");
  client.Send("get=1\n\n");
  client.EndOfSending();
  const std::string answer = client.ReadAll();
  EXPECT_THAT(answer, testing::EndsWith("allowed_ip=10.39.15.0/24\nerrno=0\n\n"));
}

TEST_F(UapiServerTest, RequestThatEndsEarlyIsDropped) {
  {
    Client client(path_);
    client.Send("set=1\nlisten_port=9\n");
    client.EndOfSending();
    EXPECT_EQ(client.ReadAll(), "");
  }
  OnServer([&] { EXPECT_EQ(device_.sets, 0); });
}

TEST_F(UapiServerTest, PipelinedGetsAreAnsweredOneByOne) {
  std::string gets;
  for (int i = 0; i < 5000; ++i) gets += "get=1\n\n";
  Client client(path_);
  client.Send(gets);
  client.EndOfSending();
  EXPECT_EQ(client.ReadAll().size(), 5000 * std::string("errno=0\n\n").size());
}

TEST_F(UapiServerTest, NoticesThatItsSocketIsRemoved) {
  std::filesystem::remove(path_);
  EXPECT_EQ(removed_.get_future().wait_for(10s), std::future_status::ready);
}

TEST_F(UapiServerTest, NoticesThatItsSocketIsReplaced) {
  std::filesystem::rename(path_, folder() + "/other");
  EXPECT_EQ(removed_.get_future().wait_for(10s), std::future_status::ready);
}

TEST_F(UapiServerTest, OtherFilesDoNotMatter) {
  for (int i = 0; i < 1000; ++i) {
    MakeDeadSocket(folder() + "/wg8.sock");
    std::filesystem::remove(folder() + "/wg8.sock");
  }
  Client client(path_);
  client.Send("get=1\n\n");
  EXPECT_EQ(client.ReadTo("\n\n"), "errno=0\n\n");
  OnServer([&] { EXPECT_NE(server_, nullptr); });
}

}  // namespace
}  // namespace vireo::api
