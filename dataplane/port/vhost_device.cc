#include "dataplane/port/vhost_device.h"

#include <fcntl.h>
#include <rte_vhost.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <map>
#include <thread>

#include "dataplane/port/dpdk_log.h"
#include "dataplane/port/vhost_features.h"

namespace vireo {
namespace {

// A worker is inside for microseconds; longer than this only if its thread gets no time at all.
constexpr std::chrono::seconds kLongestVisit{10};

// librte_vhost names a device by the path of its socket.
class Registry {
 public:
  bool Add(const std::string& path, VhostDevice* device) {
    const std::lock_guard lock(mutex_);
    return devices_.emplace(path, device).second;
  }
  void Remove(const std::string& path) {
    const std::lock_guard lock(mutex_);
    devices_.erase(path);
  }
  VhostDevice* Find(int id) {
    std::array<char, PATH_MAX> path{};
    if (rte_vhost_get_ifname(id, path.data(), path.size()) != 0) return nullptr;
    const std::lock_guard lock(mutex_);
    const auto it = devices_.find(path.data());
    return it == devices_.end() ? nullptr : it->second;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, VhostDevice*> devices_;
};

Registry& Devices() {
  static Registry registry;
  return registry;
}

constexpr std::uint16_t RingToVm(std::uint16_t pair) {
  return static_cast<std::uint16_t>(2 * pair);
}
constexpr std::uint16_t RingFromVm(std::uint16_t pair) {
  return static_cast<std::uint16_t>(2 * pair + 1);
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// A socket that a process left behind when it was killed would be in the way.
Status RemoveStale(const std::string& path) {
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) return {};
  if (!S_ISSOCK(file.st_mode)) {
    return Error{ErrorCode::kAlreadyExists,
                 path + " is there and is no socket; remove it or choose another path"};
  }
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno != ECONNREFUSED) {
    return Error{ErrorCode::kAlreadyExists,
                 path + " is in use by another process; end it or choose another path"};
  }
  unlink(path.c_str());
  return {};
}

}  // namespace

// What librte_vhost calls, on its own thread.
struct VhostCallbacks {
  static int NewDevice(int id) {
    VhostDevice* device = Devices().Find(id);
    return device == nullptr ? -1 : device->OnStart(id);
  }
  static void DestroyDevice(int id) {
    if (VhostDevice* device = Devices().Find(id)) device->OnStop();
  }
  static int RingStateChanged(int id, std::uint16_t ring, int enabled) {
    if (VhostDevice* device = Devices().Find(id)) device->OnRing(id, ring, enabled != 0);
    return 0;
  }
  static int NewConnection(int id) {
    static const rte_vhost_user_extern_ops kMessages = {.pre_msg_handle = nullptr,
                                                        .post_msg_handle = AfterMessage};
    return rte_vhost_extern_callback_register(id, &kMessages, nullptr);
  }
  // A message may have left something to do at the next look into a ring, as SEND_RARP does.
  static rte_vhost_msg_result AfterMessage(int id, void*) {
    if (VhostDevice* device = Devices().Find(id)) device->WakeAll();
    return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
  }
};

VhostDevice::VhostDevice(const Options& options)
    : options_(options), visitors_(options.workers), kicks_(options.pairs) {}

Result<std::unique_ptr<VhostDevice>> VhostDevice::Open(const Options& options) {
  if (options.path.size() >= sizeof(sockaddr_un::sun_path)) {
    return Error{ErrorCode::kInvalidArgument,
                 options.path + " is longer than a socket's path of " +
                     std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                     " bytes; choose a shorter one"};
  }
  std::unique_ptr<VhostDevice> device(new VhostDevice(options));
  if (auto made = device->MakeDescriptors(); !made.ok()) return made.error();
  if (auto registered = device->Register(); !registered.ok()) return registered.error();
  return device;
}

Status VhostDevice::MakeDescriptors() {
  for (Visitor& visitor : visitors_) {
    visitor.poll = FileDescriptor(epoll_create1(EPOLL_CLOEXEC));
    visitor.wakeup = FileDescriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN;
    if (!visitor.poll.is_open() || !visitor.wakeup.is_open() ||
        epoll_ctl(visitor.poll.get(), EPOLL_CTL_ADD, visitor.wakeup.get(), &event) != 0) {
      return SystemError("make an epoll set", errno);
    }
  }
  return {};
}

Status VhostDevice::Register() {
  static const rte_vhost_device_ops kEvents = {
      .new_device = VhostCallbacks::NewDevice,
      .destroy_device = VhostCallbacks::DestroyDevice,
      .vring_state_changed = VhostCallbacks::RingStateChanged,
      .features_changed = nullptr,
      .new_connection = VhostCallbacks::NewConnection,
      .destroy_connection = nullptr,
      .guest_notified = nullptr,
      .reserved = {},
  };
  const char* path = options_.path.c_str();
  const bool client = options_.mode == VhostMode::kClient;
  if (!client) {
    if (auto free = RemoveStale(options_.path); !free.ok()) return free;
  }
  if (!Devices().Add(options_.path, this)) {
    return Error{ErrorCode::kAlreadyExists,
                 options_.path + " is another port's socket; choose another path"};
  }
  registered_ = true;
  DpdkLog log;
  const std::uint64_t flags =
      RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS | (client ? RTE_VHOST_USER_CLIENT : 0);
  int failed = rte_vhost_driver_register(path, flags);
  if (failed == 0) failed = rte_vhost_driver_disable_features(path, kRefusedFeatures);
  if (failed == 0 && options_.pairs == 1) {
    failed = rte_vhost_driver_disable_features(path, kVirtioMultiqueue);
  }
  if (failed == 0) failed = rte_vhost_driver_callback_register(path, &kEvents);
  if (failed == 0) failed = rte_vhost_driver_start(path);
  if (failed == 0) return {};
  const std::string reason = log.Reason();
  return Error{ErrorCode::kInvalidArgument,
               options_.path + " cannot be made a vhost-user socket" +
                   (reason.empty() ? "" : " (" + reason + ")") +
                   "; check that its folder exists and can be written to"};
}

VhostDevice::~VhostDevice() {
  if (!registered_) return;
  rte_vhost_driver_unregister(options_.path.c_str());
  Devices().Remove(options_.path);
}

int VhostDevice::OnStart(int id) {
  const auto pairs = static_cast<std::uint16_t>(rte_vhost_get_vring_num(id) / 2);
  refused_.store(pairs > options_.pairs, std::memory_order_relaxed);
  if (pairs > options_.pairs) return -1;
  std::uint64_t features = 0;
  rte_vhost_get_negotiated_features(id, &features);
  // Workers ask for kicks when they are about to sleep.
  for (std::uint16_t pair = 0; pair < pairs; ++pair) {
    rte_vhost_enable_guest_notification(id, RingToVm(pair), 0);
    rte_vhost_enable_guest_notification(id, RingFromVm(pair), 0);
  }
  pairs_.store(pairs, std::memory_order_relaxed);
  features_.store(features, std::memory_order_relaxed);
  id_.store(id, std::memory_order_seq_cst);
  WakeAll();
  const std::lock_guard lock(mutex_);
  if (changed_) changed_();
  return 0;
}

void VhostDevice::OnStop() {
  id_.store(-1, std::memory_order_seq_cst);
  AwaitLeft();
  const std::lock_guard lock(mutex_);
  for (std::uint16_t pair = 0; pair < kicks_.size(); ++pair) ForgetKick(pair);
  if (changed_) changed_();
}

void VhostDevice::AwaitLeft() const {
  const auto end = std::chrono::steady_clock::now() + kLongestVisit;
  for (const Visitor& visitor : visitors_) {
    while (visitor.inside.load(std::memory_order_seq_cst) &&
           std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
  }
}

// librte_vhost may hold its rings' locks here.
void VhostDevice::OnRing(int id, std::uint16_t ring, bool enabled) {
  const auto pair = static_cast<std::uint16_t>(ring / 2);
  if (pair >= kicks_.size()) return;
  const std::uint64_t bit = 1ull << pair;
  if (ring == RingToVm(pair)) {
    enabled ? taking_.fetch_or(bit, std::memory_order_relaxed)
            : taking_.fetch_and(~bit, std::memory_order_relaxed);
    return;
  }
  const std::lock_guard lock(mutex_);
  ForgetKick(pair);
  rte_vhost_vring vring{};
  if (!enabled || rte_vhost_get_vhost_vring(id, ring, &vring) != 0 || vring.kickfd < 0) return;
  kicks_[pair] = FileDescriptor(fcntl(vring.kickfd, F_DUPFD_CLOEXEC, 0));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  epoll_ctl(visitors_[pair % options_.workers].poll.get(), EPOLL_CTL_ADD, kicks_[pair].get(),
            &event);
}

// An epoll set keeps what is closed here as long as the VM has it open.
void VhostDevice::ForgetKick(std::uint16_t pair) {
  if (!kicks_[pair].is_open()) return;
  epoll_ctl(visitors_[pair % options_.workers].poll.get(), EPOLL_CTL_DEL, kicks_[pair].get(),
            nullptr);
  kicks_[pair] = FileDescriptor();
}

void VhostDevice::WakeAll() {
  const std::uint64_t one = 1;
  for (const Visitor& visitor : visitors_) {
    [[maybe_unused]] const ssize_t written = write(visitor.wakeup.get(), &one, sizeof one);
  }
}

void VhostDevice::WantKicks(std::uint16_t worker, bool wanted) {
  if (const int id = Enter(worker); id >= 0) {
    for (std::uint16_t pair = worker; pair < pairs();
         pair = static_cast<std::uint16_t>(pair + options_.workers)) {
      rte_vhost_enable_guest_notification(id, RingFromVm(pair), wanted ? 1 : 0);
    }
    Leave(worker);
  }
  if (wanted) return;
  // Takes what has been kicked out of the set, which is readable until then.
  std::array<epoll_event, kMaxPairs + 1> events;
  (void)epoll_wait(visitors_[worker].poll.get(), events.data(), events.size(), 0);
  std::uint64_t rings = 0;
  (void)!read(visitors_[worker].wakeup.get(), &rings, sizeof rings);
}

void VhostDevice::OnChange(std::function<void()> changed) {
  const std::lock_guard lock(mutex_);
  changed_ = std::move(changed);
  if (running() && changed_) changed_();
}

}  // namespace vireo
