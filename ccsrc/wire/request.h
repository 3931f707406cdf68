#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "wire/byte_rope.h"

namespace mindspore::serving {

/// One named tensor as it arrived. Names and bytes borrow from the request that holds it; nothing is checked yet beyond
/// the encoding itself.
struct InputTensor {
  std::string_view name;
  DType dtype = DType::kUnknown;  ///< kUnknown also for numbers that are no data type; see wire_dtype
  int32_t wire_dtype = 0;         ///< the number as sent
  Shape shape;
  ByteRope data;              ///< numbers: the elements, C order, little-endian. String and bytes: the (last) value
  uint32_t text_count = 0;    ///< how many `bytes_val` entries were sent
  bool has_shm_data = false;  ///< the sender named shared memory, which is refused from outside
};

struct InputInstance {
  std::pmr::vector<InputTensor> items;
  bool has_output_buffers = false;  ///< refused from outside, as shm_data

  /// The tensor of that name, the last one if there are several; nullptr if there is none.
  const InputTensor *Find(std::string_view name) const;
};

/// Whom a request is for.
struct Target {
  std::string servable;
  std::string method;
  uint64_t version = 0;  ///< 0: the newest
};

/// The most tensors that decoders take in one request: what a few bytes on the wire grow to in memory stays bounded. More is
/// refused as ErrorKind::kTooLarge.
inline constexpr size_t kMaxTensors = size_t{1} << 20;

/// What an end point takes in one request, as its user says.
struct RequestLimits {
  size_t max_instances = 100'000;  ///< at most kMaxTensors; more is refused as ErrorKind::kTooLarge
  size_t max_name_bytes = 1024;    ///< of a servable, a method or an input
  size_t max_json_depth = 64;      ///< objects and lists inside each other
};

/// Throws ServingError(kBadInput) for a name that is too long.
void CheckName(std::string_view what, std::string_view name, const RequestLimits &limits);
/// Throws ServingError(kTooLarge) for one instance too many.
void CheckInstanceCount(size_t count, const RequestLimits &limits);

/// A decoded request of any front end: its target, and per instance the named tensors. Owns (a share of) the message
/// that its views point into. Immutable after decoding, so several threads may read it.
class Request : public Target {
  std::shared_ptr<const void> message_;
  std::pmr::monotonic_buffer_resource memory_;  // before the members that live in it, so that it dies after them

 public:
  /// `message` keeps the bytes alive that the decoder's views point into; may be empty.
  explicit Request(std::shared_ptr<const void> message) : message_(std::move(message)) {}
  Request(const Request &) = delete;

  std::vector<InputInstance> instances;

  /// Memory that lives as long as the request; for decoders.
  std::pmr::memory_resource *memory() { return &memory_; }
};

}  // namespace mindspore::serving
