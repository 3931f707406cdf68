#include "wire/json_number.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace mindspore::serving::json_number {

// Each is the nearest double or next to it only where the steps on the way to it are finer.
static_assert(std::numeric_limits<long double>::digits >= 64);

constexpr std::array<double, kMostPower - kLeastPower + 1> kPowersOfTen = [] {
  std::array<double, kMostPower - kLeastPower + 1> powers{};
  long double power = 1;
  for (int exponent = 0; exponent <= -kLeastPower; ++exponent) {
    if (exponent <= kMostPower) {
      powers[exponent - kLeastPower] = static_cast<double>(power);
    }
    powers[-exponent - kLeastPower] = static_cast<double>(1 / power);
    power *= 10;
  }
  return powers;
}();

void ForgetLeadingZeros(const char *first, JsonNumber *number) {
  for (; number->digit_count > 0 && (*first == '0' || *first == '.'); ++first) {
    number->digit_count -= *first == '0';
  }
}

bool ReadFloat32(const char *text, const char *end, float *value) {
  double nearest = 0;
  const auto [after, fault] = std::from_chars(text, end, nearest);
  *value = static_cast<float>(nearest);
  return fault == std::errc() && after == end && !std::isinf(*value);
}

}  // namespace mindspore::serving::json_number
