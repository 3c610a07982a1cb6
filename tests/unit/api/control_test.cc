#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "dataplane/api/control_client.h"
#include "dataplane/api/control_frame.h"
#include "dataplane/api/control_server.h"
#include "tests/unit/api/server_fixture.h"

namespace vireo::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class FakeBackend final : public ControlBackend {
 public:
  v1::Response Handle(const v1::Request& request) override {
    ++requests;
    v1::Response response;
    switch (request.what_case()) {
      case v1::Request::kGetInfo:
        response.mutable_get_info()->set_name("zagreb-1");
        return response;
      case v1::Request::kListPeers:
        for (unsigned i = 0; i < peers; ++i) {
          response.mutable_list_peers()->add_peers()->set_name(std::string(1000, 'n'));
        }
        return response;
      default:
        return ErrorResponse({ErrorCode::kUnsupported, "not in this test"});
    }
  }

  unsigned peers = 0;
  int requests = 0;
};

std::string Frame(const v1::Request& request) { return EncodeControlFrame(request).value(); }

std::string InfoFrame() {
  v1::Request request;
  request.mutable_get_info();
  return Frame(request);
}

std::string Header(std::uint32_t size) {
  const ControlFrameHeader header{Be32(size)};
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

TEST(ControlFrame, IsSizeBigEndianThenMessage) {
  v1::Request request;
  request.mutable_set_peer_suite()->set_suite(std::string(300, 's'));
  const std::string frame = Frame(request);
  EXPECT_EQ(frame.substr(0, 4), std::string("\x00\x00\x01\x32", 4));
  EXPECT_EQ(frame.substr(4), request.SerializeAsString());
}

TEST(ControlFrame, RefusesMessageOver16MiB) {
  v1::Request request;
  request.mutable_set_peer_suite()->set_suite(std::string(kControlMaxMessage, 's'));
  EXPECT_EQ(EncodeControlFrame(request).error().code, ErrorCode::kExhausted);
}

TEST(ControlFrame, ErrorsKeepTheirCode) {
  for (const ErrorCode code : {ErrorCode::kInvalidArgument, ErrorCode::kNotFound,
                               ErrorCode::kInternal, ErrorCode::kExhausted}) {
    const Error error = ToError(ErrorResponse({code, "why"}).error());
    EXPECT_EQ(error.code, code);
    EXPECT_EQ(error.message, "why");
  }
}

class ControlConversationTest : public testing::TestWithParam<std::size_t> {
 protected:
  // Feeds `text` in pieces; returns the answers.
  std::string Converse(std::string_view text) {
    std::string answers;
    while (!text.empty()) {
      std::string_view piece = text.substr(0, GetParam());
      text.remove_prefix(piece.size());
      do {
        std::string answer;
        last_ = conversation_.Receive(piece, answer);
        answers += answer;
        if (last_ == Progress::kClose) return answers;
      } while (!piece.empty());
    }
    return answers;
  }

  FakeBackend backend_;
  ControlConversation conversation_{backend_};
  Progress last_ = Progress::kIdle;
};

TEST_P(ControlConversationTest, AnswersEachRequest) {
  const std::string answers = Converse(InfoFrame() + InfoFrame());
  EXPECT_EQ(backend_.requests, 2);
  v1::Response response;
  ASSERT_TRUE(response.ParseFromString(answers.substr(4, answers.size() / 2 - 4)));
  EXPECT_EQ(response.get_info().name(), "zagreb-1");
}

TEST_P(ControlConversationTest, EmptyRequestGoesToTheBackend) {
  EXPECT_THAT(Converse(Header(0)), HasSubstr("not in this test"));
  EXPECT_EQ(last_, Progress::kAnswer);
}

TEST_P(ControlConversationTest, OversizedRequestIsRefusedAtItsHeader) {
  for (const std::uint32_t size : {std::uint32_t{kControlMaxRequest} + 1, UINT32_MAX}) {
    ControlConversation fresh(backend_);
    std::string_view bytes;
    const std::string header = Header(size);
    bytes = header;
    std::string answer;
    EXPECT_EQ(fresh.Receive(bytes, answer), Progress::kClose);
    EXPECT_THAT(answer, HasSubstr("larger than 4 MiB"));
  }
}

TEST_P(ControlConversationTest, GarbageIsRefused) {
  EXPECT_THAT(Converse(Header(3) + "\xff\xff\xff"), HasSubstr("cannot be read"));
  EXPECT_EQ(last_, Progress::kClose);
  EXPECT_EQ(backend_.requests, 0);
}

TEST_P(ControlConversationTest, KnowsWhetherARequestIsIncomplete) {
  const std::string frame = InfoFrame();
  Converse(frame.substr(0, 1));
  EXPECT_EQ(last_, Progress::kMidway);
  Converse(frame.substr(1, 4));
  EXPECT_EQ(last_, Progress::kMidway);
  Converse(frame.substr(5));
  EXPECT_EQ(last_, Progress::kAnswer);
}

TEST_P(ControlConversationTest, AnswerThatIsTooLargeBecomesAnError) {
  backend_.peers = 17000;
  v1::Request request;
  request.mutable_list_peers();
  const std::string answer = Converse(Frame(request));
  EXPECT_THAT(answer, HasSubstr("larger than 16 MiB; ask for less"));
  EXPECT_EQ(last_, Progress::kAnswer);
}

INSTANTIATE_TEST_SUITE_P(PieceSizes, ControlConversationTest, testing::Values(1, 3, 100000));

TEST(ControlConversation, RandomBytesNeverCrash) {
  std::mt19937 random(4);
  FakeBackend backend;
  for (int round = 0; round < 3000; ++round) {
    std::string text = InfoFrame() + Header(random() % 64) + InfoFrame();
    for (unsigned flips = random() % 6; flips > 0; --flips) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    ControlConversation conversation(backend);
    std::string_view bytes = text;
    std::string answer;
    while (!bytes.empty() && conversation.Receive(bytes, answer) != Progress::kClose) {
    }
  }
  EXPECT_GT(backend.requests, 100);
}

class ControlServerTest : public ServerTest {
 protected:
  void SetUp() override {
    OnServer([&] {
      auto server = ListenControl(context(), path_, backend_, {}, {});
      ASSERT_TRUE(server.ok()) << server.error().message;
      server_ = std::move(server).value();
    });
  }
  void TearDown() override {
    OnServer([&] { server_.reset(); });
  }
  v1::Request Info() {
    v1::Request request;
    request.mutable_get_info();
    return request;
  }

  const std::string path_ = folder() + "/control.sock";
  FakeBackend backend_;
  std::unique_ptr<UnixServer> server_;
};

TEST_F(ControlServerTest, AnswersClient) {
  auto client = ControlClient::Connect(path_);
  ASSERT_TRUE(client.ok()) << client.error().message;
  for (int i = 0; i < 3; ++i) {
    const auto response = client->Call(Info());
    ASSERT_TRUE(response.ok()) << response.error().message;
    EXPECT_EQ(response.value().get_info().name(), "zagreb-1");
  }
}

TEST_F(ControlServerTest, LargeAnswerArrivesWhole) {
  backend_.peers = 15000;
  auto client = ControlClient::Connect(path_);
  v1::Request request;
  request.mutable_list_peers();
  const auto response = client->Call(request);
  ASSERT_TRUE(response.ok()) << response.error().message;
  EXPECT_EQ(response.value().list_peers().peers_size(), 15000);
}

TEST_F(ControlServerTest, ErrorIsAnAnswer) {
  auto client = ControlClient::Connect(path_);
  v1::Request request;
  request.mutable_list_ports();
  const auto response = client->Call(request);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(ToError(response.value().error()).code, ErrorCode::kUnsupported);
}

TEST_F(ControlServerTest, GarbageIsAnsweredAndTheClientCut) {
  Client client(path_);
  client.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.ReadAll(), HasSubstr("larger than 4 MiB"));
}

