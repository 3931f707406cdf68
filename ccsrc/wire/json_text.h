#pragma once

#include <string>
#include <string_view>

#include "wire/reply.h"

namespace mindspore::serving {

/// Appends `text`, which is UTF-8, as a JSON string.
void AppendJsonString(std::string_view text, std::string *json);

/// Appends a tensor's value: plain for a scalar, else nested lists. Throws ServingError(kInternal) for a tensor that has
/// no JSON form; what was appended by then is to be cut off.
void AppendJsonTensor(const OutputTensor &tensor, std::string *json);

}  // namespace mindspore::serving
