#include "shm/ring.h"

#include "shm/copy_out.h"
#include "shm/fence.h"

namespace mindspore::serving {

RingStatus RingProducer::Push(const RingEntry &entry) {
  if (Full()) {
    if (const RingStatus status = CheckRoom(); status != RingStatus::kOk) {
      return status;
    }
  }
  entries_[tail_ & (capacity_ - 1)] = entry;
  // Release: who sees the new tail sees the entry.
  shared_->tail.store(++tail_, std::memory_order_release);
  return RingStatus::kOk;
}

RingStatus RingProducer::CheckRoom() {
  RingStatus status = LookAtHead();
  if (status == RingStatus::kBlocked) {
    // Either the consumer sees the flag after its last Pop, or we see that Pop here. Relaxed: the fence orders it.
    shared_->wants_room.store(1, std::memory_order_relaxed);
    StoreLoadFence();
    status = LookAtHead();
  }
  return status;
}

RingStatus RingProducer::LookAtHead() {
  if (Full()) {
    // Acquire: the consumer has read an entry before we write over it.
    const uint64_t head = shared_->head.load(std::memory_order_acquire);
    if (tail_ - head > capacity_) {
      return RingStatus::kCorrupt;
    }
    head_seen_ = head;
  }
  return Full() ? RingStatus::kBlocked : RingStatus::kOk;
}

RingStatus RingConsumer::Look() {
  // Acquire: with the tail come the entries before it.
  const uint64_t tail = shared_->tail.load(std::memory_order_acquire);
  if (tail - head_ > capacity_) {
    return RingStatus::kCorrupt;
  }
  tail_seen_ = tail;
  return HasEntry() ? RingStatus::kOk : RingStatus::kBlocked;
}

RingEntry RingConsumer::Pop() {
  const RingEntry entry = CopyOut<RingEntry>(reinterpret_cast<const std::byte *>(&entries_[head_ & (capacity_ - 1)]));
  // Release: the entry was read before its place counts as free.
  shared_->head.store(++head_, std::memory_order_release);
  return entry;
}

bool RingConsumer::ProducerWaits() const {
  StoreLoadFence();  // the counterpart of the one in CheckRoom
  // Relaxed: it only makes us ring a bell. The producer alone takes the flag back: were it taken here, we could take
  // the one of a second wait for that of a first, for which nobody had to be woken, and the second would be forgotten.
  return shared_->wants_room.load(std::memory_order_relaxed) != 0;
}

}  // namespace mindspore::serving
