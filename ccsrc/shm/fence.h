#pragma once

#include <atomic>

namespace mindspore::serving {

/// Stands between "I wrote mine" and "I read the other's" wherever two sides must not both miss what the other wrote:
/// of two threads that each write, fence and read, at least one sees the other's write.
inline void StoreLoadFence() {
// GCC's thread sanitizer has no model of fences and says so. It needs none here: no data is handed over by them.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
  std::atomic_thread_fence(std::memory_order_seq_cst);
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

}  // namespace mindspore::serving
