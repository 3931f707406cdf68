#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace mindspore::serving {

/// A private copy of something in shared memory. The other process may change the memory at any time; the compiler,
/// which does not know that, is kept from reading it a second time after the copy was checked.
template <typename T>
T CopyOut(const std::byte *shared) {
  static_assert(std::is_trivially_copyable_v<T>);
  T copy;
  std::memcpy(&copy, shared, sizeof(T));
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return copy;
}

}  // namespace mindspore::serving
