#include "shm/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace mindspore::serving {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

/// Records what an arena gives back.
struct Recorder {
  std::vector<TouchedChunks::Range> ranges;
  bool works = true;
  Arena::GiveBack function() {
    return [this](uint64_t offset, uint64_t size_bytes) {
      ranges.push_back({offset, size_bytes});
      return works;
    };
  }
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const auto &range : ranges) {
      sum += range.size_bytes;
    }
    return sum;
  }
};

TEST(ArenaTest, BlocksAreAlignedAndCounted) {
  Arena arena(kMiB, nullptr);
  EXPECT_EQ(arena.max_block_bytes(), kMiB);
  const auto first = arena.Allocate(1);
  const auto second = arena.Allocate(65);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first % Arena::kAlignBytes, 0u);
  EXPECT_EQ(*second % Arena::kAlignBytes, 0u);
  EXPECT_EQ(arena.used_bytes(), 64u + 128u);
  EXPECT_EQ(arena.DropReference(*first), Arena::Drop::kDropped);
  EXPECT_EQ(arena.DropReference(*second), Arena::Drop::kDropped);
  EXPECT_EQ(arena.used_bytes(), 0u);
}

TEST(ArenaTest, ABlockLivesUntilItsLastReferenceIsDropped) {
  Arena arena(kMiB, nullptr);
  const uint64_t block = arena.Allocate(kMiB).value();
  EXPECT_TRUE(arena.AddReference(block));
  EXPECT_EQ(arena.DropReference(block), Arena::Drop::kDropped);
  EXPECT_FALSE(arena.Allocate(1));
  EXPECT_EQ(arena.DropReference(block), Arena::Drop::kSpaceFreed);
  EXPECT_TRUE(arena.Allocate(1));
}

TEST(ArenaTest, OffsetsThatAreNoBlockAreRefused) {
  Arena arena(kMiB, nullptr);
  const uint64_t block = arena.Allocate(4096).value();
  for (const uint64_t lie : {block + 64, block + 1, kMiB, kMiB + 64, UINT64_MAX, UINT64_MAX - 63, uint64_t{1} << 40}) {
    EXPECT_FALSE(arena.AddReference(lie)) << lie;
    EXPECT_EQ(arena.DropReference(lie), Arena::Drop::kNoSuchBlock) << lie;
  }
  EXPECT_EQ(arena.DropReference(block), Arena::Drop::kDropped);
  EXPECT_EQ(arena.DropReference(block), Arena::Drop::kNoSuchBlock);
  EXPECT_FALSE(arena.AddReference(block));
  EXPECT_EQ(arena.used_bytes(), 0u);
}

TEST(ArenaTest, TheLargestBlockIsTheWholeSegment) {
  for (const uint64_t bytes :
       {uint64_t{64}, uint64_t{4096}, 1000 * uint64_t{64}, kMiB, 3 * kMiB + 4096, 4097 * uint64_t{64}}) {
    Arena arena(bytes, nullptr);
    EXPECT_FALSE(arena.Allocate(bytes + 1));
    const auto block = arena.Allocate(arena.max_block_bytes());
    ASSERT_TRUE(block) << bytes;
    EXPECT_EQ(arena.used_bytes(), bytes);
    arena.DropReference(*block);
    EXPECT_TRUE(arena.Allocate(bytes - 1)) << "whole again after a drop";
  }
  EXPECT_THROW(Arena(0, nullptr), std::invalid_argument);
  EXPECT_THROW(Arena(uint64_t{1} << 40, nullptr), std::invalid_argument);
}

TEST(ArenaTest, FreedNeighboursAreJoinedInAnyOrder) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    Arena arena(kMiB, nullptr);
    std::vector<uint64_t> blocks;
    while (const auto block = arena.Allocate(16 << 10)) {
      blocks.push_back(*block);
    }
    EXPECT_EQ(blocks.size(), 64u);
    std::ranges::shuffle(blocks, random);
    for (const uint64_t block : blocks) {
      arena.DropReference(block);
    }
    EXPECT_TRUE(arena.Allocate(kMiB));
  }
}

