#pragma once

#include <cstdint>
#include <string>

namespace mindspore::serving {

/// Appends the shortest text that reads back as the same double: fixed notation for 1e-4 <= |value| < 1e15 and zero,
/// with `.0` where it is integral, else `d.ddde+XX`. NaN and infinities become `null`.
void AppendNumber(double value, std::string *text);
void AppendNumber(int64_t value, std::string *text);
void AppendNumber(uint64_t value, std::string *text);

/// The value of an IEEE 754 half with these bits.
double HalfToDouble(uint16_t bits);

}  // namespace mindspore::serving
