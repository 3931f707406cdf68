#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json_value.h"
#include "tensor/dtype.h"
#include "wire/request.h"

namespace mindspore::serving {

/// What the RESTful interface makes of a JSON value: data types by the kind of the first leaf, shapes by the lengths of
/// the lists. Written for plainness, with the rules in the order of the protocol's description.
struct ModelTensor {
  std::string name;
  DType dtype = DType::kUnknown;
  std::vector<int64_t> shape;
  std::string data;
  friend bool operator==(const ModelTensor &, const ModelTensor &) = default;
};

using ModelInstance = std::vector<ModelTensor>;  ///< in byte order of the names

/// The instances of a request's body; nothing where it must be refused.
std::optional<std::vector<ModelInstance>> ModelRequest(const JsonValue &body, const RequestLimits &limits);

}  // namespace mindspore::serving
