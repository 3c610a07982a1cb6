// What the port says when it cannot be opened.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>

#include "tests/unit/port/vhost/guest.h"

namespace vireo::test {
namespace {

using testing::HasSubstr;

class VhostErrors : public VhostTest {
 protected:
  static Error FailToOpen(const VhostPort::Options& options) {
    auto port = VhostPort::Open(options);
    if (!port.ok()) return port.error();
    ADD_FAILURE() << "was opened";
    return {};
  }
  FileDescriptor Bind() const {
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
};

TEST_F(VhostErrors, ASocketThatNobodyListensOnIsReplaced) {
  { const FileDescriptor left_behind = Bind(); }
  EXPECT_NE(Open(Options()), nullptr);
}

TEST_F(VhostErrors, ASocketInUseIsLeftAlone) {
  const FileDescriptor other = Bind();
  ASSERT_EQ(listen(other.get(), 1), 0);
  const Error error = FailToOpen(Options());
  EXPECT_EQ(error.code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(error.message, HasSubstr("in use by another process"));
  EXPECT_EQ(access(socket_.c_str(), F_OK), 0);
}

TEST_F(VhostErrors, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(socket_) << "a file";
  const Error error = FailToOpen(Options());
  EXPECT_EQ(error.code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(error.message, HasSubstr("no socket"));
  EXPECT_EQ(access(socket_.c_str(), F_OK), 0);
}

TEST_F(VhostErrors, TwoPortsCannotHaveOneSocket) {
  auto options = Options();
  options.mode = VhostMode::kClient;
  auto port = Open(options);
  const Error error = FailToOpen(options);
  EXPECT_EQ(error.code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(error.message, HasSubstr("another port's"));
}

TEST_F(VhostErrors, AFolderThatIsNotThereIsNamed) {
  auto options = Options();
  options.socket = folder_ + "/none/vm";
  const Error error = FailToOpen(options);
  EXPECT_THAT(error.message, HasSubstr(options.socket));
  EXPECT_THAT(error.message, HasSubstr("check that its folder exists"));
}

TEST_F(VhostErrors, ATooLongPathIsRefused) {
  auto options = Options();
  options.socket = folder_ + "/" + std::string(100, 'x');
  EXPECT_THAT(FailToOpen(options).message, HasSubstr("107 bytes"));
}

}  // namespace
}  // namespace vireo::test
