// `vireo capture`: begins a capture, reads it over and over, and writes what it gets as pcapng.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <map>
#include <string>
#include <tuple>

#include "ctrl/cli/commands.h"
#include "ctrl/cli/dataplane.h"
#include "ctrl/cli/pcapng.h"
#include "ctrl/cli/protocols.h"
#include "dataplane/net/address.h"

namespace vireo::cli {
namespace {

// How long to wait after an answer without packets.
constexpr timespec kPause{0, 20'000'000};

// Signals that end a capture: they are taken where it waits, so that each block is written whole.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&signals_);
    for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~EndSignals() {
    // Writing to a pipe that nobody reads has raised one perhaps, which is not to kill us now.
    const timespec at_once{};
    while (sigtimedwait(&signals_, nullptr, &at_once) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;

  // Waits; true if one came.
  [[nodiscard]] bool Came(const timespec& longest) const {
    return sigtimedwait(&signals_, nullptr, &longest) > 0;
  }

 private:
  sigset_t signals_{}, before_{};
};

// Where the blocks go: a file of its owner only, or standard output.
class Output {
 public:
  explicit Output(std::ostream& out) : out_(out) {}
  ~Output() {
    if (fd_ >= 0) close(fd_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  Status Open(const std::string& path) {
    if (path == "-") return {};
    // Others' packets are in it: nobody else may read it, nor lead us elsewhere by a link.
    fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) return SystemError("cannot write " + path, errno);
    struct stat status {};
    if (fstat(fd_, &status) == 0 && S_ISREG(status.st_mode) &&
        (fchmod(fd_, 0600) != 0 || ftruncate(fd_, 0) != 0)) {
      return SystemError("cannot write " + path, errno);
    }
    return {};
  }
  // False: it cannot be written any more, `errno` says why.
  [[nodiscard]] bool Write(std::string_view bytes) {
    if (fd_ < 0) {
      errno = 0;
      if (out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()) return true;
      if (errno == 0) errno = EIO;
      return false;
    }
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) return false;
      if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }

 private:
  std::ostream& out_;
  int fd_ = -1;
};

// Answers of the dataplane as blocks of the file.
class File {
 public:
  File(std::uint32_t snap_length, std::uint64_t count)
      : writer_("vireo " + std::string(Version())), snap_length_(snap_length), count_(count) {}

  // Packets beyond the wanted count are left away.
  void Add(const v1::ReadCaptureResponse& answer) {
    for (const v1::CapturedPacket& packet : answer.packets()) {
      if (IsFull()) return;
      if (packet.interface() >= static_cast<std::uint32_t>(answer.interfaces_size())) continue;
      Interface& interface = InterfaceOf(answer.interfaces(static_cast<int>(packet.interface())));
      const PacketWay way = packet.way() == "in"    ? PacketWay::kIn
                            : packet.way() == "out" ? PacketWay::kOut
                                                    : PacketWay::kUnknown;
      std::string comment;
      if (!packet.drop_reason().empty()) {
        comment = "dropped: " + packet.drop_reason() + ": " + packet.drop_text();
        ++dropped_;
      }
      writer_.AddPacket(interface.number, packet.unix_ns(), way, packet.size(), packet.bytes(),
                        comment);
      ++interface.packets;
      ++packets_;
    }
  }
  void Finish(std::int64_t unix_ns, std::uint64_t left_out) {
    left_out_ = left_out;
    bool first = true;
    for (const auto& [key, interface] : interfaces_) {
      // What was left out is counted for the capture as a whole.
      writer_.AddStatistics(interface.number, unix_ns, interface.packets, first ? left_out : 0,
                            first && left_out != 0 && interfaces_.size() > 1
                                ? "left out of the whole capture, not of this interface alone"
                                : "");
      first = false;
    }
  }
  [[nodiscard]] bool IsFull() const { return count_ != 0 && packets_ == count_; }
  [[nodiscard]] std::string Take() { return writer_.Take(); }
  [[nodiscard]] std::string Summary() const {
    std::string text = std::to_string(packets_) + " packets captured, " + std::to_string(dropped_) +
                       " of them dropped by the dataplane";
    if (left_out_ != 0) {
      text += "; " + std::to_string(left_out_) +
              " more were left out, as they came faster than they were written: narrow the match, "
              "or give -s";
    }
    return text;
  }

 private:
  struct Interface {
    std::uint32_t number = 0;
    std::uint64_t packets = 0;
  };

  Interface& InterfaceOf(const v1::CaptureInterface& of) {
    const auto key = std::tuple(of.name(), of.peer(), of.link(), of.inside());
    const auto [found, added] = interfaces_.try_emplace(key);
    if (added) {
      const std::string description = of.peer() ? "peer, inside its tunnel" : "port";
      found->second.number = writer_.AddInterface(
          of.inside() ? of.name() + " dropped" : of.name(),
          of.inside() ? description + ": dropped in another form than on the wire" : description,
          of.link() == "ethernet" ? LinkType::kEthernet : LinkType::kRaw, snap_length_);
    }
    return found->second;
  }

  PcapngWriter writer_;
  const std::uint32_t snap_length_;
  const std::uint64_t count_;
  std::map<std::tuple<std::string, bool, std::string, bool>, Interface> interfaces_;
  std::uint64_t packets_ = 0, dropped_ = 0, left_out_ = 0;
};

// Nothing: it was printed what is wrong, and `code` says how to end.
std::optional<v1::Request> RequestOf(const Context& context, const CaptureOptions& options,
                                     Dataplane& dataplane, ExitCode& code) {
  v1::Request request;
  v1::BeginCaptureRequest& begin = *request.mutable_begin_capture();
  v1::CaptureMatch& match = *begin.mutable_match();
  begin.set_snap_length(options.snap_length);
  match.set_transport_port(options.transport_port);
  match.set_vni(options.vni);
  const auto refuse = [&](const std::string& message) {
    code = context.Fail(kUsage, message);
    return std::nullopt;
  };
  for (const auto& [text, out] : {std::pair(&options.source, match.mutable_source()),
                                  std::pair(&options.destination, match.mutable_destination())}) {
    if (text->empty()) continue;
    const auto prefix = net::Prefix::Parse(*text);
    if (!prefix) return refuse(NoPrefix(*text));
    *out = prefix->ToString();
  }
  if (!options.protocol.empty()) {
    const auto protocol = ParseProtocol(options.protocol);
    if (!protocol) return refuse(NoProtocol(options.protocol));
    match.set_protocol(*protocol);
  }
  if (options.names.empty()) return request;
  v1::Request list;
  list.mutable_list_ports();
  const auto ports = dataplane.Ask(list);
  for (const std::string& name : options.names) {
    if (!ports) break;
    bool is_port = false;
    for (const v1::Port& port : ports->list_ports().ports()) is_port |= port.name() == name;
    if (is_port) {
      begin.add_ports(name);
      continue;
    }
    const auto peer = dataplane.AskPeer(name);
    if (!peer) break;
    begin.add_peers(peer->public_key());
  }
  code = dataplane.failure();
  return code == kOk ? std::optional(request) : std::nullopt;
}

std::optional<v1::ReadCaptureResponse> Read(Dataplane& dataplane, std::uint32_t id, bool end) {
  v1::Request request;
  request.mutable_read_capture()->set_id(id);
  request.mutable_read_capture()->set_end(end);
  auto response = dataplane.Ask(request);
  if (!response) return std::nullopt;
  return std::move(*response->mutable_read_capture());
}

// Reads and writes until something ends it. False: the output cannot be written any more.
bool Follow(const CaptureOptions& options, Dataplane& dataplane, std::uint32_t id,
            const EndSignals& signals, const Clock& clock, File& file, Output& output) {
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + std::chrono::seconds(options.seconds);
  bool end = false;
  for (;;) {
    const auto answer = Read(dataplane, id, end);
    if (!answer) return true;
    file.Add(*answer);
    const bool over = end && !answer->more();
    if (over) file.Finish(clock.WallNow().time_since_epoch().count(), answer->left_out());
    if (!output.Write(file.Take())) return false;
    if (over) return true;
    // At the end there is more until all workers have stopped, which is soon.
    const bool pause = !answer->more() || (end && answer->packets().empty());
    end |= signals.Came(pause ? kPause : timespec{}) || file.IsFull() ||
           (options.seconds != 0 && steady_clock::now() >= deadline);
  }
}

}  // namespace

ExitCode CapturePackets(const Context& context, const CaptureOptions& options) {
  Dataplane dataplane(context);
  ExitCode code = kOk;
  const auto request = RequestOf(context, options, dataplane, code);
  if (!request) return code;
  const EndSignals signals;
  Output output(context.out());
  if (auto opened = output.Open(options.file); !opened) {
    return context.Fail(kUsage, opened.error().message);
  }
  const auto begun = dataplane.Ask(*request);
  if (!begun) return dataplane.failure();
  File file(options.snap_length, options.count);
  const bool written = Follow(options, dataplane, begun->begin_capture().id(), signals,
                              context.environment.clock, file, output);
  if (dataplane.failure() != kOk) return dataplane.failure();
  // Whoever read our output has seen enough: that is an end as good as any. The dataplane forgets
  // a capture that nobody reads.
  if (!written && errno != EPIPE) {
    return context.Fail(kRefused, SystemError("cannot write " + options.file, errno).message);
  }
  context.environment.err << file.Summary() << '\n';
  return kOk;
}

}  // namespace vireo::cli
