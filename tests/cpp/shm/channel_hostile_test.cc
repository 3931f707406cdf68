// What the other end, or whoever hands over the descriptors, may do wrong.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/mapped_region.h"
#include "channel_ends.h"
#include "shm/control_block.h"

namespace mindspore::serving {
namespace {

/// What a peer that lies can write to.
class ControlMapping {
 public:
  explicit ControlMapping(const Channel &channel) : region_(channel.peer_fds()[0], sizeof(ControlBlock)) {}
  ControlBlock &block() const { return *reinterpret_cast<ControlBlock *>(region_.data()); }

 private:
  MappedRegion region_;
};

TEST_F(ChannelTest, AnImpossibleTailClosesTheChannel) {
  const ControlMapping control(*master_);
  const uint64_t block = master_->Allocate(100).value();
  worker_->Release(block);
  EXPECT_FALSE(master_->Receive());
  for (int i = 0; i < 3; ++i) {
    master_->Allocate(100).value();  // the same place again: a stale release in the ring must not free it
  }
  const size_t used = master_->used_bytes();
  const Sleeper sleeper(master_.get(), 0);
  control.block().rings[static_cast<size_t>(End::kWorker)].tail = uint64_t{1} << 40;
  EXPECT_FALSE(master_->Receive());
  EXPECT_TRUE(master_->closed());
  ASSERT_TRUE(sleeper.Ends());
  EXPECT_EQ(master_->used_bytes(), used);
  EXPECT_FALSE(master_->Send(MakeEntry(EntryKind::kInstance, 1), 0));
}

TEST_F(ChannelTest, AnImpossibleHeadClosesTheChannel) {
  const ControlMapping control(*master_);
  for (int i = 0; i < 64; ++i) {
    ASSERT_TRUE(master_->Send(MakeEntry(EntryKind::kInstance, 1), 0));
  }
  control.block().rings[static_cast<size_t>(End::kMaster)].head = uint64_t{1} << 40;
  EXPECT_FALSE(master_->Send(MakeEntry(EntryKind::kInstance, 1), 0));
  EXPECT_TRUE(master_->closed());
}

TEST_F(ChannelTest, APeerThatWritesEverywhereHarmsOnlyItself) {
  const ControlMapping control(*master_);
  const uint64_t block = master_->Allocate(100).value();
  std::memset(static_cast<void *>(&control.block()), 0x5a, sizeof(ControlBlock));
  std::memset(worker_->Bytes(SegmentId::kRequest, 0, 1 << 20).data(), 0x5a, 1 << 20);
  EXPECT_FALSE(master_->Receive());
  EXPECT_TRUE(master_->closed());
  EXPECT_TRUE(master_->AddReference(block));
  EXPECT_TRUE(master_->DropReference(block));
  EXPECT_TRUE(master_->DropReference(block));
  EXPECT_EQ(master_->Allocate(1 << 20), 0u);
}

TEST(ChannelAttachTest, OptionsAreChecked) {
  EXPECT_THROW(Channel::Create({.ring_entries = 0}), std::invalid_argument);
  EXPECT_THROW(Channel::Create({.ring_entries = 100}), std::invalid_argument);
  EXPECT_THROW(Channel::Create({.ring_entries = 1U << 31}), std::invalid_argument);
  EXPECT_THROW(Channel::Create({.request_bytes = 0}), std::invalid_argument);
}

TEST(ChannelAttachTest, AChannelTakesOneWorker) {
  const auto master = Channel::Create(SmallChannel());
  ASSERT_TRUE(master->Send(MakeEntry(EntryKind::kInstance, 1), 0)) << "may be sent before the worker is there";
  const auto worker = AttachHere(*master);
  ASSERT_TRUE(worker->Receive());
  EXPECT_THROW(AttachHere(*master), std::runtime_error);
}

TEST(ChannelAttachTest, DescriptorsAreCheckedAndOwned) {
  const auto master = Channel::Create(SmallChannel());
  auto copies = [&master] {
    std::vector<int> fds;
    for (const int fd : master->peer_fds()) {
      fds.push_back(::fcntl(fd, F_DUPFD, 100));
    }
    return fds;
  };
  auto expect_refusal = [](const std::vector<int> &fds) {
    EXPECT_THROW(Channel::Attach(fds), std::runtime_error);  // std::system_error is one
    for (const int fd : fds) {
      EXPECT_LT(::fcntl(fd, F_GETFD), 0) << "descriptor " << fd << " left open";
    }
  };
  auto fds = copies();
  ::close(fds.back());
  fds.pop_back();
  expect_refusal(fds);

  fds = copies();
  std::swap(fds[0], fds[1]);  // no magic
  expect_refusal(fds);

  fds = copies();
  std::swap(fds[2], fds[3]);  // a bell for a segment
  expect_refusal(fds);

  fds = copies();
  ::close(fds[5]);
  expect_refusal(fds);

  const ControlMapping control(*master);
  for (const uint32_t entries : {0u, 63u, 1u << 19, 1u << 31}) {
    control.block().ring_entries = entries;
    expect_refusal(copies());
  }
  control.block().ring_entries = 64;
  const auto attached = copies();
  {
    const auto worker = Channel::Attach(attached);
    EXPECT_TRUE(::fcntl(attached[0], F_GETFD) & FD_CLOEXEC) << "not for the worker's own children";
  }
  expect_refusal(attached);
}

}  // namespace
}  // namespace mindspore::serving
