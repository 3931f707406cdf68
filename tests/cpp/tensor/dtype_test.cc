#include "tensor/dtype.h"

#include <gtest/gtest.h>

namespace mindspore::serving {
namespace {

TEST(DTypeTest, NumbersSizesAndNamesAreThoseOfTheWire) {
  const struct {
    int number;
    size_t element_bytes;
    std::string_view name;
  } rows[] = {
    {0, 0, "kMSI_Unknown"},  {1, 1, "kMSI_Bool"},    {2, 1, "kMSI_Int8"},     {3, 1, "kMSI_Uint8"},
    {4, 2, "kMSI_Int16"},    {5, 2, "kMSI_Uint16"},  {6, 4, "kMSI_Int32"},    {7, 4, "kMSI_Uint32"},
    {8, 8, "kMSI_Int64"},    {9, 8, "kMSI_Uint64"},  {10, 2, "kMSI_Float16"}, {11, 4, "kMSI_Float32"},
    {12, 8, "kMSI_Float64"}, {13, 0, "kMSI_String"}, {14, 0, "kMSI_Bytes"},
  };
  EXPECT_EQ(std::size(rows), static_cast<size_t>(kDTypeCount));
  for (const auto &row : rows) {
    const auto dtype = static_cast<DType>(row.number);
    EXPECT_EQ(ElementBytes(dtype), row.element_bytes) << row.name;
    EXPECT_EQ(Name(dtype), row.name);
    EXPECT_EQ(IsText(dtype), row.number >= 13) << row.name;
    EXPECT_EQ(IsNumeric(dtype), row.number >= 1 && row.number <= 12) << row.name;
  }
}

TEST(DTypeTest, NumberPastTheEndIsUnknown) {
  EXPECT_EQ(ElementBytes(static_cast<DType>(200)), 0u);
  EXPECT_EQ(Name(static_cast<DType>(200)), "kMSI_Unknown");
}

}  // namespace
}  // namespace mindspore::serving
