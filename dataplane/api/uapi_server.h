// Serves WireGuard's userspace API on /var/run/wireguard/IFNAME.sock, for wg(8) and wg-quick(8).
// Thread: everything runs on the thread that runs the io_context.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/api/uapi.h"
#include "dataplane/api/unix_server.h"

namespace vireo::api {

// The device behind the socket.
class UapiBackend {
 public:
  virtual ~UapiBackend() = default;
  virtual UapiDevice Get() = 0;
  // Applies all of it or, if it fails, as little as possible. A peer with the device's own public
  // key is ignored without an error.
  virtual Status Set(const UapiSet& set) = 0;
};

inline constexpr std::string_view kUapiFolder = "/var/run/wireguard";
// Largest `set` request, bytes: more than 10,000 peers with 100 allowed IPs each.
inline constexpr std::size_t kUapiMaxRequest = std::size_t{32} << 20;

// One client. Requests may follow each other without end. A mistake in a `set` is answered when
// its last line has come, and nothing of it is applied; a request that ends early is dropped.
class UapiConversation final : public Conversation {
 public:
  // `backend` and `log` must outlive the object; `log` may hold no function.
  UapiConversation(UapiBackend& backend, const UnixServer::Log& log)
      : backend_(backend), log_(log) {}
  ~UapiConversation() override;

  Progress Receive(std::string_view& bytes, std::string& answer) override;

 private:
  enum class State : std::uint8_t { kOperation, kGet, kSet };

  Progress Take(std::string_view line, std::string& answer);
  Progress Get(std::string& answer);
  Progress Set(std::string& answer);
  Progress Refuse(const Error& error, std::string& answer);

  UapiBackend& backend_;
  const UnixServer::Log& log_;
  State state_ = State::kOperation;
  std::string partial_;        // the beginning of a line, at most kUapiMaxLine bytes
  std::size_t set_bytes_ = 0;  // of the request so far
  UapiSetParser set_;
};

class UapiServer {
 public:
  struct Options {
    std::string interface_name;
    std::string folder = std::string(kUapiFolder);
    UnixServerLimits limits;
    UnixServer::Log log;
    // The socket's file was removed or replaced: what `wg` users do to end a userspace device.
    // Called once; may destroy the server.
    std::function<void()> on_removed;
  };

  // Errors: as UnixServer::Listen. `backend` must outlive the server.
  static Result<std::unique_ptr<UapiServer>> Listen(boost::asio::io_context& context,
                                                    UapiBackend& backend, Options options);

  [[nodiscard]] const std::string& path() const { return server_->path(); }

 private:
  UapiServer(boost::asio::io_context& context, Options options);
  Status Watch();
  void ReadEvents();

  Options options_;
  // A handler that was queued when the server went holds a weak reference to see it.
  std::shared_ptr<void> alive_ = std::make_shared<char>();
  boost::asio::posix::stream_descriptor inotify_;
  std::array<char, 4096> events_{};
  std::unique_ptr<UnixServer> server_;
};

}  // namespace vireo::api
