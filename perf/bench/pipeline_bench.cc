// What the packet path costs beyond its cipher.
//
// One worker carries packets from memory port to memory port through every stage, checks and
// counters on: a sealing router (access to uplink) and the opening router it sends to. In the same
// process and on the same buffers, the raw burst cipher is timed. Rounds of both are interleaved,
// and medians over rounds are reported, so that a noisy machine disturbs both alike.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/vxlan.h"
#include "dataplane/port/eal.h"
#include "perf/bench/rig.h"

namespace vireo {
namespace {

using namespace bench;

constexpr unsigned kPackets = bench::kRoundPackets;

struct Options {
  std::vector<unsigned> sizes{64, 512, 1400};
  std::vector<std::string> suites{"chacha20poly1305", "aes256gcm"};
  std::vector<unsigned> peers{1};
  std::string link = "ethernet";
  std::string network = "none";
  unsigned endpoints = 1000;
  unsigned rounds = 200;
  bool json = false;
};

struct Sample {
  double pipeline_ns;
  double aead_ns;
};

double Nanoseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::nano>(time).count() / kPackets;
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

class Bench {
 public:
  // `endpoints`: of a bridged network; 0 for plain IP packets.
  Bench(rte_mempool* pool, Link link, CipherSuite suite, unsigned size, unsigned peers,
        unsigned endpoints)
      : pool_(pool),
        suite_(suite),
        size_(size),
        peers_(peers),
        endpoints_(endpoints),
        sealer_(pool, link, 1, 2, clock_, random_),
        opener_(pool, link, 2, 1, clock_, random_),
        aead_(MakeAead()) {
    for (std::uint32_t i = 0; i < peers; ++i) {
      std::array<std::byte, kAeadKeySize> there, back;
      random_.Fill(there);
      random_.Fill(back);
      sealer_.AddPeer(i, suite, there, back);
      opener_.AddPeer(i, suite, back, there);
      sealer_.session(i).remote_index = opener_.session(i).local_index;
      opener_.session(i).remote_index = sealer_.session(i).local_index;
    }
    sealer_.Publish(false);
    opener_.Publish(true);
    if (endpoints == 0) return;
    sealer_.MakeBridged(0, endpoints);
    opener_.MakeBridged(1, endpoints);
  }

  // One round: seals and opens kPackets by pipeline, then the same amount by raw bursts.
  void Round(Sample& seal, Sample& open) {
    std::array<Packet*, kPackets> packets;
    MakePackets(packets);
    sealer_.access().InjectPackets(0, packets);
    auto start = std::chrono::steady_clock::now();
    sealer_.Run();
    seal.pipeline_ns = Nanoseconds(std::chrono::steady_clock::now() - start);
    Expect(sealer_.uplink().CollectPackets(0, packets), "sealed");
    for (Packet* packet : packets) Meta(packet).remote = {Underlay(1), 51820, 0};

    opener_.uplink().InjectPackets(0, packets);
    start = std::chrono::steady_clock::now();
    opener_.Run();
    open.pipeline_ns = Nanoseconds(std::chrono::steady_clock::now() - start);
    Expect(opener_.access().CollectPackets(0, packets), "opened");

    RawRound(packets, seal, open);
    for (Packet* packet : packets) FreePacket(packet);
  }

 private:
  void MakePackets(std::span<Packet*> packets) {
    for (Packet*& packet : packets) {
      packet = AllocatePacket(pool_);
      const auto peer = static_cast<std::uint32_t>(engine_() % peers_);
      SetSize(packet, static_cast<std::uint16_t>(size_));
      std::memset(Data(packet), 0x5a, size_);
      auto* ip = HeaderAt<net::Ipv4Header>(packet);
      std::memset(ip, 0, sizeof *ip);
      ip->version_length = 0x45;
      ip->total_length = static_cast<std::uint16_t>(size_);
      ip->ttl = 64;
      ip->protocol = net::kProtocolUdp;
      ip->source = SourceOf(peer);
      ip->destination = DestinationOf(peer);
      net::SetIpv4Checksum(ip);
      if (endpoints_ != 0) {
        MakeFrame(packet);
        continue;
      }
      if (sealer_.access().info().link != Link::kEthernet) continue;
      auto* frame =
          reinterpret_cast<net::EthernetHeader*>(Prepend(packet, sizeof(net::EthernetHeader)));
      frame->destination = sealer_.access().info().mac;
      frame->source = Mac(77);
      frame->type = net::kEtherTypeIpv4;
    }
  }

