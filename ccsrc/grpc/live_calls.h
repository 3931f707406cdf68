#pragma once

#include <atomic>
#include <cstdint>

namespace mindspore::serving {

/// The calls of a server, from before they wait for a client until they are deleted. So none is missed that was matched to a client and whose
/// event nobody has handled yet: gRPC gives back every call that waits when the server stops. Thread-safe.
class LiveCalls {
 public:
  /// From now on no call waits for a client any more.
  void Stop() { stopping_.store(true); }
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  void Add() { count_.fetch_add(1, std::memory_order_relaxed); }
  void Remove() {
    count_.fetch_sub(1);
    count_.notify_all();
  }
  void WaitForNone() const {
    for (int64_t count = count_.load(); count > 0; count = count_.load()) {
      count_.wait(count);
    }
  }

 private:
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> count_{0};
};

}  // namespace mindspore::serving
