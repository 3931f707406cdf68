#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "dispatch/call.h"
#include "shm/channel.h"

namespace mindspore::serving {

struct MethodQueue;

/// The dispatcher's view of one worker. All members are guarded by the dispatcher's mutex but for the channel, which is thread-safe,
/// and what is const.
struct WorkerLink {
  /// An instance that the worker has, under the token (generation << 32 | index in the table).
  struct Slot {
    QueueEntry entry;
    MethodQueue *queue = nullptr;
    uint32_t method = 0;
    uint32_t generation = 0;
    bool used = false;
    bool sent = false;
    uint64_t block_offset = 0;
    uint64_t block_bytes = 0;
  };

  /// A method as this worker numbers it.
  struct Method {
    std::shared_ptr<MethodQueue> queue;
    uint32_t in_flight = 0;
    uint32_t credit = 0;
    int lane = 0;
  };

  const uint64_t number;
  const std::string servable;
  const std::string label;
  const std::shared_ptr<Channel> channel;
  const bool own_device;

  bool draining = false;
  bool gone = false;
  bool space_refused = false;  ///< its request memory is full: nothing more until something is released
  uint64_t space_epoch = 0;    ///< how often memory was freed after a refusal
  bool reserved = false;  ///< kept free for, or running, an instance that must run alone; set and cleared by TakeReady
  uint32_t in_flight = 0;
  uint64_t completed = 0;
  Clock::time_point last_progress = Clock::now();
  std::vector<Method> methods;
  std::vector<Slot> slots;
  std::vector<uint32_t> free_slots;
  UniqueFd process;  ///< a pidfd, to end a worker whose channel makes no sense any more; may be empty

  const std::vector<std::string> remote_methods;  ///< what its kModelCall entries number
  std::deque<RingEntry> parked_calls;  ///< of the reader thread alone: model calls that wait for room for their results
  bool reader_is_drowsy = false;       ///< of the reader thread alone: it has announced its sleep

  WorkerLink(uint64_t link_number, std::string link_servable, std::string link_label,
             std::shared_ptr<Channel> link_channel, bool link_own_device, std::vector<std::string> link_remote_methods)
      : number(link_number),
        servable(std::move(link_servable)),
        label(std::move(link_label)),
        channel(std::move(link_channel)),
        own_device(link_own_device),
        remote_methods(std::move(link_remote_methods)) {}

  /// Enters an instance into the table and takes its credit; returns the token.
  uint64_t Take(QueueEntry entry, MethodQueue *queue, uint32_t method);
  /// The slot of a token that is in the table; nullptr for any other number (a worker may send anything).
  Slot *Find(uint64_t token);
  /// Removes it from the table and gives its credit back.
  Slot Remove(uint64_t token);
};

}  // namespace mindspore::serving
