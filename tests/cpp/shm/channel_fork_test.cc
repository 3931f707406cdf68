#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <cstring>
#include <thread>

#include "channel_ends.h"
#include "shm/block.h"

// The other end in a process of its own. The children use one thread, so these tests run under the thread sanitizer
// too.
namespace mindspore::serving {
namespace {

constexpr uint64_t kStop = UINT64_MAX;

/// Answers every instance with a block that holds twice its float32 tensor, until it is told to stop.
int Doubler(Channel &channel) {
  BlockContents contents;
  uint64_t answered = 0;
  for (;;) {
    const auto entry = WaitForEntry(&channel, 0);
    if (!entry || entry->token == kStop) {
      return entry ? 0 : 1;
    }
    const auto block = channel.Bytes(SegmentId::kRequest, entry->offset, entry->size_bytes);
    ReadBlock(block, SegmentId::kRequest, entry->offset, 0, 0, &contents);
    const BlockTensor &input = contents.tensors.at(0);
    const TensorPlan plan{input.dtype, &input.shape, input.size_bytes};
    const uint64_t size = BlockBytes({&plan, 1});
    auto offset = channel.Allocate(size);
    while (!offset) {
      channel.PrepareSleep(0);
      if (channel.Receive()) {
        return 2;  // this end is asked for one instance at a time
      }
      if (channel.TakeSpaceFreed()) {
        channel.CancelSleep(0);
        offset = channel.Allocate(size);
      } else {
        channel.Sleep(0);
      }
    }
    std::byte *data = nullptr;
    WriteBlock({&plan, 1}, SegmentId::kReply, *offset, channel.Bytes(SegmentId::kReply, *offset, size), {&data, 1});
    const auto from = channel.Bytes(input.segment, input.offset, input.size_bytes);
    for (uint64_t at = 0; at < input.size_bytes; at += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, from.data() + at, sizeof(value));
      value *= 2;
      std::memcpy(data + at, &value, sizeof(value));
    }
    if (!channel.Send(MakeEntry(EntryKind::kResult, entry->token, *offset, size), 0)) {
      return 3;
    }
    channel.Release(entry->offset);
    ++answered;
  }
}

TEST(ChannelForkTest, InstancesAreAnsweredByAnotherProcess) {
  const auto master = Channel::Create(SmallChannel());
  ForkedPeer peer(*master, Doubler);
  BlockContents contents;
  for (uint64_t token = 0; token < 20'000; ++token) {
    const Shape shape{static_cast<int64_t>(1 + token % 1000)};
    const uint64_t bytes = shape.ElementCount().value() * sizeof(float);
    const TensorPlan plan{DType::kFloat32, &shape, bytes};
    const uint64_t size = BlockBytes({&plan, 1});
    const auto offset = master->Allocate(size);
    ASSERT_TRUE(offset) << "only two are ever in use";
    std::byte *data = nullptr;
    WriteBlock({&plan, 1}, SegmentId::kRequest, *offset, master->Bytes(SegmentId::kRequest, *offset, size), {&data, 1});
    const auto value = static_cast<float>(token);
    for (uint64_t at = 0; at < bytes; at += sizeof(value)) {
      std::memcpy(data + at, &value, sizeof(value));
    }
    ASSERT_TRUE(master->Send(MakeEntry(EntryKind::kInstance, token, *offset, size), 0));
    const auto entry = WaitForEntry(master.get(), 0);
    ASSERT_TRUE(entry);
    ASSERT_EQ(entry->token, token);
    ReadBlock(master->Bytes(SegmentId::kReply, entry->offset, entry->size_bytes), SegmentId::kReply, entry->offset,
              *offset, size, &contents);
    ASSERT_EQ(contents.tensors.size(), 1u);
    ASSERT_EQ(contents.tensors[0].shape, shape);
    float result = 0;
    std::memcpy(&result,
                master->Bytes(SegmentId::kReply, contents.tensors[0].offset, bytes).data() + bytes - sizeof(result),
                sizeof(result));
    ASSERT_EQ(result, 2 * value);
    master->Release(entry->offset);
  }
  ASSERT_TRUE(master->Send(MakeEntry(EntryKind::kInstance, kStop), 0));
  EXPECT_EQ(peer.ExitCode(), 0);
  EXPECT_FALSE(master->Receive());
  EXPECT_EQ(master->used_bytes(), 0u);
}

TEST(ChannelForkTest, SleepAndWakeStress) {
  constexpr uint64_t kCount = 200'000;
  const auto master = Channel::Create(SmallChannel());
  ForkedPeer peer(*master, [](Channel &channel) {
    for (uint64_t i = 0; i < kCount; ++i) {
      const auto entry = WaitForEntry(&channel, 0);
      if (!entry || entry->token != i || !channel.Send(MakeEntry(EntryKind::kResult, i), 0)) {
        return 1;
      }
    }
    return 0;
  });
  uint64_t sent = 0;
  for (uint64_t answered = 0; answered < kCount; ++answered) {
    while (sent < kCount && sent - answered <= answered % 16) {
      ASSERT_TRUE(master->Send(MakeEntry(EntryKind::kInstance, sent++), 0));
    }
    const auto entry = WaitForEntry(master.get(), 0);
    ASSERT_TRUE(entry);
    ASSERT_EQ(entry->token, answered);
  }
  EXPECT_EQ(peer.ExitCode(), 0);
}

TEST(ChannelForkTest, AKilledPeerLeavesThisEndWorking) {
  const auto master = Channel::Create(SmallChannel());
  ForkedPeer peer(*master, [](Channel &channel) {
    for (;;) {  // answers without end until it is killed in the middle of something
      if (const auto block = channel.Allocate(1000)) {
        if (!channel.Send(MakeEntry(EntryKind::kResult, 1, *block, 1000), 0)) {
          channel.DropReference(*block);
        }
      }
      channel.Receive();
    }
    return 0;
  });
  for (int i = 0; i < 1000; ++i) {
    const auto entry = WaitForEntry(master.get(), 0);
    ASSERT_TRUE(entry);
    master->Release(entry->offset);
  }
  peer.Kill();
  EXPECT_EQ(peer.ExitCode(), -SIGKILL);
  for (int left = 0; master->Receive(); ++left) {
    ASSERT_LE(left, 64);
  }
  uint64_t sent = 0;
  while (master->Send(MakeEntry(EntryKind::kInstance, sent), 0)) {
    ASSERT_LE(++sent, 64u);
  }
  for (int i = 0; i < 1000; ++i) {
    master->Release(64);  // never blocks and never fails
  }
  const auto block = master->Allocate(1 << 20);
  ASSERT_TRUE(block);
  EXPECT_TRUE(master->DropReference(*block));
  std::thread closer([&master] { master->Close(); });
  EXPECT_FALSE(WaitForEntry(master.get(), 0));
  closer.join();
}

TEST(ChannelForkTest, MemoryIsGivenBackWhenNothingHappens) {
  constexpr size_t kBytes = size_t{200} << 20;
  const auto master = Channel::Create({.request_bytes = kBytes, .reply_bytes = 4096, .ring_entries = 64});
  auto resident = [&master] {
    struct stat status {};
    EXPECT_EQ(::fstat(master->peer_fds()[1], &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  };
  const uint64_t block = master->Allocate(kBytes).value();
  std::memset(master->Bytes(SegmentId::kRequest, block, kBytes).data(), 1, kBytes);
  EXPECT_EQ(resident(), kBytes);
  master->DropReference(block);
  std::thread sleeper([&master] {
    master->PrepareSleep(0);
    master->Sleep(0);
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (resident() > (uint64_t{65} << 20) && std::chrono::steady_clock::now() < deadline) {
    ::poll(nullptr, 0, 20);
  }
  EXPECT_LE(resident(), uint64_t{65} << 20);
  EXPECT_GE(resident(), uint64_t{60} << 20);
  master->Close();
  sleeper.join();
}

}  // namespace
}  // namespace mindspore::serving