TEST(ArenaTest, RefusalIsFollowedByOneNotice) {
  Arena arena(kMiB, nullptr);
  const uint64_t first = arena.Allocate(kMiB / 2).value();
  const uint64_t second = arena.Allocate(kMiB / 2).value();
  EXPECT_FALSE(arena.TakeSpaceFreed());
  EXPECT_FALSE(arena.Allocate(1));
  EXPECT_FALSE(arena.TakeSpaceFreed());
  EXPECT_EQ(arena.DropReference(first), Arena::Drop::kSpaceFreed);
  EXPECT_EQ(arena.DropReference(second), Arena::Drop::kDropped);
  EXPECT_TRUE(arena.TakeSpaceFreed());
  EXPECT_FALSE(arena.TakeSpaceFreed());
  EXPECT_FALSE(arena.Allocate(2 * kMiB)) << "never possible, so nobody waits";
  arena.DropReference(arena.Allocate(64).value());
  EXPECT_FALSE(arena.TakeSpaceFreed());
}

TEST(ArenaTest, TheMemoryFreedLastIsUsedFirst) {
  Arena arena(256 * kMiB, nullptr);
  constexpr size_t kTensor = 602'112 + 128;
  std::vector<uint64_t> blocks;
  for (int i = 0; i < 64; ++i) {
    blocks.push_back(arena.Allocate(kTensor).value());
  }
  const uint64_t end = *std::ranges::max_element(blocks) + 2 * kTensor;
  // Whatever goes first, the next request of the same size gets the same place.
  std::mt19937 random(11);
  for (int round = 0; round < 10'000; ++round) {
    uint64_t &block = blocks[random() % blocks.size()];
    const uint64_t freed = block;
    arena.DropReference(block);
    block = arena.Allocate(kTensor).value();
    ASSERT_EQ(block, freed);
  }
  // A window that moves stays on the same pages.
  for (int round = 0; round < 10'000; ++round) {
    arena.DropReference(blocks.front());
    blocks.erase(blocks.begin());
    blocks.push_back(arena.Allocate(kTensor).value());
    ASSERT_LT(blocks.back(), end);
  }
}

/// A model that remembers every block and checks that none overlap.
class ModelledArena {
 public:
  explicit ModelledArena(uint64_t bytes) : arena_(bytes, nullptr), bytes_(bytes) {}

  bool Allocate(uint64_t size) {
    const auto offset = arena_.Allocate(size);
    if (!offset) {
      return false;
    }
    const auto after = live_.lower_bound(*offset);
    EXPECT_LE(*offset + size, bytes_);
    EXPECT_TRUE(after == live_.end() || *offset + size <= after->first);
    EXPECT_TRUE(after == live_.begin() || std::prev(after)->first + std::prev(after)->second.size <= *offset);
    live_[*offset] = {size, 1};
    offsets_.push_back(*offset);
    asked_ += size;
    return true;
  }
  void AddReference(size_t which) {
    EXPECT_TRUE(arena_.AddReference(offsets_[which]));
    ++live_[offsets_[which]].references;
  }
  void Drop(size_t which) {
    const uint64_t offset = offsets_[which];
    EXPECT_NE(arena_.DropReference(offset), Arena::Drop::kNoSuchBlock);
    if (--live_[offset].references == 0) {
      asked_ -= live_[offset].size;
      live_.erase(offset);
      offsets_[which] = offsets_.back();
      offsets_.pop_back();
    }
  }
  Arena &arena() { return arena_; }
  size_t count() const { return offsets_.size(); }
  uint64_t asked() const { return asked_; }

 private:
  struct Live {
    uint64_t size;
    int references;
  };
  Arena arena_;
  uint64_t bytes_;
  uint64_t asked_ = 0;
  std::map<uint64_t, Live> live_;
  std::vector<uint64_t> offsets_;
};

