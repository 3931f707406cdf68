#include "shm/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "channel_ends.h"

namespace mindspore::serving {
namespace {

TEST_F(ChannelTest, EachEndHasItsOwnSegment) {
  EXPECT_EQ(master_->own_segment(), SegmentId::kRequest);
  EXPECT_EQ(worker_->own_segment(), SegmentId::kReply);
  EXPECT_EQ(worker_->segment_bytes(SegmentId::kRequest), master_->segment_bytes(SegmentId::kRequest));
  EXPECT_EQ(master_->max_block_bytes(), size_t{1} << 20);
  EXPECT_FALSE(master_->Allocate((1 << 20) + 1));
}

TEST_F(ChannelTest, BytesAndEntriesArrive) {
  const uint64_t offset = master_->Allocate(1000).value();
  std::memset(master_->Bytes(SegmentId::kRequest, offset, 1000).data(), 7, 1000);
  ASSERT_TRUE(master_->Send(MakeEntry(EntryKind::kInstance, 5, offset, 1000), 0));
  const auto entry = worker_->Receive();
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->kind, EntryKind::kInstance);
  EXPECT_EQ(entry->token, 5u);
  EXPECT_EQ(worker_->Bytes(SegmentId::kRequest, entry->offset, entry->size_bytes)[999], std::byte{7});
  EXPECT_FALSE(worker_->Receive());
  EXPECT_FALSE(master_->Receive());
}

TEST_F(ChannelTest, BytesOutsideASegmentAreRefused) {
  const uint64_t size = master_->segment_bytes(SegmentId::kReply);
  EXPECT_EQ(master_->Bytes(SegmentId::kReply, size, 0).size(), 0u);
  EXPECT_EQ(master_->Bytes(SegmentId::kReply, 0, size).size(), size);
  EXPECT_THROW(master_->Bytes(SegmentId::kReply, size, 1), std::out_of_range);
  EXPECT_THROW(master_->Bytes(SegmentId::kReply, 1, size), std::out_of_range);
  EXPECT_THROW(master_->Bytes(SegmentId::kReply, UINT64_MAX, 2), std::out_of_range);
  EXPECT_THROW(master_->Bytes(SegmentId::kReply, 64, UINT64_MAX - 10), std::out_of_range);
}

TEST_F(ChannelTest, ReleaseGivesABlockBack) {
  const uint64_t offset = master_->Allocate(1000).value();
  master_->AddReference(offset);
  worker_->Release(offset);
  EXPECT_FALSE(master_->Receive()) << "releases are carried out, not returned";
  EXPECT_GT(master_->used_bytes(), 0u);
  EXPECT_TRUE(master_->DropReference(offset));
  EXPECT_EQ(master_->used_bytes(), 0u);
  EXPECT_FALSE(master_->DropReference(offset));
}

TEST_F(ChannelTest, ReleasesOfNoBlockDoNothing) {
  const uint64_t offset = master_->Allocate(1000).value();
  for (const uint64_t lie : {offset + 64, offset + 1, uint64_t{1} << 20, UINT64_MAX}) {
    worker_->Release(lie);
  }
  EXPECT_FALSE(master_->Receive());
  EXPECT_EQ(master_->used_bytes(), 1024u);
}

TEST_F(ChannelTest, AFullRingRefusesAndTellsWhenThereIsRoom) {
  uint64_t sent = 0;
  while (master_->Send(MakeEntry(EntryKind::kInstance, sent), 0)) {
    ++sent;
  }
  EXPECT_EQ(sent, 64u);
  EXPECT_FALSE(master_->TakeSpaceFreed());
  const Sleeper sleeper(master_.get(), 0);
  for (uint64_t i = 0; i < sent; ++i) {
    EXPECT_EQ(worker_->Receive()->token, i);
  }
  EXPECT_FALSE(worker_->Receive());
  ASSERT_TRUE(sleeper.Ends());
  EXPECT_TRUE(master_->TakeSpaceFreed());
  EXPECT_FALSE(master_->TakeSpaceFreed());
  EXPECT_TRUE(master_->Send(MakeEntry(EntryKind::kInstance, 0), 0));
}

TEST_F(ChannelTest, ReleasesThatFindNoRoomGoOutLater) {
  std::vector<uint64_t> blocks;
  for (int i = 0; i < 200; ++i) {
    blocks.push_back(master_->Allocate(64).value());
  }
  for (const uint64_t block : blocks) {
    worker_->Release(block);
  }
  EXPECT_FALSE(worker_->Send(MakeEntry(EntryKind::kResult, 1), 0)) << "may not overtake the releases";
  EXPECT_FALSE(master_->Receive());
  EXPECT_EQ(master_->used_bytes(), (200 - 64) * 64u);
  EXPECT_FALSE(worker_->Receive()) << "sends what waited";
  EXPECT_FALSE(master_->Receive());
  EXPECT_EQ(master_->used_bytes(), (200 - 128) * 64u);
  EXPECT_FALSE(worker_->Receive());
  EXPECT_FALSE(master_->Receive());
  EXPECT_TRUE(worker_->Send(MakeEntry(EntryKind::kResult, 2), 0)) << "sends what waited, first";
  const auto result = master_->Receive();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->token, 2u);
  EXPECT_EQ(master_->used_bytes(), 0u);
}

