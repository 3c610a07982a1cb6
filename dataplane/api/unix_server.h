// Serves a Conversation on a Unix stream socket.
//
// Theory of operation
//   The socket is made under a temporary name, listens, and only then gets its own name by link(2):
//   a client never sees it refuse (wg(8) removes sockets that do), and of two daemons starting at
//   once one gets EEXIST. Each client has one read buffer of fixed size and at most one answer
//   outstanding; nothing is read while an answer is on its way out.
// Thread safety
//   All calls, and the conversations, run on the thread that runs the io_context.
// Invariants
//   At most `max_clients` sessions; further clients wait in the backlog. A session ends when a
//   deadline passes, so waiting ends too.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "dataplane/api/conversation.h"
#include "dataplane/base/result.h"

namespace vireo::api {

struct UnixServerLimits {
  std::size_t max_clients = 32;
  // From a request's first byte to its last, and for the client to take its answer.
  std::chrono::milliseconds request_time = std::chrono::seconds(10);
  // Between requests.
  std::chrono::milliseconds idle_time = std::chrono::minutes(2);
};

class UnixServer {
 public:
  using StartConversation = std::function<std::unique_ptr<Conversation>()>;
  using Log = std::function<void(std::string_view)>;

  // Makes the socket, owner-only (0600), and its folder if missing (0755). A dead socket in its
  // place is removed. Serves only processes of root or of our own user. `log` gets one line for
  // what an operator may want to know; may be empty.
  // Errors: kAlreadyExists if somebody listens there or the path is no socket.
  static Result<std::unique_ptr<UnixServer>> Listen(boost::asio::io_context& context,
                                                    std::string path, UnixServerLimits limits,
                                                    StartConversation start, Log log);
  // Closes all clients and removes the socket, unless somebody else's has taken its name.
  ~UnixServer();
  UnixServer(const UnixServer&) = delete;
  UnixServer& operator=(const UnixServer&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // True while our socket is the one that has the name.
  [[nodiscard]] bool OwnsPath() const;
  [[nodiscard]] std::size_t clients() const { return sessions_.size(); }

 private:
  class Session;
  using Socket = boost::asio::local::stream_protocol;

  UnixServer(boost::asio::io_context& context, std::string path, UnixServerLimits limits,
             StartConversation start, Log log);
  Status Open();
  Status RemoveStale() const;
  Status BindAs(const std::string& temporary);
  void Accept();
  void Accepted(Socket::socket socket);
  void Closed(Session* session);

  std::string path_;
  UnixServerLimits limits_;
  StartConversation start_;
  Log log_;
  boost::asio::io_context& context_;
  Socket::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  std::set<std::shared_ptr<Session>> sessions_;
  // Handlers that were queued when the server went hold a weak reference to see it.
  std::shared_ptr<void> alive_ = std::make_shared<char>();
  bool accepting_ = false;
  dev_t device_ = 0;  // of the socket file, with inode_
  ino_t inode_ = 0;
};

}  // namespace vireo::api
