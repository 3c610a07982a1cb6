// `vireo capture`: what it asks for and what it writes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "ctrl/cli/cli.h"
#include "dataplane/api/control_frame.h"
#include "dataplane/api/control_server.h"
#include "tests/unit/api/server_fixture.h"

namespace vireo::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A port "vm1" and a peer "zagreb"; gives out prepared answers, then nothing.
class FakeCapture final : public api::ControlBackend {
 public:
  v1::Response Handle(const v1::Request& request) override {
    v1::Response response;
    switch (request.what_case()) {
      case v1::Request::kListPorts:
        response.mutable_list_ports()->add_ports()->set_name("vm1");
        break;
      case v1::Request::kListPeers:
        response.mutable_list_peers()->set_total(1);
        response.mutable_list_peers()->add_peers()->set_name("zagreb");
        response.mutable_list_peers()->mutable_peers(0)->set_public_key(std::string(32, 'z'));
        break;
      case v1::Request::kBeginCapture:
        begun = request.begin_capture();
        response.mutable_begin_capture()->set_id(5);
        break;
      case v1::Request::kReadCapture:
        EXPECT_EQ(request.read_capture().id(), 5u);
        ended |= request.read_capture().end();
        *response.mutable_read_capture() = answer;
        answer.clear_packets();
        break;
      default:
        return api::ErrorResponse({ErrorCode::kUnsupported, "?"});
    }
    return response;
  }

  void Put(const std::string& way, const std::string& bytes, std::uint32_t interface = 0) {
    while (answer.interfaces_size() <= static_cast<int>(interface)) {
      v1::CaptureInterface& added = *answer.add_interfaces();
      added.set_name(answer.interfaces_size() == 1 ? "vm1" : "zagreb");
      added.set_peer(answer.interfaces_size() == 2);
      added.set_link(answer.interfaces_size() == 1 ? "ethernet" : "ip");
    }
    v1::CapturedPacket& packet = *answer.add_packets();
    packet.set_unix_ns(1'700'000'000'000'000'000);
    packet.set_interface(interface);
    packet.set_way(way);
    packet.set_bytes(bytes);
    packet.set_size(static_cast<std::uint32_t>(bytes.size()));
  }

  v1::BeginCaptureRequest begun;
  v1::ReadCaptureResponse answer;
  bool ended = false;
};

