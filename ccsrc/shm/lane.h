#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace mindspore::serving {

/// An eventfd: rung by anyone, waited for by the thread of one lane.
class Bell {
 public:
  /// Throws std::system_error.
  static Bell Create();
  explicit Bell(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  void Ring() const;
  /// Blocks until the bell has been rung since the last Wait.
  void Wait() const;
  /// False when the time passed without a ring. Leaves the ring for Wait.
  bool WaitFor(Clock::duration duration) const;

 private:
  UniqueFd fd_;
};

/// A lane of this end: the sleeper's side.
///
/// No wake-up is lost: a sleeper writes "asleep", fences, and looks for work; whoever brings work makes it visible,
/// fences, and looks for "asleep". The fences see to it that at least one of them sees the other.
class OwnLane {
 public:
  OwnLane(Bell bell, std::atomic<uint32_t> *asleep) : bell_(std::move(bell)), asleep_(asleep) {}
  OwnLane(OwnLane &&other) noexcept : bell_(std::move(other.bell_)), asleep_(other.asleep_) {}

  const Bell &bell() const { return bell_; }
  void Prepare();
  void MarkAwake();
  /// Rings the own bell if the lane's thread is asleep or about to sleep.
  void Wake();

 private:
  Bell bell_;
  std::atomic<uint32_t> *asleep_;        // in shared memory, for the other end
  std::atomic<bool> own_asleep_{false};  // the same for this process, so that the other end cannot make Wake fail
};

/// A lane of the other end: the waker's side.
class PeerLane {
 public:
  PeerLane(Bell bell, std::atomic<uint32_t> *asleep) : bell_(std::move(bell)), asleep_(asleep) {}

  const Bell &bell() const { return bell_; }
  void RingIfAsleep() const;

 private:
  Bell bell_;
  std::atomic<uint32_t> *asleep_;
};

}  // namespace mindspore::serving