TEST(ArenaTest, RandomLoadAgainstAModel) {
  std::mt19937_64 random(3);
  ModelledArena model(64 * kMiB);
  uint64_t refusals = 0;
  uint64_t least_full = 64 * kMiB;
  for (int step = 0; step < 200'000; ++step) {
    const uint64_t size =
      1 + random() % (uint64_t{1} << (random() % 21));  // 1 byte to 1 MiB, small ones as often as large
    const bool filling = (step / 20'000) % 2 == 0;
    if (random() % 100 < (filling ? 60u : 40u)) {
      if (!model.Allocate(size)) {
        ++refusals;
        least_full = std::min(least_full, model.asked());
      }
    } else if (model.count() > 0) {
      if (random() % 8 == 0) {
        model.AddReference(random() % model.count());
      }
      model.Drop(random() % model.count());
    }
    ASSERT_GE(model.arena().used_bytes(), model.asked());
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(refusals, 0u);
  EXPECT_GT(least_full, 64 * kMiB / 2) << "space is refused only when most of it is used";
  while (model.count() > 0) {
    model.Drop(0);
  }
  EXPECT_EQ(model.arena().used_bytes(), 0u);
  EXPECT_TRUE(model.arena().Allocate(64 * kMiB)) << "one block again";
}

TEST(ArenaTest, ThreadsDoNotGetTheSameBlock) {
  constexpr int kThreads = 4;
  std::vector<uint8_t> owner(16 * kMiB / Arena::kAlignBytes, 0);
  Arena arena(16 * kMiB, nullptr);
  std::vector<std::thread> threads;
  std::atomic<int> clashes{0};
  for (int id = 1; id <= kThreads; ++id) {
    threads.emplace_back([&, id] {
      std::mt19937 random(static_cast<unsigned>(id));
      std::vector<std::pair<uint64_t, uint64_t>> mine;
      for (int step = 0; step < 20'000; ++step) {
        const uint64_t granules = 1 + random() % 100;
        const auto block = arena.Allocate(granules * Arena::kAlignBytes);
        if (block) {
          std::fill_n(owner.begin() + static_cast<int64_t>(*block / Arena::kAlignBytes), granules,
                      static_cast<uint8_t>(id));
          mine.emplace_back(*block, granules);
        }
        if (mine.size() > 64 || !block) {
          std::swap(mine[random() % mine.size()], mine.back());
          const auto [offset, count] = mine.back();
          const auto first = owner.begin() + static_cast<int64_t>(offset / Arena::kAlignBytes);
          clashes += std::any_of(first, first + static_cast<int64_t>(count), [id](uint8_t who) { return who != id; });
          arena.DropReference(offset);
          mine.pop_back();
        }
      }
      for (const auto &block : mine) {
        arena.DropReference(block.first);
      }
    });
  }
  for (auto &thread : threads) {
    thread.join();
  }
  EXPECT_EQ(clashes, 0);
  EXPECT_EQ(arena.used_bytes(), 0u);
}

/// Calls GiveBackIdle as a sleeping thread does, with time that passes as it asks, until it asks no more.
Clock::time_point SleepUntilNothingIsLeftToDo(Arena *arena, Clock::time_point now) {
  for (int calls = 0; calls < 10'000; ++calls) {
    const auto wait = arena->GiveBackIdle(now);
    if (!wait) {
      return now;
    }
    now += *wait;
  }
  ADD_FAILURE() << "GiveBackIdle never ends";
  return now;
}

TEST(ArenaTest, MuchIdleMemoryGoesBackWhenNothingHappens) {
  Recorder recorder;
  Arena arena(1024 * kMiB, recorder.function());
  std::vector<uint64_t> blocks;
  for (int i = 0; i < 500; ++i) {
    blocks.push_back(arena.Allocate(kMiB).value());
  }
  const Clock::time_point start{std::chrono::hours(1)};
  EXPECT_FALSE(arena.GiveBackIdle(start)) << "all of it is used";
  for (size_t i = 100; i < blocks.size(); ++i) {
    arena.DropReference(blocks[i]);
  }
  const auto end = SleepUntilNothingIsLeftToDo(&arena, start);
  EXPECT_GE(end - start, Arena::kSettleTime);
  EXPECT_LE(end - start, 3 * Arena::kSettleTime);
  EXPECT_GE(recorder.bytes(), (400 - 66) * kMiB);
  EXPECT_LE(recorder.bytes(), (400 - 64 + 1) * kMiB);
  for (const auto &range : recorder.ranges) {
    EXPECT_GE(range.offset, blocks[99] + kMiB) << "pages of a block in use";
    EXPECT_LE(range.size_bytes, Arena::kGiveBackStepBytes);
  }
  EXPECT_EQ(arena.used_bytes(), 100 * kMiB);
  EXPECT_TRUE(arena.Allocate(900 * kMiB)) << "what was given back can be allocated";
}

TEST(ArenaTest, ASteadyLoadGivesNothingBack) {
  Recorder recorder;
  Arena arena(1024 * kMiB, recorder.function());
  Clock::time_point now{std::chrono::hours(1)};
  for (int wave = 0; wave < 100; ++wave) {  // 256 messages of 600 kB, then none for a moment, ten times a second
    std::vector<uint64_t> blocks;
    for (int i = 0; i < 256; ++i) {
      blocks.push_back(arena.Allocate(600'000).value());
    }
    for (const uint64_t block : blocks) {
      arena.DropReference(block);
    }
    arena.GiveBackIdle(now);
    now += std::chrono::milliseconds(100);
  }
  EXPECT_EQ(recorder.bytes(), 0u);
  SleepUntilNothingIsLeftToDo(&arena, now);
  EXPECT_GT(recorder.bytes(), 80 * kMiB);
}

TEST(ArenaTest, IdleMemoryInPiecesTooSmallIsLeftAlone) {
  Recorder recorder;
  Arena arena(512 * kMiB, recorder.function());
  std::vector<uint64_t> blocks;
  for (int i = 0; i < 512 * 8; ++i) {
    blocks.push_back(arena.Allocate(128 << 10).value());
  }
  for (size_t i = 0; i < blocks.size(); i += 2) {
    arena.DropReference(blocks[i]);
  }
  SleepUntilNothingIsLeftToDo(&arena, Clock::time_point{std::chrono::hours(1)});
  EXPECT_EQ(recorder.bytes(), 0u);
  EXPECT_FALSE(arena.GiveBackIdle(Clock::time_point{std::chrono::hours(2)})) << "no second try without reason";
  for (size_t i = 1; i < blocks.size(); i += 2) {
    arena.DropReference(blocks[i]);
  }
  SleepUntilNothingIsLeftToDo(&arena, Clock::time_point{std::chrono::hours(3)});
  EXPECT_GE(recorder.bytes(), 440 * kMiB);
}

TEST(ArenaTest, GivingBackIsNotRepeatedWhereTheSystemCannot) {
  Recorder recorder;
  recorder.works = false;
  Arena arena(512 * kMiB, recorder.function());
  arena.DropReference(arena.Allocate(512 * kMiB).value());
  SleepUntilNothingIsLeftToDo(&arena, Clock::time_point{std::chrono::hours(1)});
  EXPECT_EQ(recorder.ranges.size(), 1u);
  EXPECT_TRUE(arena.Allocate(512 * kMiB));
}

TEST(ArenaTest, ARequestRefusedWhileMemoryIsGivenBackIsToldOfSpace) {
  std::function<void()> meanwhile;
  Arena arena(512 * kMiB, [&meanwhile](uint64_t, uint64_t) {
    meanwhile();
    return true;
  });
  bool refused = false;
  meanwhile = [&] { refused |= !arena.Allocate(512 * kMiB).has_value(); };
  arena.DropReference(arena.Allocate(512 * kMiB).value());
  SleepUntilNothingIsLeftToDo(&arena, Clock::time_point{std::chrono::hours(1)});
  EXPECT_TRUE(refused);
  EXPECT_TRUE(arena.TakeSpaceFreed());
  EXPECT_TRUE(arena.Allocate(512 * kMiB));
}

}  // namespace
}  // namespace mindspore::serving
