#include "wire/base64.h"

#include <array>
#include <cstdint>

namespace mindspore::serving {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint32_t kWrong = 0x80;  // beyond six bits, so one test of four digits or-ed together finds it

constexpr std::array<uint8_t, 256> MakeDigits() {
  std::array<uint8_t, 256> digits{};
  digits.fill(kWrong);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  }
  return digits;
}

constexpr std::array<uint8_t, 256> kDigits = MakeDigits();

uint32_t Digit(char character) { return kDigits[static_cast<uint8_t>(character)]; }

size_t PaddingOf(std::string_view text) {
  if (!text.ends_with('=')) {
    return 0;
  }
  return text.ends_with("==") ? 2 : 1;
}

char Character(uint32_t bits) { return kAlphabet[bits & 0x3F]; }

uint32_t Byte(std::byte byte) { return std::to_integer<uint32_t>(byte); }

}  // namespace

std::optional<size_t> DecodedBase64Bytes(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  return text.size() / 4 * 3 - PaddingOf(text);
}

bool DecodeBase64(std::string_view text, std::byte *to) {
  const size_t padding = PaddingOf(text);
  const char *at = text.data();
  const char *whole_end = at + (text.size() / 4 - (padding == 0 ? 0 : 1)) * 4;
  uint32_t seen = 0;
  for (; at != whole_end; at += 4, to += 3) {
    const uint32_t a = Digit(at[0]), b = Digit(at[1]), c = Digit(at[2]), d = Digit(at[3]);
    seen |= a | b | c | d;
    const uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    to[0] = static_cast<std::byte>(bits >> 16);
    to[1] = static_cast<std::byte>(bits >> 8);
    to[2] = static_cast<std::byte>(bits);
  }
  if (padding > 0) {
    const uint32_t a = Digit(at[0]), b = Digit(at[1]), c = padding == 1 ? Digit(at[2]) : 0;
    seen |= a | b | c;
    to[0] = static_cast<std::byte>(a << 2 | b >> 4);
    if (padding == 1) {
      to[1] = static_cast<std::byte>(b << 4 | c >> 2);
    }
  }
  return (seen & kWrong) == 0;
}

void AppendBase64(ByteSpan bytes, std::string *text) {
  size_t at = text->size();
  text->resize(at + (bytes.size() + 2) / 3 * 4);
  size_t from = 0;
  for (; from + 3 <= bytes.size(); from += 3, at += 4) {
    const uint32_t bits = Byte(bytes[from]) << 16 | Byte(bytes[from + 1]) << 8 | Byte(bytes[from + 2]);
    (*text)[at] = Character(bits >> 18);
    (*text)[at + 1] = Character(bits >> 12);
    (*text)[at + 2] = Character(bits >> 6);
    (*text)[at + 3] = Character(bits);
  }
  const size_t rest = bytes.size() - from;
  if (rest > 0) {
    const uint32_t bits = Byte(bytes[from]) << 16 | (rest == 2 ? Byte(bytes[from + 1]) << 8 : 0);
    (*text)[at] = Character(bits >> 18);
    (*text)[at + 1] = Character(bits >> 12);
    (*text)[at + 2] = rest == 2 ? Character(bits >> 6) : '=';
    (*text)[at + 3] = '=';
  }
}

}  // namespace mindspore::serving
