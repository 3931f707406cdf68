#pragma once

#include <simdjson.h>

#include <memory_resource>
#include <string_view>

#include "wire/request.h"

namespace mindspore::serving {

/// {"b64": "...", "type": "...", "shape": [...]} as a tensor whose bytes lie in `memory`. Throws
/// ServingError(kBadInput).
InputTensor Base64Tensor(simdjson::dom::object object, std::pmr::memory_resource *memory);

/// What `type` of such an object names; kBytes where it is missing.
DType Base64Type(simdjson::dom::object object);

/// The decoded `b64` of such an object, which is the only item of an array.
ByteSpan Base64Item(simdjson::dom::object object, std::pmr::memory_resource *memory);

}  // namespace mindspore::serving
