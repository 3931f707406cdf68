#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "shm/channel.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace mindspore::serving {

/// Whatever keeps the memory of values alive: a lease of shared memory, an array of the engine, an object of the user.
class Owner {
 public:
  Owner() = default;
  Owner(const Owner &) = delete;
  Owner &operator=(const Owner &) = delete;
  virtual ~Owner() = default;
};

/// One tensor, string or byte string of one instance. Shares its memory with every other value that has the same owner.
struct Value {
  DType dtype = DType::kUnknown;
  Shape shape;
  std::byte *data = nullptr;
  uint64_t size_bytes = 0;
  bool read_only = false;  ///< the owner does not allow changes
  std::shared_ptr<Owner> owner;

  std::span<const std::byte> bytes() const { return {data, size_bytes}; }
};

/// The right to use one block of the request segment; ending it gives the block back to the master.
class RequestLease : public Owner {
 public:
  RequestLease(std::shared_ptr<Channel> channel, uint64_t offset, std::span<std::byte> block)
      : channel_(std::move(channel)), offset_(offset), block_(block) {}
  ~RequestLease() override { channel_->Release(offset_); }

  /// Whether the value's bytes lie in this block.
  bool Holds(const Value &value) const {
    return value.size_bytes > 0 && value.data >= block_.data() &&
           value.data + value.size_bytes <= block_.data() + block_.size();
  }
  /// Where those bytes lie in the request segment.
  uint64_t OffsetOf(const Value &value) const { return offset_ + static_cast<uint64_t>(value.data - block_.data()); }

 private:
  std::shared_ptr<Channel> channel_;
  uint64_t offset_;
  std::span<std::byte> block_;
};

}  // namespace mindspore::serving
