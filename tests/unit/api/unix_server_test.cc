#include "dataplane/api/unix_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/api/server_fixture.h"

namespace vireo::api {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Answers each line with itself; "stop" closes.
class Echo final : public Conversation {
 public:
  Progress Receive(std::string_view& bytes, std::string& answer) override {
    const std::size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (end == std::string_view::npos) return line_.empty() ? Progress::kIdle : Progress::kMidway;
    answer = line_ == "large" ? std::string(8 << 20, 'x') : line_ + "\n";
    line_.clear();
    if (answer == "throw\n") throw std::runtime_error("thrown");
    return answer == "stop\n" ? Progress::kClose : Progress::kAnswer;
  }

 private:
  std::string line_;
};

class UnixServerTest : public ServerTest {
 protected:
  Result<std::unique_ptr<UnixServer>> Listen(UnixServerLimits limits = {}) {
    return UnixServer::Listen(
        context(), path_, limits, [] { return std::make_unique<Echo>(); },
        [this](std::string_view line) { log_ += std::string(line) + "\n"; });
  }
  void Start(UnixServerLimits limits = {}) {
    OnServer([&] {
      auto server = Listen(limits);
      ASSERT_TRUE(server.ok()) << server.error().message;
      server_ = std::move(server).value();
    });
  }
  void TearDown() override {
    OnServer([&] { server_.reset(); });
  }
  std::size_t Clients() {
    std::size_t clients = 0;
    OnServer([&] { clients = server_->clients(); });
    return clients;
  }

  std::string path_ = folder() + "/sub/test.sock";
  std::unique_ptr<UnixServer> server_;
  std::string log_;
};

TEST_F(UnixServerTest, SocketIsForTheOwnerOnly) {
  Start();
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  ASSERT_EQ(stat((folder() + "/sub").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0755u);
  int files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder() + "/sub")) {
    ++files;
  }
  EXPECT_EQ(files, 1) << "a temporary name was left";
}

TEST_F(UnixServerTest, ServesSeveralClientsAndRequests) {
  Start();
  Client a(path_), b(path_);
  a.Send("one\ntwo\n");
  b.Send("thr");
  EXPECT_EQ(a.Read(8), "one\ntwo\n");
  b.Send("ee\n");
  EXPECT_EQ(b.Read(6), "three\n");
  a.Send("stop\nmore\n");
  EXPECT_EQ(a.ReadAll(), "stop\n");
}

TEST_F(UnixServerTest, ReplacesDeadSocket) {
  std::filesystem::create_directory(folder() + "/sub");
  MakeDeadSocket(path_);
  Start();
  Client client(path_);
  client.Send("hello\n");
  EXPECT_EQ(client.Read(6), "hello\n");
}

TEST_F(UnixServerTest, LeavesLiveSocketAlone) {
  Start();
  OnServer([&] {
    const auto second = Listen();
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
    EXPECT_THAT(second.error().message, HasSubstr("already running"));
  });
  Client client(path_);
  client.Send("still\n");
  EXPECT_EQ(client.Read(6), "still\n");
}

