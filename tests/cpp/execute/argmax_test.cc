#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "execute/builtin.h"

namespace mindspore::serving {
namespace {

template <typename T>
int64_t ArgMaxOf(DType dtype, const std::vector<T> &elements) {
  Value input = MakeValue(dtype, Shape{static_cast<int64_t>(elements.size())}, elements.size() * sizeof(T));
  std::ranges::copy(std::as_bytes(std::span(elements)), input.data);
  const Value *const inputs[] = {&input};
  const Value output = FindBuiltin("argmax_cpp")(std::span<const Value *const>(inputs));
  EXPECT_EQ(output.dtype, DType::kInt64);
  EXPECT_EQ(output.shape, Shape{});
  int64_t index = -1;
  std::memcpy(&index, output.data, sizeof(index));
  return index;
}

TEST(ArgMaxTest, TheFirstOfTheLargestWins) {
  EXPECT_EQ(ArgMaxOf<float>(DType::kFloat32, {1, 5, 3, 5}), 1);
  EXPECT_EQ(ArgMaxOf<double>(DType::kFloat64, {-1, -5}), 0);
  EXPECT_EQ(ArgMaxOf<int8_t>(DType::kInt8, {-1, 5}), 1);
  EXPECT_EQ(ArgMaxOf<uint8_t>(DType::kUint8, {200, 5}), 0);
  EXPECT_EQ(ArgMaxOf<int16_t>(DType::kInt16, {-300, 5}), 1);
  EXPECT_EQ(ArgMaxOf<uint16_t>(DType::kUint16, {60000, 5}), 0);
  EXPECT_EQ(ArgMaxOf<int32_t>(DType::kInt32, {0, 1 << 30}), 1);
  EXPECT_EQ(ArgMaxOf<uint32_t>(DType::kUint32, {1U << 31, 1}), 0);
  EXPECT_EQ(ArgMaxOf<int64_t>(DType::kInt64, {-1, 0}), 1);
  EXPECT_EQ(ArgMaxOf<uint64_t>(DType::kUint64, {uint64_t{1} << 63, 1}), 0);
}

TEST(ArgMaxTest, OtherTypesAndNothingAreRefused) {
  EXPECT_THROW(ArgMaxOf<uint16_t>(DType::kFloat16, {1}), ServingError);
  EXPECT_THROW(ArgMaxOf<uint8_t>(DType::kBool, {1}), ServingError);
  EXPECT_THROW(ArgMaxOf<char>(DType::kString, {'a'}), ServingError);
  EXPECT_THROW(ArgMaxOf<float>(DType::kFloat32, {}), ServingError);
}

TEST(ArgMaxTest, OnlyKnownNamesAreFound) { EXPECT_EQ(FindBuiltin("argmin_cpp"), nullptr); }

}  // namespace
}  // namespace mindspore::serving
