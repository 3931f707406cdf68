#include "wire/number_text.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace mindspore::serving {
namespace {

constexpr size_t kMaxNumberBytes = 32;  // a double needs at most 24, a 64-bit integer 20

template <typename T>
void AppendInteger(T value, std::string *text) {
  char buffer[kMaxNumberBytes];
  const auto result = std::to_chars(buffer, buffer + kMaxNumberBytes, value);
  text->append(buffer, result.ptr);
}

}  // namespace

void AppendNumber(double value, std::string *text) {
  constexpr double kLeastFixed = 1e-4;
  constexpr double kLeastExponent = 1e15;
  if (!std::isfinite(value)) {
    text->append("null");
    return;
  }
  const double size = std::fabs(value);
  char buffer[kMaxNumberBytes];
  if (size != 0 && (size < kLeastFixed || size >= kLeastExponent)) {
    const auto result = std::to_chars(buffer, buffer + kMaxNumberBytes, value, std::chars_format::scientific);
    text->append(buffer, result.ptr);
    return;
  }
  if (value == std::trunc(value)) {
    text->append(std::signbit(value) && size == 0 ? "-" : "");
    AppendInteger(static_cast<int64_t>(value), text);
    text->append(".0");
    return;
  }
  const auto result = std::to_chars(buffer, buffer + kMaxNumberBytes, value, std::chars_format::fixed);
  text->append(buffer, result.ptr);
}

void AppendNumber(int64_t value, std::string *text) { AppendInteger(value, text); }

void AppendNumber(uint64_t value, std::string *text) { AppendInteger(value, text); }

double HalfToDouble(uint16_t bits) {
  constexpr int kExponentBias = 15;
  constexpr int kFractionBits = 10;
  constexpr int kExponentOfSpecial = 0x1F;
  const int exponent = bits >> kFractionBits & kExponentOfSpecial;
  const int fraction = bits & ((1 << kFractionBits) - 1);
  double value = 0;
  if (exponent == kExponentOfSpecial) {
    value = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(fraction, 1 - kExponentBias - kFractionBits);
  } else {
    value = std::ldexp(fraction + (1 << kFractionBits), exponent - kExponentBias - kFractionBits);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

}  // namespace mindspore::serving