TEST_F(UnixServerTest, LeavesOtherFilesAlone) {
  std::filesystem::create_directory(folder() + "/sub");
  std::ofstream(path_) << "precious";
  OnServer([&] {
    const auto server = Listen();
    ASSERT_FALSE(server.ok());
    EXPECT_EQ(server.error().code, ErrorCode::kAlreadyExists);
  });
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_F(UnixServerTest, RefusesPathThatIsTooLong) {
  path_ = folder() + "/" + std::string(108, 'x');
  OnServer([&] { EXPECT_EQ(Listen().error().code, ErrorCode::kInvalidArgument); });
}

TEST_F(UnixServerTest, RemovesItsSocketButNotAnothers) {
  Start();
  OnServer([&] { server_.reset(); });
  EXPECT_FALSE(std::filesystem::exists(path_));
  Start();
  std::filesystem::remove(path_);
  MakeDeadSocket(path_);
  OnServer([&] {
    EXPECT_FALSE(server_->OwnsPath());
    server_.reset();
  });
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixServerTest, CutsClientThatDoesNotEndItsRequest) {
  Start({.max_clients = 4, .request_time = 100ms, .idle_time = 1h});
  Client slow(path_);
  slow.Send("a");
  // Bytes that keep trickling in do not move the deadline.
  const auto start = std::chrono::steady_clock::now();
  while (slow.TrySend("a") && std::chrono::steady_clock::now() - start < 5s) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
  EXPECT_EQ(Clients(), 0u);
}

TEST_F(UnixServerTest, CutsClientThatDoesNotTakeItsAnswer) {
  Start({.max_clients = 4, .request_time = 100ms, .idle_time = 1h});
  Client slow(path_);
  slow.Send("large\n");
  ASSERT_TRUE(slow.Readable(10s));
  EXPECT_TRUE(Eventually([&] { return Clients() == 0; }));
  EXPECT_LT(slow.ReadAll().size(), std::size_t{8} << 20);
}

TEST_F(UnixServerTest, CutsIdleClient) {
  Start({.max_clients = 4, .request_time = 1h, .idle_time = 100ms});
  Client idle(path_);
  EXPECT_EQ(idle.ReadAll(), "");
  Client active(path_);
  active.Send("one\n");
  EXPECT_EQ(active.ReadAll(), "one\n") << "cut only after its answer";
}

TEST_F(UnixServerTest, ServesNoMoreClientsThanAllowed) {
  Start({.max_clients = 2, .request_time = 1h, .idle_time = 1h});
  auto first = std::make_unique<Client>(path_);
  Client second(path_);
  first->Send("a\n");
  second.Send("b\n");
  EXPECT_EQ(first->Read(2), "a\n");
  EXPECT_EQ(second.Read(2), "b\n");
  Client third(path_);  // waits in the backlog
  third.Send("c\n");
  EXPECT_FALSE(third.Readable(50ms));
  EXPECT_EQ(Clients(), 2u);
  first.reset();
  EXPECT_EQ(third.Read(2), "c\n");
}

TEST_F(UnixServerTest, SurvivesExceptionOfARequest) {
  Start();
  Client bad(path_);
  bad.Send("throw\n");
  EXPECT_EQ(bad.ReadAll(), "");
  Client good(path_);
  good.Send("x\n");
  EXPECT_EQ(good.Read(2), "x\n");
  OnServer([&] { EXPECT_THAT(log_, HasSubstr("thrown")); });
}

// How a process of user `nobody` fares: the exit code is 0 if it was served, 1 if it was cut.
int ServedAsNobody(const std::string& path) {
  const sockaddr_un address = UnixAddress(path);
  const pid_t child = fork();
  if (child == 0) {  // only system calls here: the parent has threads
    char reply[2];
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (setuid(65534) != 0) _exit(2);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) _exit(3);
    if (send(fd, "x\n", 2, MSG_NOSIGNAL) < 0) _exit(1);
    _exit(recv(fd, reply, sizeof reply, 0) == 2 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(UnixServerTest, CutsClientsOfOtherUsers) {
  if (geteuid() != 0) GTEST_SKIP() << "not root, cannot be another user: peers NOT tested";
  Start();
  // As if somebody had opened up the file.
  chmod(folder().c_str(), 0755);
  chmod(path_.c_str(), 0777);
  EXPECT_EQ(ServedAsNobody(path_), 1);
  OnServer([&] { EXPECT_THAT(log_, HasSubstr("refused a client of user 65534")); });
}

TEST_F(UnixServerTest, DestructionCutsClients) {
  Start();
  Client idle(path_), midway(path_), writing(path_);
  midway.Send("par");
  writing.Send("large\n");
  ASSERT_TRUE(Eventually([&] { return Clients() == 3; }));
  OnServer([&] { server_.reset(); });
  EXPECT_EQ(idle.ReadAll(), "");
  EXPECT_EQ(midway.ReadAll(), "");
  writing.ReadAll();
}

}  // namespace
}  // namespace vireo::api
