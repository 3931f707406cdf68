#include "grpc/log_limit.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "base/clock.h"

namespace mindspore::serving {
namespace {

constexpr int kLines = 10;
constexpr std::chrono::minutes kWindow{1};

/// How much of the log has been written in the current window.
class Allowance {
 public:
  /// Whether one more line may be written. `left_out`: how many were not since this was last true.
  bool Take(int *left_out) {
    std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (now - window_start_ >= kWindow) {
      window_start_ = now;
      lines_ = 0;
    }
    if (lines_ == kLines) {
      ++left_out_;
      return false;
    }
    ++lines_;
    *left_out = left_out_;
    left_out_ = 0;
    return true;
  }

 private:
  std::mutex mutex_;
  Clock::time_point window_start_ = Clock::now();
  int lines_ = 0;
  int left_out_ = 0;
};

// Messages quote what clients sent, which is not to write anything but plain characters to a terminal.
std::string Plain(const char *text) {
  std::string plain(text);
  std::ranges::replace_if(plain, [](char c) { return c < ' ' || c > '~'; }, '?');
  return plain;
}

void Write(gpr_log_func_args *args) {
  static Allowance allowance;  // gRPC calls a function without any context
  int left_out = 0;
  if (!allowance.Take(&left_out)) {
    return;
  }
  if (left_out > 0) {
    std::fprintf(stderr, "gRPC: %d lines of its log were left out\n", left_out);
  }
  const char *slash = std::strrchr(args->file, '/');
  std::fprintf(stderr, "gRPC: %s (%s:%d)\n", Plain(args->message).c_str(), slash == nullptr ? args->file : slash + 1, args->line);
}

}  // namespace

void LimitGrpcLog() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) {
    gpr_set_log_function(Write);
  }
}

}  // namespace mindspore::serving