TEST_F(ChannelTest, WaitingReleasesWakeTheirSenderWhenThereIsRoom) {
  std::vector<uint64_t> blocks;
  while (const auto block = worker_->Allocate(4096)) {
    blocks.push_back(*block);
  }
  for (const uint64_t block : blocks) {
    master_->Release(block);  // 256 of them, in a ring of 64
  }
  const Sleeper sleeper(master_.get(), 0);
  EXPECT_FALSE(worker_->Receive());
  ASSERT_TRUE(sleeper.Ends());
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(master_->Receive());
    EXPECT_FALSE(worker_->Receive());
  }
  EXPECT_EQ(worker_->used_bytes(), 0u);
  EXPECT_TRUE(worker_->TakeSpaceFreed());
}

TEST_F(ChannelTest, ARefusedAllocateIsToldOfSpace) {
  const uint64_t block = master_->Allocate(1 << 20).value();
  EXPECT_FALSE(master_->Allocate(1));
  EXPECT_FALSE(master_->TakeSpaceFreed());
  const Sleeper sleeper(master_.get(), 0);
  worker_->Release(block);
  ASSERT_TRUE(sleeper.Ends());
  EXPECT_FALSE(master_->Receive());
  EXPECT_TRUE(master_->TakeSpaceFreed());
  EXPECT_FALSE(master_->TakeSpaceFreed());
  EXPECT_TRUE(master_->Allocate(1));
}

TEST_F(ChannelTest, AReleaseSeenWhileAwakeDoesNotUseUpTheWish) {
  const uint64_t first = master_->Allocate(1 << 19).value();
  const uint64_t second = master_->Allocate(1 << 19).value();
  EXPECT_FALSE(master_->Allocate(1));
  worker_->Release(first);  // while nobody sleeps
  const Sleeper sleeper(master_.get(), 0);
  worker_->Release(second);
  EXPECT_TRUE(sleeper.Ends());
}

TEST_F(ChannelTest, ARefusalFindsReleasesThatRangNoBell) {
  const uint64_t block = master_->Allocate(1 << 20).value();
  worker_->Release(block);  // nobody waits, nobody is woken
  const Sleeper sleeper(master_.get(), 0);
  EXPECT_FALSE(master_->Allocate(1));
  ASSERT_TRUE(sleeper.Ends());
  EXPECT_FALSE(master_->Receive());
  EXPECT_TRUE(master_->TakeSpaceFreed());
}

TEST_F(ChannelTest, AnOwnDropTellsOfSpaceToo) {
  const uint64_t block = worker_->Allocate(1 << 20).value();
  EXPECT_FALSE(worker_->Allocate(1));
  const Sleeper sleeper(worker_.get(), 0);
  EXPECT_TRUE(worker_->DropReference(block));
  ASSERT_TRUE(sleeper.Ends());
  EXPECT_TRUE(worker_->TakeSpaceFreed());
}

