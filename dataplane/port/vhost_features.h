// Numbers of virtio's features (virtio 1.2 §5.1.3, §6), as the kernel's header of the same names
// does not compile as C++; and what we make of them.
#pragma once

#include <cstdint>

namespace vireo {

inline constexpr std::uint64_t VirtioFeature(unsigned bit) { return std::uint64_t{1} << bit; }

inline constexpr std::uint64_t kVirtioGuestCsum = VirtioFeature(1);  // the VM finishes checksums
inline constexpr std::uint64_t kVirtioGuestTso4 = VirtioFeature(7);  // the VM takes large TCP
inline constexpr std::uint64_t kVirtioGuestTso6 = VirtioFeature(8);
inline constexpr std::uint64_t kVirtioGuestUfo = VirtioFeature(10);
inline constexpr std::uint64_t kVirtioHostTso4 = VirtioFeature(11);  // we take large TCP
inline constexpr std::uint64_t kVirtioHostTso6 = VirtioFeature(12);
inline constexpr std::uint64_t kVirtioHostUfo = VirtioFeature(14);
inline constexpr std::uint64_t kVirtioMultiqueue = VirtioFeature(22);
inline constexpr std::uint64_t kVirtioRingPacked = VirtioFeature(34);

// UFO would make IP fragments of datagrams. Of packed rings librte_vhost cannot say how many
// buffers are free.
inline constexpr std::uint64_t kRefusedFeatures =
    kVirtioGuestUfo | kVirtioHostUfo | kVirtioRingPacked;

// What a VM must take for packets of a flow to be joined.
inline constexpr std::uint64_t kJoinedFeatures =
    kVirtioGuestCsum | kVirtioGuestTso4 | kVirtioGuestTso6;

}  // namespace vireo
