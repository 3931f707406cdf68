#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>

#include "wire/byte_rope.h"
#include "wire/request.h"

/// What must hold for every input; ends the program with the place where it does not.
#define FUZZ_REQUIRE(condition)                                                      \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)

namespace mindspore::serving {

/// Takes values off the bytes of a fuzzer's input; zeros once those are used up.
class FuzzInput {
 public:
  explicit FuzzInput(ByteSpan bytes) : left_(bytes) {}
  FuzzInput(const uint8_t *data, size_t size) : FuzzInput(std::as_bytes(std::span(data, size))) {}

  bool empty() const { return left_.empty(); }

  template <typename T>
  T Number() {
    static_assert(std::is_integral_v<T>);
    T number = 0;
    const ByteSpan bytes = Bytes(sizeof(T));
    if (!bytes.empty()) {
      std::memcpy(&number, bytes.data(), bytes.size());
    }
    return number;
  }
  /// 0 to limit - 1, of at most 16 bits.
  size_t Below(size_t limit) { return limit <= 256 ? Number<uint8_t>() % limit : Number<uint16_t>() % limit; }
  bool Flag() { return (Number<uint8_t>() & 1) != 0; }
  /// At most `count` bytes, in place.
  ByteSpan Bytes(size_t count) {
    const ByteSpan taken = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  ByteSpan Rest() { return Bytes(left_.size()); }
  std::string Text(size_t max_bytes) {
    const ByteSpan bytes = Bytes(Below(max_bytes + 1));
    return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
  }

 private:
  ByteSpan left_;
};

/// Bytes in memory of exactly their size, so that the address sanitizer sees the first byte read behind them.
class ExactCopy {
 public:
  explicit ExactCopy(ByteSpan bytes) : copy_(new std::byte[bytes.size()]), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), copy_.get());
  }
  std::span<std::byte> bytes() const { return {copy_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> copy_;
  size_t size_;
};

/// FNV-1a: what an input decides without spending bytes on it, such as where its message is cut into pieces.
inline uint64_t HashOf(ByteSpan bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte byte : bytes) {
    hash = (hash ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3;
  }
  return hash;
}

/// Those of a server that sets none, for most inputs; else small ones.
inline RequestLimits AnyLimits(uint64_t hash) {
  return hash % 4 > 0 ? RequestLimits{} : RequestLimits{.max_instances = 2, .max_name_bytes = 5, .max_json_depth = 6};
}

}  // namespace mindspore::serving
