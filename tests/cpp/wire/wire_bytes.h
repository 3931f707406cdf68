#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/byte_rope.h"

namespace mindspore::serving {

/// Protobuf written by hand, so that tests can say what no serializer would write.
inline std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes.push_back(static_cast<char>(value | 0x80));
  }
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

inline std::string Key(uint32_t field, uint32_t wire_type) { return Varint(field << 3 | wire_type); }

inline std::string NumberField(uint32_t field, uint64_t value) { return Key(field, 0) + Varint(value); }

inline std::string BytesField(uint32_t field, std::string_view bytes) {
  return Key(field, 2) + Varint(bytes.size()) + std::string(bytes);
}

inline std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

inline ByteSpan AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

inline std::string ToText(const ByteRope &rope) {
  std::string text(rope.size_bytes(), '\0');
  rope.CopyTo(reinterpret_cast<std::byte *>(text.data()));
  return text;
}

}  // namespace mindspore::serving
