#include "wire/byte_rope.h"

#include <gtest/gtest.h>

#include <array>

#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

TEST(ByteRopeTest, OnePieceIsContiguous) {
  const ByteRope rope(AsBytes("abc"));
  EXPECT_TRUE(rope.contiguous());
  EXPECT_EQ(rope.size_bytes(), 3u);
  EXPECT_EQ(rope.bytes().size(), 3u);
  EXPECT_EQ(ToText(rope), "abc");
}

TEST(ByteRopeTest, PiecesAreJoinedByCopying) {
  const std::array<ByteSpan, 3> rest = {AsBytes("c"), ByteSpan{}, AsBytes("de")};
  const ByteRope rope(AsBytes("ab"), rest);
  EXPECT_FALSE(rope.contiguous());
  EXPECT_EQ(rope.size_bytes(), 5u);
  EXPECT_EQ(ToText(rope), "abcde");
}

TEST(ByteRopeTest, EmptyRopeHasNoBytes) {
  EXPECT_EQ(ByteRope{}.size_bytes(), 0u);
  EXPECT_EQ(ToText(ByteRope{}), "");
}

}  // namespace
}  // namespace mindspore::serving
