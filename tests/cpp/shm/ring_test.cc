#include "shm/ring.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace mindspore::serving {
namespace {

struct Ring {
  explicit Ring(uint32_t capacity)
      : entries(capacity), producer(&indices, entries.data(), capacity), consumer(&indices, entries.data(), capacity) {}
  RingIndices indices{};
  std::vector<RingEntry> entries;
  RingProducer producer;
  RingConsumer consumer;
};

RingEntry Entry(uint64_t token) {
  return RingEntry{EntryKind::kInstance, 0, token, token * 3, ~token, token, 1, {2, 3}};
}

bool IsEntry(const RingEntry &entry, uint64_t token) {
  return entry.token == token && entry.offset == token * 3 && entry.size_bytes == ~token &&
         entry.reserve_bytes == token;
}

TEST(RingTest, KeepsOrderOverManyWraps) {
  Ring ring(8);
  std::mt19937 random(5);
  uint64_t written = 0;
  uint64_t read = 0;
  while (read < 10'000) {
    for (uint64_t count = random() % 9; count > 0 && ring.producer.Push(Entry(written)) == RingStatus::kOk; --count) {
      ++written;
    }
    const RingStatus status = ring.consumer.Look();
    ASSERT_EQ(status, written == read ? RingStatus::kBlocked : RingStatus::kOk);
    for (uint64_t count = random() % 9; count > 0 && ring.consumer.HasEntry(); --count) {
      ASSERT_TRUE(IsEntry(ring.consumer.Pop(), read));
      ++read;
    }
  }
}

TEST(RingTest, AFullRingRefusesAndAsksForNotice) {
  Ring ring(4);
  for (uint64_t i = 0; i < 4; ++i) {
    ASSERT_EQ(ring.producer.Push(Entry(i)), RingStatus::kOk);
  }
  EXPECT_FALSE(ring.consumer.ProducerWaits());
  EXPECT_EQ(ring.producer.Push(Entry(4)), RingStatus::kBlocked);
  EXPECT_EQ(ring.producer.CheckRoom(), RingStatus::kBlocked);
  EXPECT_EQ(ring.consumer.Look(), RingStatus::kOk);
  EXPECT_TRUE(IsEntry(ring.consumer.Pop(), 0));
  EXPECT_TRUE(ring.consumer.ProducerWaits());
  EXPECT_EQ(ring.producer.CheckRoom(), RingStatus::kOk);
  ring.producer.StopWaiting();
  EXPECT_FALSE(ring.consumer.ProducerWaits());
  EXPECT_EQ(ring.producer.Push(Entry(4)), RingStatus::kOk);
  for (uint64_t i = 1; i <= 4; ++i) {
    if (!ring.consumer.HasEntry()) {
      ASSERT_EQ(ring.consumer.Look(), RingStatus::kOk);
    }
    EXPECT_TRUE(IsEntry(ring.consumer.Pop(), i));
  }
}

TEST(RingTest, AnImpossibleTailIsNotFollowed) {
  Ring ring(4);
  ASSERT_EQ(ring.producer.Push(Entry(0)), RingStatus::kOk);
  ASSERT_EQ(ring.consumer.Look(), RingStatus::kOk);
  ring.consumer.Pop();
  for (const uint64_t tail : {uint64_t{0}, uint64_t{6}, UINT64_MAX, uint64_t{1} << 63, uint64_t{1} << 32}) {
    ring.indices.tail = tail;
    EXPECT_EQ(ring.consumer.Look(), RingStatus::kCorrupt) << tail;
    EXPECT_FALSE(ring.consumer.HasEntry());
  }
  ring.indices.tail = 5;  // possible, though not true: at most a ring full of whatever lies there
  EXPECT_EQ(ring.consumer.Look(), RingStatus::kOk);
  int entries = 0;
  for (; ring.consumer.HasEntry(); ++entries) {
    ring.consumer.Pop();
  }
  EXPECT_EQ(entries, 4);
}

TEST(RingTest, AnImpossibleHeadIsNotFollowed) {
  Ring ring(4);
  for (uint64_t i = 0; i < 4; ++i) {
    ASSERT_EQ(ring.producer.Push(Entry(i)), RingStatus::kOk);
  }
  for (const uint64_t head : {uint64_t{5}, UINT64_MAX, uint64_t{1} << 63}) {
    ring.indices.head = head;
    EXPECT_EQ(ring.producer.Push(Entry(4)), RingStatus::kCorrupt) << head;
  }
  ring.indices.head = 0;
  EXPECT_EQ(ring.producer.Push(Entry(4)), RingStatus::kBlocked);
}

TEST(RingTest, HandsEntriesFromThreadToThread) {
  constexpr uint64_t kCount = 300'000;
  Ring ring(64);
  std::thread producer([&ring] {
    for (uint64_t i = 0; i < kCount;) {
      if (ring.producer.Push(Entry(i)) == RingStatus::kOk) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < kCount;) {
    if (!ring.consumer.HasEntry() && ring.consumer.Look() != RingStatus::kOk) {
      std::this_thread::yield();
      continue;
    }
    wrong += !IsEntry(ring.consumer.Pop(), i++);
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace mindspore::serving