  // Between two random endpoints. The packet's size is the frame's.
  void MakeFrame(Packet* packet) {
    auto* frame = HeaderAt<net::EthernetHeader>(packet);
    const unsigned half = endpoints_ / 2;
    const auto to = static_cast<std::uint32_t>(engine_() % half);
    const auto from = static_cast<std::uint32_t>(engine_() % half);
    frame->destination = EndpointMac(1, to);
    frame->source = EndpointMac(0, from);
    frame->type = net::kEtherTypeIpv4;
    auto* ip = reinterpret_cast<net::Ipv4Header*>(frame + 1);
    std::memset(ip, 0, sizeof *ip);
    ip->version_length = 0x45;
    ip->total_length = static_cast<std::uint16_t>(size_ - sizeof *frame);
    ip->ttl = 64;
    ip->protocol = net::kProtocolUdp;
    ip->source = EndpointAddress(0, from).v4_host_order();
    ip->destination = EndpointAddress(1, to).v4_host_order();
    net::SetIpv4Checksum(ip);
    // The rest is 0x5a: no port of a DHCP server.
  }

  // Seals and opens as many bytes a packet as the pipeline did, on the same buffers.
  void RawRound(std::span<Packet*> packets, Sample& seal, Sample& open) {
    const std::uint32_t inner = size_ + (endpoints_ != 0 ? net::kVxlanOverIpv4 : 0);
    const std::uint32_t padded = (inner + 15u) & ~15u;
    std::vector<AeadJob> jobs;
    for (Packet* packet : packets) {
      const auto peer = static_cast<std::uint32_t>(engine_() % peers_);
      jobs.push_back(
          {.key = &sealer_.session(peer).send_key,
           .counter = raw_counter_++,
           .data = static_cast<std::byte*>(packet->buf_addr) + kHeadroom,
           .length = std::min<std::uint32_t>(padded, endpoints_ != 0 ? kBridgedMtu : 1420),
           .ok = false});
    }
    auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < jobs.size(); i += kMaxBurst) {
      aead_->SealBurst(std::span(jobs).subspan(i, kMaxBurst));
    }
    seal.aead_ns = Nanoseconds(std::chrono::steady_clock::now() - start);
    start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < jobs.size(); i += kMaxBurst) {
      aead_->OpenBurst(std::span(jobs).subspan(i, kMaxBurst));
    }
    open.aead_ns = Nanoseconds(std::chrono::steady_clock::now() - start);
    for (const AeadJob& job : jobs) {
      if (!job.ok) Fail("raw cipher failed to open what it sealed");
    }
  }

  static void Expect(std::size_t packets, const char* what) {
    if (packets != kPackets) {
      Fail("only " + std::to_string(packets) + " of " + std::to_string(kPackets) +
           " packets were " + what);
    }
  }
  [[noreturn]] static void Fail(const std::string& what) {
    std::cerr << "pipeline_bench: " << what << "\n";
    std::exit(1);
  }

  SystemClock clock_;
  SystemRandom random_;
  std::mt19937_64 engine_{42};
  rte_mempool* pool_;
  CipherSuite suite_;
  unsigned size_, peers_, endpoints_;
  Rig sealer_, opener_;
  std::unique_ptr<Aead> aead_;
  std::uint64_t raw_counter_ = 0;
};