TEST_F(ControlServerTest, ClientSaysThatTheConnectionWasClosed) {
  auto client = ControlClient::Connect(path_);
  ASSERT_TRUE(client->Call(Info()).ok());
  OnServer([&] { server_.reset(); });
  const auto response = client->Call(Info());
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("closed the connection"));
}

TEST(ControlClient, SaysWhyItCannotConnect) {
  char name[] = "/tmp/vireo-client-XXXXXX";
  const std::string folder = mkdtemp(name);
  EXPECT_EQ(ControlClient::Connect(folder + "/none").error().code, ErrorCode::kNotFound);
  MakeDeadSocket(folder + "/dead");
  EXPECT_EQ(ControlClient::Connect(folder + "/dead").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(ControlClient::Connect(folder + std::string(200, 'x')).error().code,
            ErrorCode::kInvalidArgument);
  std::filesystem::remove_all(folder);
}

// A server that sends `bytes` to its first client and then waits for it to go.
Result<v1::Response> CallServerThatSends(const std::string& bytes,
                                         std::chrono::milliseconds timeout) {
  char name[] = "/tmp/vireo-client-XXXXXX";
  const std::string path = std::string(mkdtemp(name)) + "/s";
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = UnixAddress(path);
  EXPECT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(listener, 1), 0);
  std::thread server([&] {
    Client client(accept(listener, nullptr, nullptr));
    client.TrySend(bytes);
    client.ReadAll();
  });
  v1::Request request;
  request.mutable_get_info();
  auto response = [&]() -> Result<v1::Response> {
    auto client = ControlClient::Connect(path);
    if (!client) return client.error();
    return client->Call(request, timeout);
  }();
  server.join();
  close(listener);
  std::filesystem::remove_all(std::filesystem::path(path).parent_path());
  return response;
}

TEST(ControlClient, TimesOutOnSilence) {
  EXPECT_THAT(CallServerThatSends("", 50ms).error().message, HasSubstr("did not answer in time"));
  EXPECT_THAT(CallServerThatSends(Header(10) + "abc", 50ms).error().message,
              HasSubstr("did not answer in time"));
}

TEST(ControlClient, RefusesWhatIsNoAnswer) {
  EXPECT_EQ(CallServerThatSends("HTTP/1.1 400 Bad Request\r\n", 5s).error().code,
            ErrorCode::kProtocol);
  EXPECT_EQ(CallServerThatSends(Header(3) + "\xff\xff\xff", 5s).error().code, ErrorCode::kProtocol);
}

}  // namespace
}  // namespace vireo::api
