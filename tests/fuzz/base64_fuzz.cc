// The text is decoded and, as bytes, encoded; both are compared with a slow version that follows RFC 4648 bit by bit.
#include <optional>
#include <vector>

#include "fuzz_input.h"
#include "wire/base64.h"

namespace mindspore::serving {
namespace {

std::optional<uint32_t> Digit(char c) {
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  return c == '+' ? std::optional(62U) : c == '/' ? std::optional(63U) : std::nullopt;
}

std::optional<std::vector<std::byte>> SlowDecode(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) {
    text.remove_suffix(1);
  }
  std::vector<std::byte> bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = Digit(c);
    if (!digit) {
      return std::nullopt;
    }
    bits = (bits << 6 | *digit) & 0xFFFF;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<std::byte>(bits >> count));
    }
  }
  return bytes;
}

std::optional<std::vector<std::byte>> Decode(std::string_view text) {
  const auto size = DecodedBase64Bytes(text);
  if (!size) {
    return std::nullopt;
  }
  const ExactCopy room{std::vector<std::byte>(*size)};
  if (!DecodeBase64(text, room.bytes().data())) {
    return std::nullopt;
  }
  return std::vector<std::byte>(room.bytes().begin(), room.bytes().end());
}

void CheckInput(ByteSpan input) {
  const ExactCopy copy(input);
  const auto decoded = Decode({reinterpret_cast<const char *>(copy.bytes().data()), input.size()});
  FUZZ_REQUIRE(decoded == SlowDecode({reinterpret_cast<const char *>(input.data()), input.size()}));

  std::string text = "before";
  AppendBase64(copy.bytes(), &text);
  FUZZ_REQUIRE(text.starts_with("before"));
  text.erase(0, 6);
  FUZZ_REQUIRE(text.size() == (input.size() + 2) / 3 * 4);
  const auto back = Decode(text);
  FUZZ_REQUIRE(back.has_value() && std::ranges::equal(*back, input));
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mindspore::serving::CheckInput(std::as_bytes(std::span(data, size)));
  return 0;
}
