#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/error.h"
#include "execute/instance.h"
#include "shm/block.h"
#include "shm/channel.h"

namespace mindspore::serving {

/// Writes the outcome of instances to the reply segment and tells the master. What finds no room waits here and never
/// blocks anyone. Thread-safe.
class ResultWriter {
 public:
  explicit ResultWriter(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

  /// Writes the outputs, or `error` where it is set, and sends the entry without ringing. The instance (and with it the
  /// lease of its inputs) ends once that is done.
  void Write(InstancePtr instance, const Error &error);
  /// Tries again what found no room, if room came since. Returns whether something was sent.
  bool Flush();
  bool has_pending() const { return pending_count_.load() > 0; }

 private:
  struct Pending {
    InstancePtr instance;
    Error error;
  };

  bool TryWrite(const Instance &instance, const Error &error);
  bool TryWriteOutputs(const Instance &instance);
  bool TryWriteError(const Instance &instance, const Error &error);
  bool Send(const Instance &instance, uint64_t offset, uint64_t size_bytes);

  const std::shared_ptr<Channel> channel_;
  std::mutex mutex_;  ///< guards pending_
  std::deque<Pending> pending_;
  std::atomic<size_t> pending_count_ = 0;
};

}  // namespace mindspore::serving