void Print(const Options& options, const std::string& suite, const char* op, unsigned size,
           unsigned peers, const std::vector<Sample>& samples) {
  std::vector<double> pipeline, aead, added;
  for (const Sample& sample : samples) {
    pipeline.push_back(sample.pipeline_ns);
    aead.push_back(sample.aead_ns);
    added.push_back(sample.pipeline_ns - sample.aead_ns);
  }
  const double pipeline_ns = Median(pipeline);
  const double aead_ns = Median(aead);
  const double mpps = 1e3 / pipeline_ns;
  const double gbps = mpps * size * 8 / 1e3;
  if (options.json) {
    std::printf(
        "{\"suite\":\"%s\",\"op\":\"%s\",\"size\":%u,\"peers\":%u,\"aead_ns\":%.1f,"
        "\"pipeline_ns\":%.1f,\"ratio\":%.3f,\"mpps\":%.3f,\"gbps\":%.2f}\n",
        suite.c_str(), op, size, peers, aead_ns, pipeline_ns, pipeline_ns / aead_ns, mpps, gbps);
  } else {
    std::printf("%-17s %-5s %5u %6u %9.1f %11.1f %9.1f %6.2f %8.2f %8.2f\n", suite.c_str(), op,
                size, peers, aead_ns, pipeline_ns, Median(added), pipeline_ns / aead_ns, mpps,
                gbps);
  }
  std::fflush(stdout);
}

int Run(const Options& options) {
  auto eal = StartEal({.memory_mib = 512});
  if (!eal) {
    std::cerr << "pipeline_bench: " << eal.error().message << "\n";
    return 2;
  }
  rte_mempool* pool = MakePacketPool("bench", 2047, 1600);
  if (!options.json) {
    std::printf("%-17s %-5s %5s %6s %9s %11s %9s %6s %8s %8s\n", "suite", "op", "bytes", "peers",
                "aead ns", "pipeline ns", "added ns", "ratio", "Mpps", "Gbit/s");
  }
  const Link link = options.link == "ethernet" ? Link::kEthernet : Link::kIp;
  for (const std::string& suite : options.suites) {
    for (const unsigned size : options.sizes) {
      for (const unsigned peers : options.peers) {
        Bench bench(pool, link,
                    suite == "aes256gcm" ? CipherSuite::kAes256Gcm : CipherSuite::kChaCha20Poly1305,
                    size, peers, options.network == "bridged" ? options.endpoints : 0);
        std::vector<Sample> seal(options.rounds), open(options.rounds);
        for (unsigned i = 0; i < 10; ++i) bench.Round(seal[0], open[0]);  // warm-up
        for (unsigned i = 0; i < options.rounds; ++i) bench.Round(seal[i], open[i]);
        Print(options, suite, "seal", size, peers, seal);
        Print(options, suite, "open", size, peers, open);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace vireo

int main(int argc, char** argv) {
  vireo::Options options;
  CLI::App app("Times the packet path, memory port to memory port, beside its raw cipher.");
  app.add_option("--sizes", options.sizes, "Inner packet sizes, bytes")
      ->check(CLI::Range(28, 1420))
      ->delimiter(',');
  app.add_option("--suites", options.suites, "Cipher suites")
      ->check(CLI::IsMember({"chacha20poly1305", "aes256gcm"}))
      ->delimiter(',');
  app.add_option("--peers", options.peers, "Peers with live sessions; a random one a packet")
      ->check(CLI::Range(1, 100000))
      ->delimiter(',');
  app.add_option("--link", options.link, "What the ports carry: Ethernet frames, or bare messages")
      ->check(CLI::IsMember({"ethernet", "bare"}));
  app.add_option("--network", options.network,
                 "Plain packets, or frames of a bridged network (VXLAN over IPv4 in the tunnel)")
      ->check(CLI::IsMember({"none", "bridged"}));
  app.add_option("--endpoints", options.endpoints,
                 "Of the bridged network, half on each side; random ones a frame")
      ->check(CLI::Range(2, 10000000));
  app.add_option("--rounds", options.rounds, "Rounds of 512 packets; medians are over these")
      ->check(CLI::Range(1, 1000000));
  app.add_flag("--json", options.json, "One object a line");
  CLI11_PARSE(app, argc, argv);
  if (options.network == "bridged" && options.peers != std::vector<unsigned>{1}) {
    std::cerr << "pipeline_bench: --network bridged is for one peer: leave --peers away\n";
    return 2;
  }
  return vireo::Run(options);
}
