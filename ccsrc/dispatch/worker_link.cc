#include "dispatch/worker_link.h"

namespace mindspore::serving {

uint64_t WorkerLink::Take(QueueEntry entry, MethodQueue *queue, uint32_t method) {
  if (free_slots.empty()) {
    free_slots.push_back(static_cast<uint32_t>(slots.size()));
    slots.emplace_back();
  }
  const uint32_t index = free_slots.back();
  free_slots.pop_back();
  Slot &slot = slots[index];
  slot.entry = std::move(entry);
  slot.queue = queue;
  slot.method = method;
  slot.used = true;
  slot.sent = false;
  if (in_flight == 0) {
    last_progress = Clock::now();
  }
  ++in_flight;
  ++methods[method].in_flight;
  return uint64_t{slot.generation} << 32 | index;
}

WorkerLink::Slot *WorkerLink::Find(uint64_t token) {
  const auto index = static_cast<uint32_t>(token);
  const auto generation = static_cast<uint32_t>(token >> 32);
  if (index >= slots.size() || !slots[index].used || slots[index].generation != generation) {
    return nullptr;
  }
  return &slots[index];
}

WorkerLink::Slot WorkerLink::Remove(uint64_t token) {
  const auto index = static_cast<uint32_t>(token);
  Slot &slot = slots[index];
  Slot taken = std::move(slot);
  slot.used = false;
  slot.entry = {};
  ++slot.generation;
  free_slots.push_back(index);
  --in_flight;
  --methods[taken.method].in_flight;
  return taken;
}

}  // namespace mindspore::serving
