#pragma once

#include <simdjson.h>

#include <memory_resource>
#include <string_view>
#include <vector>

#include "wire/request.h"

namespace mindspore::serving {

struct JsonField {
  std::string_view name;
  simdjson::dom::element value;
};

/// The fields of an object in byte order of their names; of several with one name the last.
std::vector<JsonField> JsonFields(simdjson::dom::object object);

/// A JSON value as a tensor whose bytes lie in `memory`. The name is left to the caller. `body_bytes` is the size of
/// the document: no array in it has more elements. Throws ServingError(kBadInput) with the RESTful interface's texts.
InputTensor JsonTensor(simdjson::dom::element value, size_t body_bytes, std::pmr::memory_resource *memory);

}  // namespace mindspore::serving
