// The three sessions a peer may have at a time, and how they take each other's place
// (WireGuard paper §6.3; Linux noise.c add_new_keypair, wg_noise_received_with_keypair).
#pragma once

#include <memory>
#include <vector>

#include "dataplane/wg/session.h"

namespace vireo::wg {

// Invariants. Packets are sealed with `current` only. `next` is a session that we answered and that
// the initiator has not used yet: it opens packets and must not seal any. `previous` opens the
// packets that were under way during the last change.
//
// Thread safety: slow path only. Whoever calls publishes current() to the workers afterwards and
// retires what was dropped after that.
class Keypairs {
 public:
  // Sessions that lost their place; workers may still hold them.
  using Dropped = std::vector<std::unique_ptr<Session>>;

  // A session that we initiated and the responder confirmed: previous := next if there is one, else
  // current; current := session.
  [[nodiscard]] Dropped InstallInitiated(std::unique_ptr<Session> session);
  // A session that we answered: next := session; the old next and previous are dropped.
  [[nodiscard]] Dropped InstallAnswered(std::unique_ptr<Session> session);
  // The initiator has used `next`: previous := current, current := next. REQUIRES next().
  [[nodiscard]] Dropped ConfirmNext();
  [[nodiscard]] Dropped Clear();

  [[nodiscard]] Session* previous() const { return previous_.get(); }
  [[nodiscard]] Session* current() const { return current_.get(); }
  [[nodiscard]] Session* next() const { return next_.get(); }
  [[nodiscard]] bool empty() const { return !previous_ && !current_ && !next_; }

 private:
  std::unique_ptr<Session> previous_;
  std::unique_ptr<Session> current_;
  std::unique_ptr<Session> next_;
};

}  // namespace vireo::wg
