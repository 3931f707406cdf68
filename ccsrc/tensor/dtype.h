#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mindspore::serving {

/// Data types; the numbers are those of `DataType` in ms_service.proto.
enum class DType : uint8_t {
  kUnknown = 0,
  kBool = 1,
  kInt8 = 2,
  kUint8 = 3,
  kInt16 = 4,
  kUint16 = 5,
  kInt32 = 6,
  kUint32 = 7,
  kInt64 = 8,
  kUint64 = 9,
  kFloat16 = 10,
  kFloat32 = 11,
  kFloat64 = 12,
  kString = 13,
  kBytes = 14,
};

inline constexpr int kDTypeCount = 15;

/// Bytes of one element; 0 for kUnknown, kString and kBytes.
size_t ElementBytes(DType dtype);

/// The name that texts of errors use, such as `kMSI_Float32`.
std::string_view Name(DType dtype);

inline bool IsText(DType dtype) { return dtype == DType::kString || dtype == DType::kBytes; }
inline bool IsNumeric(DType dtype) { return dtype >= DType::kBool && dtype <= DType::kFloat64; }

}  // namespace mindspore::serving
