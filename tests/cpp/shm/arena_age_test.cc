#include <gtest/gtest.h>

#include <vector>

#include "shm/arena.h"

namespace mindspore::serving {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(ArenaAgeTest, OldBytesAreThoseInUseSinceTheCallBeforeLast) {
  Arena arena(kMiB, nullptr);
  const uint64_t first = arena.Allocate(100).value();
  EXPECT_EQ(arena.TakeOldBytes({}), 0u);
  const uint64_t second = arena.Allocate(1000).value();
  EXPECT_EQ(arena.TakeOldBytes({}), 0u);
  const uint64_t third = arena.Allocate(64).value();
  EXPECT_EQ(arena.TakeOldBytes({}), 128u);
  EXPECT_EQ(arena.TakeOldBytes({}), 128u + 1024u);
  EXPECT_EQ(arena.TakeOldBytes({}), 128u + 1024u + 64u);
  const uint64_t young = arena.Allocate(64).value();
  const std::vector<uint64_t> except = {second, young, kMiB, 1};
  EXPECT_EQ(arena.TakeOldBytes(except), 128u + 64u) << "neither the young block nor what is none counts";
  for (const uint64_t block : {first, second, third, young}) {
    arena.DropReference(block);
  }
  EXPECT_EQ(arena.TakeOldBytes({}), 0u);
  EXPECT_EQ(arena.TakeOldBytes(except), 0u);
}

TEST(ArenaAgeTest, WhatIsFreedInTimeIsNeverOld) {
  Arena arena(kMiB, nullptr);
  std::vector<uint64_t> blocks;
  for (int call = 0; call < 20; ++call) {
    blocks.push_back(arena.Allocate(64).value());
    blocks.push_back(arena.Allocate(4096).value());
    if (blocks.size() > 4) {  // those of two calls ago
      arena.DropReference(blocks[0]);
      arena.DropReference(blocks[1]);
      blocks.erase(blocks.begin(), blocks.begin() + 2);
    }
    EXPECT_EQ(arena.TakeOldBytes({}), 0u) << call;
  }
}

}  // namespace
}  // namespace mindspore::serving
