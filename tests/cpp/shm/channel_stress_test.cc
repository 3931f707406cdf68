#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "channel_ends.h"

namespace mindspore::serving {
namespace {

// Hundreds of thousands of entries both ways, and both ends sleep whenever they have nothing: a lost wake-up hangs the
// test.
TEST_F(ChannelTest, SleepAndWakeStress) {
  constexpr uint64_t kCount = 200'000;
  std::atomic<uint64_t> wrong{0};
  std::thread worker([this, &wrong] {
    for (uint64_t i = 0; i < kCount; ++i) {
      const auto entry = WaitForEntry(worker_.get(), 0);
      wrong += !entry || entry->token != i;
      while (!worker_->Send(MakeEntry(EntryKind::kResult, i), 0)) {
        std::this_thread::yield();
      }
    }
  });
  uint64_t sent = 0;
  for (uint64_t answered = 0; answered < kCount;) {
    // Between one and eight in flight, so that both ends sleep often.
    while (sent < kCount && sent - answered <= answered % 8) {
      ASSERT_TRUE(master_->Send(MakeEntry(EntryKind::kInstance, sent), 0));
      ++sent;
    }
    const auto entry = WaitForEntry(master_.get(), 0);
    wrong += !entry || entry->token != answered;
    ++answered;
  }
  worker.join();
  EXPECT_EQ(wrong, 0u);
}

// Several senders that share one end, each waking two lanes of the other, which hand work on to each other.
TEST_F(ChannelTest, ManySendersAndLanesStress) {
  constexpr int kSenders = 3;
  constexpr uint64_t kEach = 20'000;
  std::mutex receiving;
  std::atomic<uint64_t> received{0};
  auto lane_thread = [&](int lane) {
    for (;;) {
      worker_->PrepareSleep(lane);
      bool found = false;
      {
        std::lock_guard lock(receiving);
        while (worker_->Receive()) {
          found = true;
          ++received;
        }
      }
      if (received == kSenders * kEach) {
        worker_->CancelSleep(lane);
        worker_->Wake(3 - lane);
        return;
      }
      if (found) {
        worker_->CancelSleep(lane);
        worker_->Wake(3 - lane);
      } else {
        worker_->Sleep(lane);
      }
    }
  };
  std::thread first(lane_thread, 1);
  std::thread second(lane_thread, 2);
  std::vector<std::thread> senders;
  for (int id = 0; id < kSenders; ++id) {
    senders.emplace_back([this, id] {
      for (uint64_t i = 0; i < kEach; ++i) {
        while (!master_->Send(MakeEntry(EntryKind::kInstance, i), 1 + (id + static_cast<int>(i)) % 2)) {
          std::this_thread::yield();
        }
      }
    });
  }
  for (auto &sender : senders) {
    sender.join();
  }
  first.join();
  second.join();
  EXPECT_EQ(received, kSenders * kEach);
}

/// Sleeps at lane 0 until what was refused is worth another try.
void WaitForSpace(Channel *channel) {
  for (;;) {
    channel->PrepareSleep(0);
    EXPECT_FALSE(channel->Receive());
    if (channel->TakeSpaceFreed()) {
      channel->CancelSleep(0);
      return;
    }
    channel->Sleep(0);
  }
}

// A small segment, many blocks, and in the second case rings so small that sends are refused and releases wait: the
// sender meets a full arena or ring all the time and continues only when it is told of space.
class BackPressureTest : public testing::TestWithParam<uint32_t> {};

TEST_P(BackPressureTest, NobodyIsForgotten) {
  constexpr uint64_t kCount = 50'000;
  ChannelOptions options = SmallChannel();
  options.ring_entries = GetParam();
  const auto master = Channel::Create(options);
  const auto worker = AttachHere(*master);
  std::thread worker_thread([&worker] {
    for (uint64_t i = 0; i < kCount; ++i) {
      const auto entry = WaitForEntry(worker.get(), 0);
      if (!entry) {
        return;
      }
      worker->Release(entry->offset);
    }
  });
  uint64_t refusals = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const uint64_t size = i % 7 == 0 ? 700'000 : 100'000;
    auto block = master->Allocate(size);
    for (; !block; block = master->Allocate(size)) {
      ++refusals;
      WaitForSpace(master.get());
    }
    while (!master->Send(MakeEntry(EntryKind::kInstance, i, *block, size), 0)) {
      ++refusals;
      WaitForSpace(master.get());
    }
  }
  worker_thread.join();
  for (int round = 0; round < 10 && master->used_bytes() > 0; ++round) {
    EXPECT_FALSE(worker->Receive());  // sends the releases that wait
    EXPECT_FALSE(master->Receive());
  }
  EXPECT_EQ(master->used_bytes(), 0u);
  EXPECT_GT(refusals, 0u);
}

INSTANTIATE_TEST_SUITE_P(RingEntries, BackPressureTest, testing::Values(64, 2));

}  // namespace
}  // namespace mindspore::serving
