// What the slow path knows of each endpoint, in little memory: a slab of records, those of one
// network in a list. 48 bytes a record; addresses beyond the first IPv4 one cost more.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/table/endpoint_table.h"

namespace vireo {

struct EndpointRecord {
  static constexpr std::uint32_t kNone = UINT32_MAX;

  net::MacAddress mac;
  NetworkId network = 0;
  std::uint32_t next = kNone, previous = kNone;  // in the network's list
  // Counts the endpoint's moves: of two that claim to have it, the higher one has.
  std::uint64_t epoch = 0;
  std::uint32_t v4 = 0;  // the first IPv4 address, host order; 0: none
  std::unique_ptr<std::vector<net::IpAddress>> others;

  [[nodiscard]] std::vector<net::IpAddress> Addresses() const {
    std::vector<net::IpAddress> all;
    if (v4 != 0) all.push_back(net::IpAddress::V4(v4));
    if (others != nullptr) all.insert(all.end(), others->begin(), others->end());
    return all;
  }
  void SetAddresses(const std::vector<net::IpAddress>& addresses) {
    v4 = 0;
    others.reset();
    for (const net::IpAddress& address : addresses) {
      if (address.is_v4() && v4 == 0) {
        v4 = address.v4_host_order();
        continue;
      }
      if (others == nullptr) others = std::make_unique<std::vector<net::IpAddress>>();
      others->push_back(address);
    }
  }
};

// Thread: slow path only.
class EndpointRecords {
 public:
  using Index = EndpointTable::Record;

  [[nodiscard]] bool full() const {
    return free_.empty() && records_.size() > EndpointTable::kMaxRecord;
  }
  // How many more there may be.
  [[nodiscard]] std::size_t room() const {
    return free_.size() + (std::size_t{EndpointTable::kMaxRecord} + 1 - records_.size());
  }
  // Records that there have been at once: their indices are below.
  [[nodiscard]] std::size_t size() const { return records_.size(); }
  // A new record at the head of the list that starts at `head`. REQUIRES: !full().
  Index Add(std::uint32_t& head) {
    Index index;
    if (free_.empty()) {
      index = static_cast<Index>(records_.size());
      records_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    EndpointRecord& record = records_[index];
    record.next = head;
    if (head != EndpointRecord::kNone) records_[head].previous = index;
    head = index;
    return index;
  }
  void Remove(std::uint32_t& head, Index index) {
    EndpointRecord& record = records_[index];
    if (record.next != EndpointRecord::kNone) records_[record.next].previous = record.previous;
    (record.previous != EndpointRecord::kNone ? records_[record.previous].next : head) =
        record.next;
    record = EndpointRecord{};
    free_.push_back(index);
  }
  EndpointRecord& operator[](Index index) { return records_[index]; }
  const EndpointRecord& operator[](Index index) const { return records_[index]; }

 private:
  std::deque<EndpointRecord> records_;
  std::vector<Index> free_;
};

}  // namespace vireo
