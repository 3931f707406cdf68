#pragma once

#include <atomic>
#include <cstdint>

#include "shm/channel.h"
#include "shm/ring.h"

namespace mindspore::serving {

enum class End : uint32_t { kMaster = 0, kWorker = 1 };
inline End Other(End end) { return end == End::kMaster ? End::kWorker : End::kMaster; }

/// What one end tells the other.
struct EndFlags {
  struct Lane {
    alignas(kCacheLineBytes) std::atomic<uint32_t> asleep;
  };
  Lane lanes[kMaxLanes];
  alignas(
    kCacheLineBytes) std::atomic<uint32_t> wants_space;  ///< 1: an Allocate waits for space, ring lane 0 after releases
};

/// The start of the control segment, indexed by End. Behind it the entries: master to worker, then worker to master.
struct ControlBlock {
  static constexpr uint64_t kMagic = 0x31306c68634d5353;  ///< changes with the layout

  uint64_t magic;
  uint32_t ring_entries;
  EndFlags flags[2];
  RingIndices rings[2];  ///< of the ring that the end writes

  static uint64_t SegmentBytes(uint64_t ring_entries) {
    return sizeof(ControlBlock) + 2 * ring_entries * sizeof(RingEntry);
  }
  RingEntry *Entries(End writer, uint32_t trusted_ring_entries) {
    return reinterpret_cast<RingEntry *>(this + 1) + static_cast<uint64_t>(writer) * trusted_ring_entries;
  }
};
static_assert(std::is_standard_layout_v<ControlBlock> && sizeof(ControlBlock) % kCacheLineBytes == 0);

}  // namespace mindspore::serving
