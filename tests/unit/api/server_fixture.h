// For tests of socket servers: an io_context on a thread of its own, a folder, and a plain client.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <string>
#include <thread>

namespace vireo::api {

inline sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

// A socket file that nobody listens on.
inline void MakeDeadSocket(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = UnixAddress(path);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(fd);
}

// A client whose reads end after 10 s at most.
class Client {
 public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    const sockaddr_un address = UnixAddress(path);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ADD_FAILURE() << "connect " << path << ": " << std::strerror(errno);
    }
  }
  explicit Client(int fd) : fd_(fd) {}
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view bytes) { EXPECT_TRUE(TrySend(bytes)); }
  bool TrySend(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void EndOfSending() { shutdown(fd_, SHUT_WR); }

  bool Readable(std::chrono::milliseconds timeout) {
    pollfd poll_fd{fd_, POLLIN, 0};
    return poll(&poll_fd, 1, static_cast<int>(timeout.count())) > 0;
  }
  // Exactly `size` bytes, or less at the end.
  std::string Read(std::size_t size) {
    std::string text;
    char block[65536];
    while (text.size() < size && Readable(std::chrono::seconds(10))) {
      const ssize_t got = recv(fd_, block, std::min(sizeof block, size - text.size()), 0);
      if (got <= 0) break;
      text.append(block, static_cast<std::size_t>(got));
    }
    return text;
  }
  std::string ReadAll() { return Read(SIZE_MAX); }
  // Up to and including `end`.
  std::string ReadTo(std::string_view end) {
    std::string text;
    while (!text.ends_with(end)) {
      const std::string next = Read(1);
      if (next.empty()) break;
      text += next;
    }
    return text;
  }

 private:
  int fd_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() : work_(context_.get_executor()), thread_([this] { context_.run(); }) {
    char name[] = "/tmp/vireo-server-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~ServerTest() override {
    work_.reset();
    context_.stop();
    thread_.join();
    std::filesystem::remove_all(folder_);
  }

  boost::asio::io_context& context() { return context_; }
  const std::string& folder() const { return folder_; }

  // Runs on the server's thread and waits until it has.
  void OnServer(const std::function<void()>& call) {
    std::promise<void> done;
    boost::asio::post(context_, [&] {
      call();
      done.set_value();
    });
    done.get_future().wait();
  }

  static bool Eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

 private:
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::string folder_;
  std::thread thread_;
};

}  // namespace vireo::api
