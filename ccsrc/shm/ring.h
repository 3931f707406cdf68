#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "shm/ring_entry.h"

namespace mindspore::serving {

inline constexpr size_t kCacheLineBytes = 64;

/// The shared part of a ring beside its entries: no pointers, the writer's and the reader's words on lines of their
/// own. The counts run on for ever; an entry's place is its count modulo the (power of two) number of entries.
struct RingIndices {
  alignas(kCacheLineBytes) std::atomic<uint64_t> tail;  ///< entries ever written; the producer's
  std::atomic<uint32_t> wants_room;  ///< 1: the producer waits for room and wants its bell rung; the producer's
  alignas(kCacheLineBytes) std::atomic<uint64_t> head;  ///< entries ever read; the consumer's
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);
static_assert(std::is_standard_layout_v<RingIndices> && sizeof(RingIndices) == 2 * kCacheLineBytes);

enum class RingStatus { kOk, kBlocked, kCorrupt };

/// The writing end. Its own count is private; the reader's is read from shared memory and believed only if it is
/// possible. One thread at a time.
class RingProducer {
 public:
  RingProducer(RingIndices *shared, RingEntry *entries, uint32_t capacity)
      : shared_(shared), entries_(entries), capacity_(capacity) {}

  /// kBlocked: the ring is full, nothing was written, and the consumer tells of room (see
  /// RingConsumer::ProducerWaits).
  RingStatus Push(const RingEntry &entry);
  /// kOk: the next Push will succeed. kBlocked: as for Push.
  RingStatus CheckRoom();
  /// Nobody waits for room any more.
  void StopWaiting() { shared_->wants_room.store(0, std::memory_order_relaxed); }

 private:
  bool Full() const { return tail_ - head_seen_ >= capacity_; }
  RingStatus LookAtHead();

  RingIndices *shared_;
  RingEntry *entries_;
  uint64_t capacity_;
  uint64_t tail_ = 0;
  uint64_t head_seen_ = 0;
};

/// The reading end; its own count is private, the writer's is believed only if it is possible. One thread at a time.
class RingConsumer {
 public:
  RingConsumer(RingIndices *shared, const RingEntry *entries, uint32_t capacity)
      : shared_(shared), entries_(entries), capacity_(capacity) {}

  /// Looks how far the producer is. kBlocked: nothing new.
  RingStatus Look();
  /// True when entries seen by Look are left: never more than the ring's capacity.
  bool HasEntry() const { return head_ != tail_seen_; }
  /// A private copy of the next entry. REQUIRES: HasEntry().
  RingEntry Pop();
  /// True while the producer waits for room. To be asked when all entries were taken.
  bool ProducerWaits() const;

 private:
  RingIndices *shared_;
  const RingEntry *entries_;
  uint64_t capacity_;
  uint64_t head_ = 0;
  uint64_t tail_seen_ = 0;
};

}  // namespace mindspore::serving
