// A peer's containers: keypairs and the heap of deadlines.
#include "dataplane/wg/peer.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "dataplane/wg/deadline_heap.h"

namespace vireo::wg {
namespace {

std::unique_ptr<Session> MakeSession(std::uint32_t index) {
  static constexpr std::array<std::byte, 32> kKey{};
  auto session = std::make_unique<Session>(CipherSuite::kChaCha20Poly1305, kKey, kKey);
  session->local_index = index;
  return session;
}

// previous, current, next; 0 for none.
struct Slots {
  std::uint32_t previous, current, next;
  friend bool operator==(const Slots&, const Slots&) = default;
};
Slots SlotsOf(const Keypairs& keypairs) {
  const auto index = [](const Session* session) { return session ? session->local_index : 0; };
  return {index(keypairs.previous()), index(keypairs.current()), index(keypairs.next())};
}
std::vector<std::uint32_t> Indices(const Keypairs::Dropped& dropped) {
  std::vector<std::uint32_t> indices;
  for (const auto& session : dropped) indices.push_back(session->local_index);
  std::sort(indices.begin(), indices.end());
  return indices;
}
using Dropped = std::vector<std::uint32_t>;

TEST(Keypairs, InitiatorMovesCurrentToPrevious) {
  Keypairs keypairs;
  EXPECT_EQ(Indices(keypairs.InstallInitiated(MakeSession(1))), Dropped{});
  EXPECT_EQ(SlotsOf(keypairs), (Slots{0, 1, 0}));
  EXPECT_EQ(Indices(keypairs.InstallInitiated(MakeSession(2))), Dropped{});
  EXPECT_EQ(SlotsOf(keypairs), (Slots{1, 2, 0}));
  EXPECT_EQ(Indices(keypairs.InstallInitiated(MakeSession(3))), Dropped{1});
  EXPECT_EQ(SlotsOf(keypairs), (Slots{2, 3, 0}));
}

TEST(Keypairs, InitiatorMovesNextToPreviousIfThereIsOne) {
  Keypairs keypairs;
  (void)keypairs.InstallInitiated(MakeSession(1));
  (void)keypairs.InstallInitiated(MakeSession(2));
  EXPECT_EQ(Indices(keypairs.InstallAnswered(MakeSession(3))), Dropped{1});
  EXPECT_EQ(SlotsOf(keypairs), (Slots{0, 2, 3}));
  EXPECT_EQ(Indices(keypairs.InstallInitiated(MakeSession(4))), Dropped{2});
  EXPECT_EQ(SlotsOf(keypairs), (Slots{3, 4, 0}));
}

TEST(Keypairs, ResponderDropsOldNextAndPrevious) {
  Keypairs keypairs;
  (void)keypairs.InstallInitiated(MakeSession(1));
  (void)keypairs.InstallInitiated(MakeSession(2));
  (void)keypairs.InstallAnswered(MakeSession(3));
  EXPECT_EQ(Indices(keypairs.InstallAnswered(MakeSession(4))), Dropped{3});
  EXPECT_EQ(SlotsOf(keypairs), (Slots{0, 2, 4}));
}

TEST(Keypairs, ConfirmationMovesNextToCurrentToPrevious) {
  Keypairs keypairs;
  (void)keypairs.InstallAnswered(MakeSession(1));
  EXPECT_EQ(SlotsOf(keypairs), (Slots{0, 0, 1}));
  EXPECT_EQ(Indices(keypairs.ConfirmNext()), Dropped{});
  EXPECT_EQ(SlotsOf(keypairs), (Slots{0, 1, 0}));
  (void)keypairs.InstallAnswered(MakeSession(2));
  EXPECT_EQ(Indices(keypairs.ConfirmNext()), Dropped{});
  EXPECT_EQ(SlotsOf(keypairs), (Slots{1, 2, 0}));
}

TEST(Keypairs, ClearDropsAll) {
  Keypairs keypairs;
  (void)keypairs.InstallInitiated(MakeSession(1));
  (void)keypairs.InstallInitiated(MakeSession(2));
  EXPECT_EQ(Indices(keypairs.Clear()), (Dropped{1, 2}));
  EXPECT_TRUE(keypairs.empty());
}

TEST(Peer, IdlePeerIsSmall) { EXPECT_LE(sizeof(Peer), 768u); }

TEST(DeadlineHeap, AgreesWithAModel) {
  std::mt19937_64 random(5);
  std::vector<std::unique_ptr<PeerPath>> paths;
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 100; ++i) {
    paths.push_back(std::make_unique<PeerPath>());
    peers.push_back(std::make_unique<Peer>(PublicKey{}, *paths.back()));
  }
  DeadlineHeap heap;
  std::map<Peer*, Time> model;
  for (int step = 0; step < 20'000; ++step) {
    Peer* peer = peers[random() % peers.size()].get();
    const Time deadline = random() % 3 == 0 ? kNever : Time(Duration(random() % 1000));
    heap.Set(*peer, deadline);
    model.erase(peer);
    if (deadline != kNever) model[peer] = deadline;
    ASSERT_EQ(heap.size(), model.size());
    Time earliest = kNever;
    for (const auto& [key, time] : model) earliest = std::min(earliest, time);
    ASSERT_EQ(heap.EarliestDeadline(), earliest);
    if (!model.empty()) {
      ASSERT_EQ(model.at(heap.Earliest()), earliest);
    }
  }
}

}  // namespace
}  // namespace vireo::wg
