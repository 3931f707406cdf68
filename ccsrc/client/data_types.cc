#include "client/data_types.h"

#include <array>

namespace mindspore::serving::client {
namespace {

struct Row {
  DType dtype;
  const char *name;
};

// By DataType.
constexpr std::array<Row, 15> kRows = {{
  {DType::kUnknown, "DT_UNKNOWN"},
  {DType::kUint8, "DT_UINT8"},
  {DType::kUint16, "DT_UINT16"},
  {DType::kUint32, "DT_UINT32"},
  {DType::kUint64, "DT_UINT64"},
  {DType::kInt8, "DT_INT8"},
  {DType::kInt16, "DT_INT16"},
  {DType::kInt32, "DT_INT32"},
  {DType::kInt64, "DT_INT64"},
  {DType::kBool, "DT_BOOL"},
  {DType::kFloat16, "DT_FLOAT16"},
  {DType::kFloat32, "DT_FLOAT32"},
  {DType::kFloat64, "DT_FLOAT64"},
  {DType::kString, "DT_STRING"},
  {DType::kBytes, "DT_BYTES"},
}};

const Row &RowOf(DataType type) {
  const auto index = static_cast<size_t>(type);
  return index < kRows.size() ? kRows[index] : kRows[0];
}

}  // namespace

DType ToWire(DataType type) { return RowOf(type).dtype; }

DataType FromWire(DType dtype) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].dtype == dtype) {
      return static_cast<DataType>(i);
    }
  }
  return DT_UNKNOWN;
}

const char *NameOf(DataType type) { return RowOf(type).name; }

}  // namespace mindspore::serving::client
