#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "wire/byte_rope.h"

namespace mindspore::serving {

/// One named result tensor. `data` points into memory that `owner` keeps alive (usually a worker's shared memory).
/// Strings have been checked to be UTF-8 by whoever fills this in, on memory that nobody else can change.
struct OutputTensor {
  std::string_view name;  ///< borrows from what outlives the tensor: the description of the method, or the message
  DType dtype = DType::kUnknown;
  Shape shape;
  ByteSpan data;  ///< numbers: the elements. String and bytes: the one value
  std::shared_ptr<const void> owner;
};

struct InstanceResult {
  std::vector<OutputTensor> outputs;
  Error error;  ///< when set, `outputs` is not looked at
};

/// The answer to one request, in request order, before any protocol.
struct Reply {
  std::string servable;
  std::string method;
  uint64_t version = 0;  ///< as in the request
  std::vector<InstanceResult> instances;
  Error error;  ///< when set, it answers the whole request and `instances` is not looked at
};

/// The text that a client reads: the error's own, or `Predict failed` where it has none.
std::string_view TextOf(const Error &error);

/// Turns a reply in which every instance failed with the same code and text into one whole-request error.
void MergeEqualErrors(Reply *reply);

}  // namespace mindspore::serving
