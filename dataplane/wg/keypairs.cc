#include "dataplane/wg/keypairs.h"

#include <cassert>
#include <utility>

namespace vireo::wg {
namespace {

void Drop(Keypairs::Dropped& dropped, std::unique_ptr<Session> session) {
  if (session != nullptr) dropped.push_back(std::move(session));
}

}  // namespace

Keypairs::Dropped Keypairs::InstallInitiated(std::unique_ptr<Session> session) {
  Dropped dropped;
  Drop(dropped, std::move(previous_));
  if (next_ != nullptr) {
    previous_ = std::move(next_);
    Drop(dropped, std::move(current_));
  } else {
    previous_ = std::move(current_);
  }
  current_ = std::move(session);
  return dropped;
}

Keypairs::Dropped Keypairs::InstallAnswered(std::unique_ptr<Session> session) {
  Dropped dropped;
  Drop(dropped, std::move(next_));
  Drop(dropped, std::move(previous_));
  next_ = std::move(session);
  return dropped;
}

Keypairs::Dropped Keypairs::ConfirmNext() {
  assert(next_ != nullptr);
  Dropped dropped;
  Drop(dropped, std::move(previous_));
  previous_ = std::move(current_);
  current_ = std::move(next_);
  return dropped;
}

Keypairs::Dropped Keypairs::Clear() {
  Dropped dropped;
  Drop(dropped, std::move(previous_));
  Drop(dropped, std::move(current_));
  Drop(dropped, std::move(next_));
  return dropped;
}

}  // namespace vireo::wg
