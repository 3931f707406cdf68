#include "grpc/library.h"

#include <grpc/support/log.h>
#ifdef SERVING_HAS_ABSL_MUTEX
#include <absl/synchronization/mutex.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/log.h"

namespace mindspore::serving {
namespace {

// The library quotes what clients sent, which is not to write anything but plain characters to a terminal.
std::string Plain(std::string text) {
  std::ranges::replace_if(
    text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

// What the library calls an error may be any client's doing, so it is a warning here.
void Write(gpr_log_func_args *args) {
  const char *slash = std::strrchr(args->file, '/');
  Log(LogLevel::kWarning, "gRPC: " + Plain(args->message) + " (" + (slash == nullptr ? args->file : slash + 1) + ":" +
                            std::to_string(args->line) + ")");
}

}  // namespace

void SetUpGrpcLibrary() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) {
    gpr_set_log_function(Write);
  }
#ifdef SERVING_HAS_ABSL_MUTEX
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace mindspore::serving