class CaptureTest : public api::ServerTest {
 protected:
  void SetUp() override {
    OnServer([&] {
      auto server = api::ListenControl(context(), folder() + "/r.sock", fake_, {}, {});
      ASSERT_TRUE(server.ok());
      server_ = std::move(server).value();
    });
  }
  void TearDown() override {
    OnServer([&] { server_.reset(); });
    std::filesystem::remove(file_);
  }
  ExitCode Vireo(const std::string& arguments) {
    std::istringstream words(arguments);
    const std::vector<std::string> list{std::istream_iterator<std::string>(words), {}};
    out_.str("");
    err_.str("");
    return cli::Run(list, {out_, err_, clock_, false, folder()});
  }
  std::string File() const {
    std::ifstream stream(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  mode_t Mode() const {
    struct stat status {};
    EXPECT_EQ(stat(file_.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  FakeCapture fake_;
  std::unique_ptr<api::UnixServer> server_;
  FakeClock clock_;
  std::ostringstream out_, err_;
  const std::string file_ = testing::TempDir() + "/capture_test." + std::to_string(getpid());
};

TEST_F(CaptureTest, AsksForWhatIsWanted) {
  fake_.Put("in", "0123456789abcdef");
  ASSERT_EQ(Vireo("capture vm1 zagreb --source 10.1.2.3/16 --destination fd00::/8 --protocol udp "
                  "--transport-port 53 --network 7 -s 96 -c 1 -w " +
                  file_),
            kOk)
      << err_.str();
  EXPECT_THAT(fake_.begun.ports(), ElementsAre("vm1"));
  EXPECT_THAT(fake_.begun.peers(), ElementsAre(std::string(32, 'z')));
  EXPECT_EQ(fake_.begun.match().source(), "10.1.0.0/16");
  EXPECT_EQ(fake_.begun.match().destination(), "fd00::/8");
  EXPECT_EQ(fake_.begun.match().protocol(), 17u);
  EXPECT_EQ(fake_.begun.match().transport_port(), 53u);
  EXPECT_EQ(fake_.begun.match().vni(), 7u);
  EXPECT_EQ(fake_.begun.snap_length(), 96u);
  EXPECT_TRUE(fake_.ended);
}

TEST_F(CaptureTest, FileIsItsOwnersOnlyAndSaysWhatHappened) {
  std::ofstream(file_) << std::string(100000, 'x');  // of before, readable by all
  ASSERT_EQ(chmod(file_.c_str(), 0644), 0);
  fake_.Put("in", "0123456789abcdef");
  fake_.Put("out", "ghijkl", 1);
  v1::CapturedPacket& dropped = *fake_.answer.mutable_packets(1);
  dropped.set_drop_reason("no_session");
  dropped.set_drop_text("no handshake");
  fake_.answer.set_left_out(3);
  ASSERT_EQ(Vireo("capture -c 2 -w " + file_), kOk) << err_.str();
  EXPECT_EQ(Mode(), 0600u);
  EXPECT_THAT(File(), AllOf(StartsWith("\x0a\x0d\x0d\x0a"), HasSubstr("vm1"), HasSubstr("zagreb"),
                            HasSubstr("0123456789abcdef"), HasSubstr("ghijkl"),
                            HasSubstr("dropped: no_session: no handshake"), Not(HasSubstr("xxx"))));
  EXPECT_THAT(err_.str(),
              HasSubstr("2 packets captured, 1 of them dropped by the dataplane; 3 more "
                        "were left out"));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(CaptureTest, DashIsStandardOutputAndNothingElseIsOnIt) {
  fake_.Put("in", "0123456789abcdef");
  fake_.Put("in", "beyond the count");
  ASSERT_EQ(Vireo("capture vm1 -c 1 -w -"), kOk);
  EXPECT_THAT(out_.str(), AllOf(StartsWith("\x0a\x0d\x0d\x0a"), HasSubstr("0123456789abcdef"),
                                Not(HasSubstr("beyond")), Not(HasSubstr("captured"))));
}

TEST_F(CaptureTest, SecondsEndIt) {
  EXPECT_EQ(Vireo("capture --seconds 1 -w " + file_), kOk);
  EXPECT_TRUE(fake_.ended);
  EXPECT_THAT(err_.str(), StartsWith("0 packets captured"));
  EXPECT_THAT(File(), StartsWith("\x0a\x0d\x0d\x0a")) << "a whole file without packets";
}

TEST_F(CaptureTest, InterruptEndsItCleanly) {
  const pthread_t self = pthread_self();
  std::thread interrupt([self] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    pthread_kill(self, SIGINT);
  });
  EXPECT_EQ(Vireo("capture --seconds 60 -w " + file_), kOk);
  interrupt.join();
  EXPECT_TRUE(fake_.ended);
  EXPECT_THAT(err_.str(), StartsWith("0 packets captured"));
}

TEST_F(CaptureTest, RefusesWhatItCannotReadOrWrite) {
  EXPECT_EQ(Vireo("capture vm1"), kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("--write"));
  EXPECT_EQ(Vireo("capture rome -w " + file_), kRefused);
  EXPECT_THAT(err_.str(), HasSubstr("no peer is called \"rome\""));
  EXPECT_EQ(Vireo("capture --source 10.0.0.0/33 -w " + file_), kUsage);
  EXPECT_EQ(Vireo("capture --protocol sctpx -w " + file_), kUsage);
  EXPECT_EQ(Vireo("capture -w /none/file"), kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("cannot write /none/file: No such file or directory"));
  std::filesystem::create_symlink("/tmp/elsewhere", file_);
  EXPECT_EQ(Vireo("capture -w " + file_), kUsage) << "a link of somebody else's";
  EXPECT_FALSE(fake_.ended);
}

}  // namespace
}  // namespace vireo::cli
