#include "dataplane/api/control_server.h"

#include <google/protobuf/arena.h>
#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/api/control_frame.h"
#include "dataplane/base/secret.h"

namespace vireo::api {
namespace {

// Moves bytes to `frame` until it has `size` of them; true if it has.
bool Fill(std::string& frame, std::size_t size, std::string_view& bytes) {
  const std::size_t take = std::min(size - frame.size(), bytes.size());
  frame.append(bytes.substr(0, take));
  bytes.remove_prefix(take);
  return frame.size() == size;
}

std::string Encode(const v1::Response& response) {
  auto frame = EncodeControlFrame(response);
  if (!frame) frame = EncodeControlFrame(ErrorResponse(frame.error()));
  return std::move(frame).value();
}

// What a conversation keeps between requests.
constexpr std::size_t kKeptCapacity = std::size_t{64} << 10;

constexpr std::size_t kArenaBlock = std::size_t{256} << 10;

void WipeKeys(v1::Request& request) {
  if (!request.has_apply()) return;
  for (v1::Change& change : *request.mutable_apply()->mutable_changes()) {
    if (!change.has_put_router() || !change.put_router().peer().has_preshared_key()) continue;
    std::string& key = *change.mutable_put_router()->mutable_peer()->mutable_preshared_key();
    SecureZero(key.data(), key.size());
  }
}

Progress Refuse(const char* why, std::string& answer) {
  answer = Encode(ErrorResponse({ErrorCode::kProtocol, why}));
  return Progress::kClose;
}

}  // namespace

Progress ControlConversation::Receive(std::string_view& bytes, std::string& answer) {
  ControlFrameHeader header;
  if (frame_.size() < sizeof header && !Fill(frame_, sizeof header, bytes)) {
    return frame_.empty() ? Progress::kIdle : Progress::kMidway;
  }
  std::memcpy(&header, frame_.data(), sizeof header);
  const std::size_t size = header.size.value();
  if (size > kControlMaxRequest)
    return Refuse("request is larger than 4 MiB; send smaller batches", answer);
  if (!Fill(frame_, sizeof header + size, bytes)) return Progress::kMidway;
  return Answer(answer);
}

// The memory of large batches is not kept when the client that sent them leaves: few may come ever
// after.
ControlConversation::~ControlConversation() {
  if (had_large_) malloc_trim(0);
}

Progress ControlConversation::Answer(std::string& answer) {
  had_large_ |= frame_.size() > kKeptCapacity;
  constexpr std::size_t kHeader = sizeof(ControlFrameHeader);
  // One batch is many small messages, which live and go together.
  google::protobuf::ArenaOptions options;
  options.max_block_size = kArenaBlock;
  google::protobuf::Arena arena(options);
  v1::Request& request = *google::protobuf::Arena::CreateMessage<v1::Request>(&arena);
  const bool valid =
      request.ParseFromArray(frame_.data() + kHeader, static_cast<int>(frame_.size() - kHeader));
  WipeFrame();
  if (!valid) return Refuse("request cannot be read", answer);
  answer = Encode(backend_.Handle(request));
  WipeKeys(request);
  return Progress::kAnswer;
}

// It may have held keys, and a client that idles shall not hold a large batch's memory.
void ControlConversation::WipeFrame() {
  SecureZero(frame_.data(), frame_.size());
  frame_.clear();
  if (frame_.capacity() > kKeptCapacity) frame_.shrink_to_fit();
}

Result<std::unique_ptr<UnixServer>> ListenControl(boost::asio::io_context& context,
                                                  std::string path, ControlBackend& backend,
                                                  UnixServerLimits limits, UnixServer::Log log) {
  return UnixServer::Listen(
      context, std::move(path), limits,
      [&backend] { return std::make_unique<ControlConversation>(backend); }, std::move(log));
}

}  // namespace vireo::api
