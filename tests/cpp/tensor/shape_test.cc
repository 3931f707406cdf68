#include "tensor/shape.h"

#include <gtest/gtest.h>

#include <vector>

namespace mindspore::serving {
namespace {

TEST(ShapeTest, ScalarHasOneElement) {
  const Shape scalar;
  EXPECT_EQ(scalar.rank(), 0u);
  EXPECT_EQ(scalar.ElementCount(), 1u);
  EXPECT_EQ(scalar.ToString(), "[]");
}

TEST(ShapeTest, CountIsTheProduct) {
  EXPECT_EQ((Shape{2, 3, 4}).ElementCount(), 24u);
  EXPECT_EQ((Shape{2, 3}).ToString(), "[2, 3]");
}

TEST(ShapeTest, ZeroAnywhereMakesTheCountZero) {
  EXPECT_EQ((Shape{0, 2}).ElementCount(), 0u);
  EXPECT_EQ((Shape{INT64_MAX, INT64_MAX, 0}).ElementCount(), 0u);
}

TEST(ShapeTest, NegativeOrTooLargeHasNoCount) {
  EXPECT_EQ((Shape{-1}).ElementCount(), std::nullopt);
  EXPECT_EQ((Shape{0, -1}).ElementCount(), std::nullopt);
  EXPECT_EQ((Shape{INT64_MAX}).ElementCount(), static_cast<uint64_t>(INT64_MAX));
  EXPECT_EQ((Shape{INT64_MAX, 2}).ElementCount(), std::nullopt);
  EXPECT_EQ((Shape{int64_t{1} << 32, int64_t{1} << 31}).ElementCount(), std::nullopt);
}

TEST(ShapeTest, AppendStopsAtTheLargestRank) {
  Shape shape;
  for (size_t i = 0; i < kMaxRank; ++i) {
    EXPECT_TRUE(shape.Append(static_cast<int64_t>(i)));
  }
  EXPECT_FALSE(shape.Append(1));
  EXPECT_EQ(shape.rank(), kMaxRank);
  EXPECT_EQ(shape[kMaxRank - 1], static_cast<int64_t>(kMaxRank - 1));
  shape.Clear();
  EXPECT_EQ(shape, Shape{});
}

TEST(ShapeTest, CopiesAndEqualityLookAtTheDimensionsThereAre) {
  Shape shape{1, 2, 3};
  Shape copy(shape);
  EXPECT_EQ(copy, shape);
  copy = Shape{1, 2};
  EXPECT_NE(copy, shape);
  EXPECT_EQ(copy, Shape(std::vector<int64_t>{1, 2}));
}

}  // namespace
}  // namespace mindspore::serving
