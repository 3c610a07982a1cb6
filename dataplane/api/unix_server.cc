#include "dataplane/api/unix_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <utility>

#include "dataplane/base/secret.h"

namespace vireo::api {

namespace asio = boost::asio;
using boost::system::error_code;

class UnixServer::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(UnixServer* server, Socket::socket socket)
      : server_(server),
        socket_(std::move(socket)),
        deadline_(server->context_),
        conversation_(server->start_()) {}

  void Start() {
    ArmDeadline(server_->limits_.idle_time);
    Read();
  }

  // After this nothing touches the server or its conversation any more.
  void Close() {
    if (server_ == nullptr) return;
    error_code ignored;
    socket_.close(ignored);
    deadline_.cancel();
    WipeBuffer();
    WipeAnswer();
    std::exchange(server_, nullptr)->Closed(this);
  }

 private:
  void Read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](error_code error, std::size_t size) {
                              if (self->server_ == nullptr) return;
                              if (error) return self->Close();
                              self->pending_ = std::string_view(self->buffer_.data(), size);
                              self->Process();
                            });
  }

  void Process() {
    Progress progress = Progress::kClose;
    try {
      progress = conversation_->Receive(pending_, answer_);
    } catch (const std::exception& failure) {
      if (server_->log_) server_->log_(std::string("request failed: ") + failure.what());
      return Close();
    }
    if (progress == Progress::kAnswer || progress == Progress::kClose) {
      return Write(progress == Progress::kClose);
    }
    // A request's deadline starts with its first byte and is not moved by later ones.
    const bool midway = progress == Progress::kMidway;
    if (!midway) ArmDeadline(server_->limits_.idle_time);
    if (midway && !midway_) ArmDeadline(server_->limits_.request_time);
    midway_ = midway;
    WipeBuffer();
    Read();
  }

  void Write(bool close) {
    ArmDeadline(server_->limits_.request_time);
    asio::async_write(socket_, asio::buffer(answer_),
                      [self = shared_from_this(), close](error_code error, std::size_t) {
                        if (self->server_ == nullptr) return;
                        self->WipeAnswer();
                        if (error || close) return self->Close();
                        self->midway_ = false;
                        self->Process();
                      });
  }

  void ArmDeadline(std::chrono::milliseconds time) {
    deadline_.expires_after(time);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
      // A timer that fired just before it was moved still comes here, without an error.
      if (error || self->server_ == nullptr) return;
      if (self->deadline_.expiry() <= std::chrono::steady_clock::now()) self->Close();
    });
  }

  void WipeBuffer() { SecureZero(buffer_.data(), buffer_.size()); }
  void WipeAnswer() {
    SecureZero(answer_.data(), answer_.size());
    answer_.clear();
    answer_.shrink_to_fit();
  }

  UnixServer* server_;  // nullptr once closed
  Socket::socket socket_;
  asio::steady_timer deadline_;
  std::unique_ptr<Conversation> conversation_;
  std::array<char, 16384> buffer_{};
  std::string_view pending_;  // within buffer_
  std::string answer_;
  bool midway_ = false;
};

Result<std::unique_ptr<UnixServer>> UnixServer::Listen(asio::io_context& context, std::string path,
                                                       UnixServerLimits limits,
                                                       StartConversation start, Log log) {
  std::unique_ptr<UnixServer> server(
      new UnixServer(context, std::move(path), limits, std::move(start), std::move(log)));
  if (Status status = server->Open(); !status) return status.error();
  server->Accept();
  return server;
}

UnixServer::UnixServer(asio::io_context& context, std::string path, UnixServerLimits limits,
                       StartConversation start, Log log)
    : path_(std::move(path)),
      limits_(limits),
      start_(std::move(start)),
      log_(std::move(log)),
      context_(context),
      acceptor_(context),
      retry_(context) {}

UnixServer::~UnixServer() {
  if (OwnsPath()) ::unlink(path_.c_str());
  accepting_ = true;  // no new accept from Closed()
  for (const auto& session : std::set(sessions_)) session->Close();
}

bool UnixServer::OwnsPath() const {
  struct stat status {};
  return inode_ != 0 && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
         status.st_ino == inode_;
}

Status UnixServer::Open() {
  const std::string temporary = path_ + "~" + std::to_string(::getpid());
  if (temporary.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error{ErrorCode::kInvalidArgument, path_ + ": too long for a socket, shorten the path"};
  }
  std::error_code failure;
  const auto folder = std::filesystem::path(path_).parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder, failure)) {
    if (!std::filesystem::create_directories(folder, failure) && failure) {
      return SystemError("cannot make folder " + folder.string(), failure.value());
    }
    std::filesystem::permissions(folder, std::filesystem::perms(0755), failure);
  }
  if (Status status = RemoveStale(); !status) return status;
  Status status = BindAs(temporary);
  ::unlink(temporary.c_str());
  return status;
}

Status UnixServer::RemoveStale() const {
  struct stat file {};
  if (::lstat(path_.c_str(), &file) != 0) return {};
  if (!S_ISSOCK(file.st_mode)) {
    return Error{ErrorCode::kAlreadyExists, path_ + " exists and is no socket; remove it"};
  }
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return SystemError("socket", errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  const int connected = ::connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof address);
  const int reason = connected == 0 ? 0 : errno;
  ::close(probe);
  if (reason == ECONNREFUSED) {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
      return SystemError("cannot remove dead socket " + path_, errno);
    }
    return {};
  }
  if (reason == 0 || reason == EAGAIN) {
    return Error{ErrorCode::kAlreadyExists,
                 "already running: " + path_ + " answers; stop the other daemon first"};
  }
  return SystemError("cannot use " + path_, reason);
}

Status UnixServer::BindAs(const std::string& temporary) {
  error_code error;
  ::unlink(temporary.c_str());
  acceptor_.open(Socket(), error);
  // The file takes the mode of the descriptor, so that umask(2), which all threads share, can stay.
  if (!error && ::fchmod(acceptor_.native_handle(), 0600) != 0) {
    return SystemError("fchmod", errno);
  }
  if (!error) acceptor_.bind(Socket::endpoint(temporary), error);
  if (!error) acceptor_.listen(64, error);
  if (error) return SystemError("cannot listen on " + path_, error.value());
  if (::link(temporary.c_str(), path_.c_str()) != 0) {
    return SystemError("cannot listen on " + path_, errno);
  }
  struct stat file {};
  if (::lstat(path_.c_str(), &file) == 0) {
    device_ = file.st_dev;
    inode_ = file.st_ino;
  }
  return {};
}

void UnixServer::Accept() {
  if (accepting_ || sessions_.size() >= limits_.max_clients) return;
  accepting_ = true;
  const std::weak_ptr<void> alive = alive_;
  acceptor_.async_accept([this, alive](error_code error, Socket::socket socket) {
    if (alive.expired()) return;
    accepting_ = false;
    if (!error) {
      Accepted(std::move(socket));
      return Accept();
    }
    // Out of descriptors or memory: others may free some.
    accepting_ = true;
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this, alive](error_code) {
      if (alive.expired()) return;
      accepting_ = false;
      Accept();
    });
  });
}

void UnixServer::Accepted(Socket::socket socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      (peer.uid != 0 && peer.uid != ::geteuid())) {
    if (log_) log_("refused a client of user " + std::to_string(peer.uid) + " on " + path_);
    return;
  }
  const auto session = std::make_shared<Session>(this, std::move(socket));
  sessions_.insert(session);
  session->Start();
}

void UnixServer::Closed(Session* session) {
  sessions_.erase(session->shared_from_this());
  Accept();
}

}  // namespace vireo::api
