#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "mindspore_serving/client.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "wire/byte_rope.h"

namespace mindspore::serving::client {

/// What the handles of the public header point at.
struct TensorContent {
  DType dtype = DType::kUnknown;  ///< kUnknown: not set yet
  Shape shape;
  ByteSpan data;
  std::shared_ptr<const void> owner;  ///< of the data
};

struct InstanceContent {
  std::map<std::string, std::shared_ptr<TensorContent>> items;
  Error error;
};

struct RequestContent {
  std::vector<std::shared_ptr<InstanceContent>> instances;
};

struct ReplyContent {
  std::vector<std::shared_ptr<InstanceContent>> instances;
  Error error;  ///< of the whole request
};

}  // namespace mindspore::serving::client
