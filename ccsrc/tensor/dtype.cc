#include "tensor/dtype.h"

#include <array>

namespace mindspore::serving {
namespace {

struct DTypeRow {
  size_t element_bytes;
  std::string_view name;
};

constexpr std::array<DTypeRow, kDTypeCount> kRows = {{
  {0, "kMSI_Unknown"},
  {1, "kMSI_Bool"},
  {1, "kMSI_Int8"},
  {1, "kMSI_Uint8"},
  {2, "kMSI_Int16"},
  {2, "kMSI_Uint16"},
  {4, "kMSI_Int32"},
  {4, "kMSI_Uint32"},
  {8, "kMSI_Int64"},
  {8, "kMSI_Uint64"},
  {2, "kMSI_Float16"},
  {4, "kMSI_Float32"},
  {8, "kMSI_Float64"},
  {0, "kMSI_String"},
  {0, "kMSI_Bytes"},
}};

const DTypeRow &Row(DType dtype) {
  const auto index = static_cast<size_t>(dtype);
  return index < kRows.size() ? kRows[index] : kRows[0];
}

}  // namespace

size_t ElementBytes(DType dtype) { return Row(dtype).element_bytes; }

std::string_view Name(DType dtype) { return Row(dtype).name; }

}  // namespace mindspore::serving
