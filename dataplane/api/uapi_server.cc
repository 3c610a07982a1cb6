#include "dataplane/api/uapi_server.h"

#include <sys/inotify.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <utility>

#include "dataplane/base/secret.h"

namespace vireo::api {

using boost::system::error_code;

UapiConversation::~UapiConversation() { SecureZero(partial_.data(), partial_.size()); }

Progress UapiConversation::Receive(std::string_view& bytes, std::string& answer) {
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, newline);
    if (partial_.size() + piece.size() > kUapiMaxLine) {
      return Refuse({ErrorCode::kInvalidArgument, "line is too long"}, answer);
    }
    bytes.remove_prefix(newline == std::string_view::npos ? bytes.size() : newline + 1);
    if (newline == std::string_view::npos) {
      partial_.reserve(kUapiMaxLine);  // growing would leave copies of keys in freed memory
      partial_.append(piece);
      break;
    }
    Progress progress;
    if (partial_.empty()) {
      progress = Take(piece, answer);
    } else {
      partial_.append(piece);
      progress = Take(partial_, answer);
      SecureZero(partial_.data(), partial_.size());
      partial_.clear();
    }
    if (progress == Progress::kAnswer || progress == Progress::kClose) return progress;
  }
  return state_ == State::kOperation && partial_.empty() ? Progress::kIdle : Progress::kMidway;
}

Progress UapiConversation::Take(std::string_view line, std::string& answer) {
  switch (state_) {
    case State::kOperation:
      if (line == "get=1") {
        state_ = State::kGet;
      } else if (line == "set=1") {
        state_ = State::kSet;
      } else {
        return Progress::kClose;
      }
      return Progress::kMidway;
    case State::kGet:
      if (line.empty()) return Get(answer);
      return Refuse({ErrorCode::kInvalidArgument, "get takes no further lines"}, answer);
    case State::kSet:
      if (line.empty()) return Set(answer);
      set_bytes_ += line.size() + 1;
      if (set_bytes_ > kUapiMaxRequest) {
        return Refuse({ErrorCode::kExhausted, "set request is too large"}, answer);
      }
      set_.Add(line);
      return Progress::kMidway;
  }
  return Progress::kClose;
}

Progress UapiConversation::Get(std::string& answer) {
  state_ = State::kOperation;
  answer = FormatUapiGet(backend_.Get());
  answer += FormatUapiErrno(UapiOperation::kGet, {});
  return Progress::kAnswer;
}

Progress UapiConversation::Set(std::string& answer) {
  state_ = State::kOperation;
  set_bytes_ = 0;
  const auto request = set_.Finish();
  const Status status = request ? backend_.Set(request.value()) : Status(request.error());
  if (!status && log_) log_("set refused: " + status.error().message);
  answer = FormatUapiErrno(UapiOperation::kSet, status);
  return Progress::kAnswer;
}

Progress UapiConversation::Refuse(const Error& error, std::string& answer) {
  if (log_) log_("request refused: " + error.message);
  const auto operation = state_ == State::kSet ? UapiOperation::kSet : UapiOperation::kGet;
  if (state_ != State::kOperation) answer = FormatUapiErrno(operation, error);
  return Progress::kClose;
}

UapiServer::UapiServer(boost::asio::io_context& context, Options options)
    : options_(std::move(options)), inotify_(context) {}

Result<std::unique_ptr<UapiServer>> UapiServer::Listen(boost::asio::io_context& context,
                                                       UapiBackend& backend, Options options) {
  std::unique_ptr<UapiServer> uapi(new UapiServer(context, std::move(options)));
  auto server = UnixServer::Listen(
      context, uapi->options_.folder + "/" + uapi->options_.interface_name + ".sock",
      uapi->options_.limits,
      [&backend, &log = std::as_const(uapi->options_.log)] {
        return std::make_unique<UapiConversation>(backend, log);
      },
      uapi->options_.log);
  if (!server) return server.error();
  uapi->server_ = std::move(server).value();
  if (Status status = uapi->Watch(); !status) return status.error();
  return uapi;
}

Status UapiServer::Watch() {
  const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return SystemError("inotify_init1", errno);
  inotify_.assign(fd);
  constexpr std::uint32_t kGone = IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF;
  if (::inotify_add_watch(fd, options_.folder.c_str(), kGone) < 0) {
    return SystemError("cannot watch " + options_.folder, errno);
  }
  ReadEvents();
  return {};
}

void UapiServer::ReadEvents() {
  // What happened is asked of the file system, so events of other files and lost ones do no harm.
  inotify_.async_read_some(
      boost::asio::buffer(events_),
      [this, alive = std::weak_ptr<void>(alive_)](error_code error, std::size_t) {
        if (error || alive.expired()) return;
        if (server_->OwnsPath()) return ReadEvents();
        if (const auto callback = std::exchange(options_.on_removed, nullptr)) callback();
      });
}

}  // namespace vireo::api
