// Endpoints that move from one router to another: who may take over, who holds what, and who has
// been told. docs/moves.md has the protocol and why it loses, doubles and reorders nothing.
//
// Theory of operation. A move begins when the control plane arms it, at every router that has the
// network; from then on it needs no control plane. At each router it has one of three roles:
//   source       has the endpoint. Holds frames to it once it is quiet; passes them on, and those
//   of
//                routers that do not know yet, once the destination has it.
//   destination  sees the endpoint's first frame, and tells all others. Lets frames of each router
//                wait until the source has passed on that router's last frame (its fence).
//   witness      anybody else. Sends to the destination once told, with a fence to the source.
// Messages are sent again until they are acknowledged.
//
// Thread: slow path only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/base/result.h"
#include "dataplane/net/move_message.h"
#include "dataplane/slow/networks.h"
#include "dataplane/table/move_table.h"

namespace vireo {

enum class MoveRole : std::uint8_t { kSource, kDestination, kWitness };
enum class MoveState : std::uint8_t {
  kArmed,      // may happen
  kHolding,    // source: the endpoint is quiet, frames to it wait
  kExpired,    // source: it was quiet for too long, frames to it are dropped
  kActivated,  // the endpoint is at the destination; the last frames by the source are on their way
  kSettled,    // everything takes the new way; late frames by the old one are still accepted
  kFinished,
  kDisarmed,   // it did not happen
  kForgotten,  // its network or endpoint was removed
};
[[nodiscard]] std::string_view Name(MoveRole role);
[[nodiscard]] std::string_view Name(MoveState state);

class Moves {
 public:
  struct Record {
    std::uint32_t vni = 0;
    net::MacAddress mac;
    std::uint64_t epoch = 0;  // that the endpoint has afterwards
    MoveRole role = MoveRole::kWitness;
    MoveState state = MoveState::kArmed;
    Place from, to;
    Time armed{}, held_since{}, activated{}, settled{}, ended{};  // epoch of the clock: not yet
    // Frames: that waited here, that were passed on from here, that were dropped while waiting.
    std::uint64_t held = 0, redirected = 0, hold_drops = 0;
  };

  // Durations, from the theory's side: how long a router that does not answer is waited for.
  struct Times {
    Duration first_retry = std::chrono::milliseconds(50);  // doubled each time
    Duration longest_retry = std::chrono::seconds(1);
    Duration give_up = std::chrono::seconds(60);  // a message that nobody acknowledges
    Duration gate = std::chrono::seconds(1);      // a fence that does not come
    Duration grace = std::chrono::seconds(5);     // for late frames by the old way
  };

  struct Host {
    // Sends to the router's VTEP, through its tunnel.
    std::function<void(std::uint32_t peer_slot, ConstBytes message)> send;
    // Makes sure that a message to the router will not have to wait for a handshake.
    std::function<void(std::uint32_t peer_slot)> warm;
    // Makes every worker run a loop.
    std::function<void()> wake_workers;
    // Whether every worker has acted on the epoch.
    std::function<bool(std::uint64_t epoch)> passed;
    // Frees the gates when no worker can hold them.
    std::function<void(std::unique_ptr<MoveGates>)> retire;
  };

  // The references must outlive the object, but `networks` calls it no more once it is gone.
  Moves(const Clock& clock, Networks& networks, MoveTable& table, Host host);
  ~Moves();
  Moves(const Moves&) = delete;
  Moves& operator=(const Moves&) = delete;

  // Allows the endpoint to move to `to` (kPort: to us) with `epoch`. The same again changes
  // nothing. Errors: kNotFound (network, endpoint, port, router), kConflict (an epoch that is not
  // newer, or another move is armed: disarm it first), kUnavailable (the last move is not settled
  // yet: try again), kInvalidArgument (it is there already), kExhausted.
  Status Arm(std::uint32_t vni, const net::MacAddress& mac, std::uint64_t epoch, Place to);
  // The endpoint's port is quiet: frames to it wait from now on. Errors: kNotFound (no move of it
  // is armed), kInvalidArgument (it is not here).
  Status Hold(std::uint32_t vni, const net::MacAddress& mac);
  // The armed move does not happen: what waited goes to where the endpoint was. Errors: kNotFound,
  // kConflict (it has happened).
  Status Disarm(std::uint32_t vni, const net::MacAddress& mac, std::uint64_t epoch);
  // Networks::PutEndpoint for an endpoint that may be moving: the control plane's word that a move
  // has happened counts as the destination's.
  Status PutEndpoint(std::uint32_t vni, const EndpointSpec& spec);
  // Whether PutEndpoint would take it, as far as moves are concerned.
  [[nodiscard]] Status MayPut(std::uint32_t vni, const EndpointSpec& spec) const;

