#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mindspore::serving {

/// A number as its text has it: digits * 10^exponent.
struct JsonNumber {
  static constexpr size_t kMostDigits = 19;  // that 64 bits have room for

  uint64_t digits = 0;
  int64_t exponent = 0;
  size_t digit_count = 0;  ///< where it passes kMostDigits, `digits` lacks some
  bool is_negative = false;
  bool is_integer = true;  ///< written without fraction and exponent
};

// What is inline here runs for every number of a large body.
namespace json_number {

static_assert(std::endian::native == std::endian::little, "the first of eight digits is taken for the lowest byte");

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// The next eight bytes, each digit as its value; behind the end there are none.
inline uint64_t LoadEight(const char *at, const char *end) {
  uint64_t word = 0;
  if (end - at >= 8) {
    std::memcpy(&word, at, sizeof(word));
  } else {
    std::memcpy(&word, at, end - at);
  }
  return word ^ 0x3030303030303030;
}

/// How many bytes are digits before the first that is none.
inline int CountDigits(uint64_t word) {
  const uint64_t others = ((word + 0x7676767676767676) | word) & 0x8080808080808080;  // right up to the first of them
  return std::countr_zero(others) / 8;
}

/// The number that eight digits are.
inline uint64_t ValueOfEight(uint64_t digits) {
  const uint64_t pairs = (digits * 10 + (digits >> 8)) & 0x00FF00FF00FF00FF;
  const uint64_t fours = (pairs * 100 + (pairs >> 16)) & 0x0000FFFF0000FFFF;
  return (fours * 10'000 + (fours >> 32)) & 0xFFFFFFFF;
}

/// Appends the digits that begin at `at`, if any; what is behind them.
inline const char *TakeDigits(const char *at, const char *end, JsonNumber *number) {
  constexpr std::array<uint64_t, 8> kTens = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000, 10'000'000};
  const char *const first = at;
  uint64_t word = LoadEight(at, end);
  int count = CountDigits(word);
  for (; count == 8; count = CountDigits(word)) {
    number->digits = number->digits * 100'000'000 + ValueOfEight(word);
    at += 8;
    word = LoadEight(at, end);
  }
  number->digits = number->digits * kTens[count] + ValueOfEight(word << (56 - 8 * count) << 8);
  at += count;
  number->digit_count += at - first;
  return at;
}

/// Behind the `e`. nullptr where there is no exponent, or one of very many digits.
inline const char *TakeExponent(const char *at, const char *end, JsonNumber *number) {
  constexpr int kMostExponentDigits = 4;
  const char sign = at < end ? *at : '\0';
  at += (sign == '-') | (sign == '+');
  const char *const first = at;
  int exponent = 0;
  for (; at < end && IsDigit(*at) && at - first <= kMostExponentDigits; ++at) {
    exponent = exponent * 10 + (*at - '0');
  }
  number->exponent += sign == '-' ? -exponent : exponent;
  return at > first && at - first <= kMostExponentDigits ? at : nullptr;
}

/// Leaves the zeros before the first other digit out of the count.
void ForgetLeadingZeros(const char *first, JsonNumber *number);

inline constexpr int kLeastPower = -57;  // with these, 19 digits reach all of float32's range
inline constexpr int kMostPower = 38;
extern const std::array<double, kMostPower - kLeastPower + 1> kPowersOfTen;

/// Whether all that the right double can be, after three roundings on the way to this one, are the same as float32.
inline bool IsCertain(double value) {
  constexpr uint64_t kDropped = (uint64_t{1} << 29) - 1;  // the bits that float32 has no room for
  constexpr uint64_t kHalfway = uint64_t{1} << 28;
  constexpr uint64_t kDoubt = 8;  // in the last place; it is less than four
  const auto bits = std::bit_cast<uint64_t>(value);
  const bool is_ordinary = (bits >> 52) - (1023 - 126) < 253;  // 2^-126 to 2^127
  return (is_ordinary | (bits == 0)) && (bits & kDropped) - (kHalfway - kDoubt) > 2 * kDoubt;
}

/// Reads the text once more.
bool ReadFloat32(const char *text, const char *end, float *value);

}  // namespace json_number

/// Takes the number that begins at `at`; behind it, or nullptr where there is none as JSON has them.
inline const char *TakeJsonNumber(const char *at, const char *end, JsonNumber *number) {
  using namespace json_number;  // NOLINT
  number->is_negative = at < end && *at == '-';
  at += number->is_negative;
  const char *const first = at;
  if (end - at >= 2 && IsDigit(*at) && !IsDigit(at[1])) {
    number->digits = *at - '0';
    number->digit_count = 1;
    ++at;
  } else {
    at = TakeDigits(at, end, number);
    if (at == first || (*first == '0' && at - first > 1)) {
      return nullptr;
    }
  }
  if (at < end && *at == '.') {
    const char *const fraction = at + 1;
    at = TakeDigits(fraction, end, number);
    if (at == fraction) {
      return nullptr;
    }
    number->exponent = fraction - at;
    number->is_integer = false;
  }
  if (number->digit_count > JsonNumber::kMostDigits) {
    ForgetLeadingZeros(first, number);
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    number->is_integer = false;
    return TakeExponent(at + 1, end, number);
  }
  return at;
}

/// False for an integer that does not fit.
inline bool ToInt32(const JsonNumber &number, int32_t *value) {
  *value = static_cast<int32_t>(number.is_negative ? -number.digits : number.digits);
  return number.digit_count <= JsonNumber::kMostDigits && number.digits <= uint64_t{INT32_MAX} + number.is_negative;
}

/// The float32 of the double that the number, written from `text` to `end`, is nearest to. False where it is infinite,
/// or so small that std::from_chars does not say.
inline bool ToFloat32(const JsonNumber &number, const char *text, const char *end, float *value) {
  using namespace json_number;  // NOLINT
  const bool has_power = number.exponent >= kLeastPower && number.exponent <= kMostPower;
  if (has_power && number.digit_count <= JsonNumber::kMostDigits) {
    const double nearly = static_cast<double>(number.digits) * kPowersOfTen[number.exponent - kLeastPower];
    *value = static_cast<float>(number.is_negative ? -nearly : nearly);
    if (IsCertain(nearly)) {
      return true;
    }
  }
  return ReadFloat32(text, end, value);
}

}  // namespace mindspore::serving
