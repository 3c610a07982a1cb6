// Where on their way packets are copied for captures. REQUIRES of all: worker.capturer.active().
#pragma once

#include <span>

#include "dataplane/stage/worker.h"

namespace vireo {

// Packets that the port has just given, as they are on its wire.
void CaptureReceived(Worker& worker, std::span<Packet* const> packets, const Port& port);
// Packets that the port is about to get. One that it does not take is dropped, and shown so.
void CaptureSending(Worker& worker, std::span<Packet* const> packets, const Port& port);
// Packets that came out of a peer's tunnel, WireGuard's padding perhaps behind them.
void CaptureOpened(Worker& worker, std::span<Packet* const> packets);
// Packets with a WireGuard header that are about to be sealed for the peer.
void CaptureSealing(Worker& worker, std::span<Packet* const> packets, const wg::PeerPath& peer);

}  // namespace vireo
