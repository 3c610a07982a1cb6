// The stages of a packet's way, in the order in which it meets them. worker/pipeline.cc strings
// them together. Each works on the whole burst and leaves in it, in order, what goes on.
#pragma once

#include "dataplane/stage/worker.h"

namespace vireo {

// Fills the burst from one port.
void ReceiveBurst(Worker& worker, Burst& burst, Port& port);

// Ethernet ports: strips the frame down to the IP packet. ARP, neighbour discovery and what is
// addressed to the router itself go to the slow path.
void EthernetInputBurst(Worker& worker, Burst& burst);

// Uplink, Ethernet ports: strips IP and UDP from what is for our WireGuard port. Fragments and
// packets with options go to the slow path.
void UdpInputBurst(Worker& worker, Burst& burst);

// Uplink: tells transport messages (go on) from handshakes (slow path) by type and size.
void ClassifyBurst(Worker& worker, Burst& burst);

// Uplink: authenticates and decrypts; replay window, roaming, key confirmation, timers' activity.
// Leaves inner packets; keepalives are consumed.
void DecryptBurst(Worker& worker, Burst& burst);

// Uplink: the inner packet is whole, its source belongs to the peer that sent it, its padding is
// trimmed and a congestion mark of the outer header is carried over (RFC 6040).
void AuthorizeBurst(Worker& worker, Burst& burst);

// Uplink: takes VXLAN for one of our addresses out of the burst, and leaves the frames in it, of
// networks that we have and from endpoints behind the sending router, in `worker.frames`.
void DecapsulateBurst(Worker& worker, Burst& burst);

// Access, bridged ports: the frame is from an endpoint on the port, and says so truthfully: MAC,
// IP, ARP and neighbour discovery (anti_spoof.h).
void AdmitFramesBurst(Worker& worker, Burst& burst);

// Access, bridged ports: the port is within its network's rates.
void MeterFramesBurst(Worker& worker, Burst& burst);

// Access, bridged ports: questions that the slow path answers in the network's stead (ARP,
// neighbour and router solicitations, DHCP) go there.
void ServeBurst(Worker& worker, Burst& burst);

// Access, bridged ports: frames to the gateway become frames of the destination's network, from
// the gateway to the endpoint that has the address.
void RouteBurst(Worker& worker, Burst& burst);

// Frames of tenant networks: finds the way by network and destination MAC, to a port or into the
// tunnel of the router where the endpoint is. Frames to everybody are copied to `worker.copies`.
void BridgeBurst(Worker& worker, Burst& burst);

// Access: the packet is a whole IP packet and its source may come from this port.
void AdmitBurst(Worker& worker, Burst& burst);

// Finds the way out by the inner destination: a peer's tunnel or an access port.
void ForwardBurst(Worker& worker, Burst& burst);

// Packets for a peer: picks the session and counters, pads, puts the WireGuard header in front.
// Packets without a usable session go to the slow path, which stages them.
void EncapsulateBurst(Worker& worker, Burst& burst);

// Seals what EncapsulateBurst prepared. Call directly after it.
void EncryptBurst(Worker& worker, Burst& burst);

// Puts the outer headers of the port in front and hands each packet to its port.
void TransmitBurst(Worker& worker, Burst& burst);

}  // namespace vireo
