#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mindspore::serving {

// Writing small messages of protobuf's wire format from front to back.

void AppendVarint(uint64_t value, std::string *to);
/// A length-delimited field: text, bytes, or an encoded message. Written also when it is empty.
void AppendBytes(uint32_t field, std::string_view bytes, std::string *to);
/// A number's field; as proto3 has it, 0 is left out.
void AppendNumber(uint32_t field, uint64_t value, std::string *to);

}  // namespace mindspore::serving
