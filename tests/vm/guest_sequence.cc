// The numbered UDP packets of tests/netns/sequence, for a guest without Python: a static program.
//
// Usage: guest_sequence receive PORT
//        guest_sequence send ADDRESS PORT SECONDS PACKETS_A_SECOND BYTES
// The receiver prints what became of the packets, as tests/netns/sequence does.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Mark, CRC-32 of the rest, number, send time in ns; big-endian.
constexpr std::size_t kHeader = 24;
constexpr char kData[] = "vseq", kEnd[] = "vend";

std::uint32_t Crc32(const unsigned char* bytes, std::size_t size) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
      made[i] = value;
    }
    return made;
  }();
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < size; ++i) crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
  return ~crc;
}

void Put(unsigned char* to, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i)
    to[i] = static_cast<unsigned char>(value >> 8 * (bytes - 1 - i));
}
std::uint64_t Get(const unsigned char* from, unsigned bytes) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value = value << 8 | from[i];
  return value;
}

int OpenSocket() {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int size = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  return fd;
}
sockaddr_in Address(const char* address, const char* port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  inet_pton(AF_INET, address, &result.sin_addr);
  return result;
}

int Send(char** words) {
  const int fd = OpenSocket();
  const sockaddr_in to = Address(words[0], words[1]);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return 1;
  const auto rate = static_cast<std::uint64_t>(std::atoi(words[3]));
  const auto total = static_cast<std::uint64_t>(std::atoi(words[2])) * rate;
  std::vector<unsigned char> packet(static_cast<std::size_t>(std::atoi(words[4])));
  const auto send_one = [&](const char* mark, std::uint64_t number, std::size_t size) {
    std::memcpy(packet.data(), mark, 4);
    Put(&packet[8], number, 8);
    Put(&packet[16], static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()), 8);
    Put(&packet[4], Crc32(&packet[8], size - 8), 4);
    return send(fd, packet.data(), size, 0) == static_cast<ssize_t>(size);
  };
  // After a pause it goes on at the rate: what was missed is not sent in one burst.
  const Clock::duration interval = std::chrono::nanoseconds(std::chrono::seconds(1)) / rate;
  auto due = Clock::now();
  for (std::uint64_t number = 0; number < total;) {
    std::this_thread::sleep_until(due);
    due = std::max(due + interval, Clock::now() - std::chrono::milliseconds(20));
    if (send_one(kData, number, packet.size())) ++number;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  for (int i = 0; i < 5; ++i) {
    send_one(kEnd, total, kHeader);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return 0;
}

int Receive(char** words) {
  const int fd = OpenSocket();
  const sockaddr_in own = Address("0.0.0.0", words[0]);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) return 1;
  std::vector<bool> seen;
  std::array<unsigned char, 2048> packet;
  std::uint64_t sent = 0, received = 0, duplicated = 0, reordered = 0, damaged = 0, highest = 0;
  for (;;) {
    const ssize_t size = recv(fd, packet.data(), packet.size(), 0);
    if (size < 0) continue;
    const auto bytes = static_cast<std::size_t>(size);
    if (bytes < kHeader || Get(&packet[4], 4) != Crc32(&packet[8], bytes - 8)) {
      ++damaged;
      continue;
    }
    const std::uint64_t number = Get(&packet[8], 8);
    if (std::memcmp(packet.data(), kEnd, 4) == 0) {
      sent = number;
      break;
    }
    if (number >= seen.size()) seen.resize(number + 1);
    if (seen[number]) {
      ++duplicated;
      continue;
    }
    seen[number] = true;
    ++received;
    reordered += number < highest ? 1 : 0;
    if (number > highest) highest = number;
  }
  std::printf(
      "{\"sent\": %llu, \"received\": %llu, \"lost\": %lld, \"duplicated\": %llu, "
      "\"reordered\": %llu, \"damaged\": %llu}\n",
      static_cast<unsigned long long>(sent), static_cast<unsigned long long>(received),
      static_cast<long long>(sent) - static_cast<long long>(received),
      static_cast<unsigned long long>(duplicated), static_cast<unsigned long long>(reordered),
      static_cast<unsigned long long>(damaged));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "receive") return Receive(argv + 2);
  if (argc == 7 && std::string(argv[1]) == "send") return Send(argv + 2);
  std::fprintf(stderr,
               "usage: guest_sequence receive PORT | send ADDRESS PORT SECONDS RATE BYTES\n");
  return 2;
}
