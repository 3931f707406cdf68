#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "wire/byte_rope.h"

namespace mindspore::serving {

/// Standard alphabet with `=` padding; unused low bits are not checked.
/// Bytes that `text` decodes to; nothing when its length is no multiple of 4.
std::optional<size_t> DecodedBase64Bytes(std::string_view text);

/// Decodes into `to`, which has room for DecodedBase64Bytes(text). False when a character is wrong.
[[nodiscard]] bool DecodeBase64(std::string_view text, std::byte *to);

/// Appends the encoding of `bytes` to `text`.
void AppendBase64(ByteSpan bytes, std::string *text);

}  // namespace mindspore::serving
