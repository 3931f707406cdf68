#pragma once

#include <signal.h>

#include <span>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace mindspore::serving {

/// Catches signals for whoever watches a descriptor: works whatever the interpreter or any thread is doing, and may be installed from
/// any thread. One at a time in a process, because signal handlers are the process's.
class SignalWatch {
 public:
  /// Throws std::logic_error when another one is installed, std::system_error when the system refuses.
  explicit SignalWatch(std::span<const int> signals);
  ~SignalWatch() { Restore(); }
  SignalWatch(const SignalWatch &) = delete;

  /// Readable when signals came.
  int fd() const { return read_end_.get(); }
  /// The signals that came since the last time.
  std::vector<int> Take();
  /// Puts back the dispositions that were there before, where they are still ours. Idempotent.
  void Restore();

 private:
  UniqueFd read_end_;
  UniqueFd write_end_;
  std::vector<std::pair<int, struct sigaction>> previous_;
};

}  // namespace mindspore::serving