  // The endpoint of the move has shown itself on its port here.
  void OnActive(std::uint16_t move);
  // Whether a move from or to the port is armed.
  [[nodiscard]] bool IsArmedAt(PortId port) const;
  // A port does not take packets any more, or does again.
  void OnPortQuiet(PortId port, bool quiet);
  // False: the message cannot be read, or is not that router's to send.
  [[nodiscard]] bool OnMessage(std::uint32_t from_slot, ConstBytes message);
  void Poll(Time now);
  [[nodiscard]] Time NextDeadline() const { return next_; }
  // Whether Poll has something to do though no time has passed.
  [[nodiscard]] bool HasWork() const;

  // Those under way and the last ones that ended, newest last.
  [[nodiscard]] std::vector<Record> List() const;

 private:
  struct Move {
    Record record;
    std::uint16_t id = 0;
    std::unique_ptr<MoveGates> gates;  // destination
    Time deadline = Time::max();       // of the state
  };
  // A message that waits for its acknowledgement, by who gets it and what it says.
  using Key = std::tuple<std::uint32_t, net::MoveMessageType, std::uint32_t, net::MacAddress,
                         std::uint64_t, net::IpAddress>;
  struct Outgoing {
    Time next{}, give_up{};
    Duration interval{};
  };
  struct Barrier {
    std::uint64_t epoch;
    std::function<void()> then;
  };

  // It may still happen, or be called off.
  [[nodiscard]] static bool IsArmed(const Move& move);
  [[nodiscard]] Move* FindMove(std::uint32_t vni, const net::MacAddress& mac);
  [[nodiscard]] const Move* FindMove(std::uint32_t vni, const net::MacAddress& mac) const;
  void Enter(Move& move, std::uint64_t present_epoch);
  Status MayArm(std::uint32_t vni, const net::MacAddress& mac, std::uint64_t epoch, Place to);
  std::optional<std::uint16_t> TakeId();
  MoveEntry& EntryOf(const Move& move) { return table_[move.id]; }
  // Adds one to the table's epoch, wakes the workers, and calls `then` once all have acted on it.
  void AfterAll(std::function<void()> then);
  // The same for a move that may have ended by then.
  void AfterAll(const Move& move, void (Moves::*then)(Move&));

  void Activate(Move& move);  // by role
  void ActivateHere(Move& move);
  void CloseGates(Move& move);
  void OpenGate(Move& move, std::uint32_t gate);
  void OpenAllGates(Move& move);
  void SendFence(Move& move);
  void Settle(Move& move);
  void Finish(Move& move, MoveState state);
  void OnActivate(std::uint32_t from_slot, const net::MoveMessage& message);
  void OnFence(std::uint32_t from_slot, const net::MoveMessage& message);
  void OnRelay(std::uint32_t from_slot, const net::MoveMessage& message);
  // Whether the endpoint has that epoch or a newer one: whoever says so again has been heard.
  [[nodiscard]] bool IsPast(const net::MoveMessage& message) const;
  void Acknowledge(std::uint32_t to_slot, const net::MoveMessage& message);
  void SendUntilAcknowledged(std::uint32_t to_slot, const net::MoveMessage& message, Time give_up);
  void Send(std::uint32_t to_slot, const net::MoveMessage& message);
  void SetDeadline(Move& move, Time deadline);
  void PollMove(Move& move);
  void PollOutgoing(Time now);
  [[nodiscard]] Record Describe(const Move& move) const;
  [[nodiscard]] net::IpAddress OwnVtep(std::uint32_t to_slot) const;
  [[nodiscard]] std::optional<std::uint32_t> SlotOfVtep(const net::IpAddress& vtep) const;

  static constexpr std::size_t kMaxEnded = 256;

  const Clock& clock_;
  Networks& networks_;
  MoveTable& table_;
  const Host host_;
  const Times times_{};
  std::map<std::pair<std::uint32_t, net::MacAddress>, Move> moves_;  // by VNI and MAC
  std::map<Key, Outgoing> outgoing_;
  std::deque<Barrier> barriers_;  // oldest first
  std::vector<std::uint16_t> free_ids_;
  std::uint16_t next_id_ = 1;
  std::set<PortId> quiet_;
  std::deque<Record> ended_;
  Time next_ = Time::max();  // not after any deadline
};

}  // namespace vireo