TEST_F(ChannelTest, LanesSleepAndWakeEachForItself) {
  const Sleeper first(worker_.get(), 1);
  const Sleeper second(worker_.get(), 2);
  master_->Ring(2);
  ASSERT_TRUE(second.Ends());
  EXPECT_FALSE(first.Ended());
  worker_->Wake(1);
  ASSERT_TRUE(first.Ends());
}

TEST_F(ChannelTest, BellsOfLanesThatAreAwakeStaySilent) {
  const int bell = master_->peer_fds()[3];
  uint64_t count = 0;
  ASSERT_EQ(::fcntl(bell, F_SETFL, O_NONBLOCK), 0);
  EXPECT_TRUE(master_->Send(MakeEntry(EntryKind::kInstance, 1), 0));
  worker_->Wake(0);
  EXPECT_LT(::read(bell, &count, sizeof(count)), 0);
  worker_->PrepareSleep(0);
  EXPECT_TRUE(master_->Send(MakeEntry(EntryKind::kInstance, 2), kNoBell));
  EXPECT_LT(::read(bell, &count, sizeof(count)), 0);
  worker_->CancelSleep(0);
  master_->Ring(0);
  EXPECT_LT(::read(bell, &count, sizeof(count)), 0);
  worker_->PrepareSleep(0);
  master_->Ring(0);
  master_->Ring(0);
  EXPECT_EQ(::read(bell, &count, sizeof(count)), 8);
  EXPECT_EQ(count, 1u) << "one system call for two rings";
}

TEST_F(ChannelTest, UnknownLanesAreRefused) {
  EXPECT_THROW(master_->Ring(kMaxLanes), std::out_of_range);
  EXPECT_THROW(master_->Ring(-2), std::out_of_range);
  EXPECT_THROW(worker_->Ring(1), std::out_of_range) << "the master's end has one lane";
  EXPECT_THROW(master_->PrepareSleep(1), std::out_of_range);
  EXPECT_THROW(static_cast<void>(master_->Send(MakeEntry(EntryKind::kInstance, 1), kMaxLanes)), std::out_of_range);
  EXPECT_FALSE(worker_->Receive()) << "nothing was sent";
}

TEST_F(ChannelTest, CloseWakesAllSleepersForGood) {
  std::vector<Sleeper> sleepers;
  for (int lane = 0; lane < kMaxLanes; ++lane) {
    sleepers.emplace_back(worker_.get(), lane);
    sleepers.emplace_back(worker_.get(), lane);
  }
  EXPECT_FALSE(worker_->closed());
  worker_->Close();
  for (const Sleeper &sleeper : sleepers) {
    ASSERT_TRUE(sleeper.Ends());
  }
  EXPECT_TRUE(worker_->closed());
  worker_->PrepareSleep(3);
  worker_->Sleep(3);
  EXPECT_FALSE(worker_->Send(MakeEntry(EntryKind::kResult, 1), 0));
  worker_->Release(0);
  EXPECT_FALSE(master_->Receive());
  EXPECT_FALSE(master_->closed()) << "each end closes itself";
  EXPECT_TRUE(master_->Send(MakeEntry(EntryKind::kInstance, 1), 0));
  EXPECT_TRUE(worker_->Receive()) << "what has arrived can still be taken";
}

TEST_F(ChannelTest, MappingsOutliveTheChannel) {
  std::shared_ptr<const MappedRegion> mapping;
  uint64_t offset = 0;
  {
    const auto master = Channel::Create(SmallChannel());
    const auto worker = AttachHere(*master);
    offset = worker->Allocate(100).value();
    worker->Bytes(SegmentId::kReply, offset, 100)[50] = std::byte{3};
    mapping = master->mapping(SegmentId::kReply);
  }
  EXPECT_EQ(mapping->data()[offset + 50], std::byte{3});
}

}  // namespace
}  // namespace mindspore::serving
