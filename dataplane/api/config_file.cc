#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "dataplane/api/config.h"
#include "dataplane/base/encoding.h"

namespace vireo::api {
namespace {

constexpr std::size_t kMaxConfigFile = std::size_t{64} << 20;

// Owns a descriptor.
class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// A file's whole content, at most `max` bytes.
Result<std::string> ReadAll(const File& file, const std::string& path, std::size_t max) {
  struct stat status {};
  if (file.fd() < 0 || ::fstat(file.fd(), &status) != 0) return SystemError(path, errno);
  if (S_ISDIR(status.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, path + ": is a folder"};
  }
  // Made at once with room for all: growing would leave copies of keys in freed memory.
  std::string text;
  text.reserve(std::min(max, static_cast<std::size_t>(status.st_size)) + 4096);
  char block[4096];
  for (;;) {
    const ssize_t size = ::read(file.fd(), block, sizeof block);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return SystemError(path, errno);
    if (size == 0) break;
    text.append(block, static_cast<std::size_t>(size));
    if (text.size() > max) {
      return Error{ErrorCode::kExhausted, path + ": larger than " + std::to_string(max) + " bytes"};
    }
  }
  SecureZero(block, sizeof block);
  return text;
}

std::string Resolve(const std::filesystem::path& folder, const std::string& path) {
  return (folder / path).string();  // an absolute path replaces the folder
}

void LoadKey(const std::filesystem::path& folder, const std::string& file, unsigned line,
             Secret<kKeySize>& key, std::vector<ConfigError>& errors) {
  if (file.empty()) return;
  auto loaded = ReadKeyFile(Resolve(folder, file));
  if (loaded) {
    key = loaded.value();
  } else {
    errors.push_back({line, 1, "key file " + loaded.error().message});
  }
}

}  // namespace

Result<Secret<kKeySize>> ReadKeyFile(const std::string& path) {
  const File file(path);
  struct stat status {};
  if (file.fd() < 0 || ::fstat(file.fd(), &status) != 0) {
    Error error = SystemError(path, errno);
    error.message += "; make it with `umask 077; wg genkey > " + path + "`";
    return error;
  }
  if ((status.st_mode & S_IROTH) != 0) {
    return Error{ErrorCode::kPermissionDenied,
                 path + ": everybody may read it; run `chmod 600 " + path + "`"};
  }
  auto text = ReadAll(file, path, 1024);
  if (!text) return text.error();
  std::string_view key = text.value();
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r' || key.back() == ' ')) {
    key.remove_suffix(1);
  }
  Secret<kKeySize> secret;
  const bool valid = FromBase64(key, secret.bytes()) && !secret.IsZero();
  SecureZero(text->data(), text->size());
  if (!valid) {
    return Error{ErrorCode::kInvalidArgument,
                 path + ": holds no key; it must be one line as `wg genkey` prints it"};
  }
  return secret;
}

ConfigOutcome ReadConfigFile(const std::string& path, KeyFiles key_files) {
  const File file(path);
  auto text = ReadAll(file, path, kMaxConfigFile);
  if (!text) {
    // ConfigError::ToString names the file.
    std::string message = text.error().message.substr(path.size() + 2);
    ConfigOutcome outcome;
    outcome.errors.push_back(
        {0, 0, "cannot be read: " + std::move(message) + "; check the path and who may read it"});
    return outcome;
  }
  ConfigOutcome outcome = ParseConfig(text.value());
  SecureZero(text->data(), text->size());
  if (!outcome.ok() || key_files == KeyFiles::kIgnore) return outcome;

  const auto folder = std::filesystem::path(path).parent_path();
  RouterConfig& config = *outcome.config;
  LoadKey(folder, config.private_key_file, config.private_key_line, config.private_key,
          outcome.errors);
  for (PeerConfig& peer : config.peers) {
    LoadKey(folder, peer.preshared_key_file, peer.line, peer.preshared_key, outcome.errors);
  }
  if (!outcome.errors.empty()) outcome.config.reset();
  return outcome;
}

}  // namespace vireo::api
