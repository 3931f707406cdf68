#pragma once

#include <poll.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "base/mapped_region.h"
#include "fuzz_input.h"
#include "shm/block.h"
#include "shm/channel.h"
#include "shm/control_block.h"

namespace mindspore::serving {

inline constexpr uint32_t kRingEntries = 16;

/// Small enough that blocks collide, and a control segment that can be written all over.
inline ChannelOptions TinyChannel() {
  return {.request_bytes = 1 << 16, .reply_bytes = 1 << 16, .ring_entries = kRingEntries};
}

inline std::unique_ptr<Channel> AttachCopies(const Channel &channel) {
  std::vector<int> fds;
  for (const int fd : channel.peer_fds()) {
    fds.push_back(::dup(fd));
  }
  return Channel::Attach(fds);
}

/// One end of a channel that keeps no rule: it writes to the shared memory and rings the bells as the input says.
class HostileEnd {
 public:
  HostileEnd(const Channel &victim, End own)
      : fds_(victim.peer_fds()),
        own_(own),
        control_(fds_.at(0), ControlBlock::SegmentBytes(kRingEntries)),
        request_(fds_.at(1), TinyChannel().request_bytes),
        reply_(fds_.at(2), TinyChannel().reply_bytes) {}

  ControlBlock &control() const { return *reinterpret_cast<ControlBlock *>(control_.data()); }
  std::span<std::byte> segment(SegmentId id) const {
    const MappedRegion &region = id == SegmentId::kRequest ? request_ : reply_;
    return {region.data(), region.size_bytes()};
  }
  SegmentId own_segment() const { return own_ == End::kMaster ? SegmentId::kRequest : SegmentId::kReply; }

  /// Bytes of the input somewhere in one of the segments.
  void Scribble(FuzzInput *input) {
    const size_t which = input->Below(3);
    const std::span<std::byte> to = which == 0 ? std::span(control_.data(), control_.size_bytes())
                                               : segment(which == 1 ? SegmentId::kRequest : SegmentId::kReply);
    const size_t at = input->Number<uint16_t>() % to.size();
    std::ranges::copy(input->Bytes(std::min(input->Below(64), to.size() - at)), to.begin() + static_cast<long>(at));
  }

  /// Counts that are wrong by little or by much, and flags.
  void SpoilCounts(FuzzInput *input) {
    RingIndices &ring = control().rings[input->Below(2)];
    const uint64_t by = input->Flag() ? input->Below(2 * kRingEntries) - kRingEntries : input->Number<uint64_t>();
    switch (input->Below(5)) {
      case 0:
        ring.tail += by;
        return;
      case 1:
        ring.head += by;
        return;
      case 2:
        ring.wants_room = static_cast<uint32_t>(by);
        return;
      case 3:
        control().flags[input->Below(2)].lanes[input->Below(kMaxLanes)].asleep = static_cast<uint32_t>(by);
        return;
      default:
        control().flags[input->Below(2)].wants_space = static_cast<uint32_t>(by);
    }
  }

  /// Fills the counter of a bell, or empties it.
  void SpoilBell(FuzzInput *input) {
    const int fd = fds_[3 + input->Below(fds_.size() - 3)];
    pollfd rung{fd, POLLIN, 0};
    uint64_t count = UINT64_MAX - 1;
    if (::poll(&rung, 1, 0) > 0) {
      FUZZ_REQUIRE(::read(fd, &count, sizeof(count)) == sizeof(count));
    } else {
      FUZZ_REQUIRE(::write(fd, &count, sizeof(count)) == sizeof(count));
    }
  }

  /// An entry at the place where the victim looks next.
  void Append(const RingEntry &entry) {
    RingIndices &ring = control().rings[static_cast<size_t>(own_)];
    control().Entries(own_, kRingEntries)[ring.tail % kRingEntries] = entry;
    ring.tail.fetch_add(1, std::memory_order_release);
  }

  /// A sound block with one to three tensors in the own segment at `offset`, of which some bytes are then changed.
  /// Returns its size.
  uint64_t WriteAnyBlock(FuzzInput *input, uint64_t offset) {
    std::vector<Shape> shapes(1 + input->Below(3));
    std::vector<TensorPlan> plans;
    for (Shape &shape : shapes) {
      const auto dtype = static_cast<DType>(1 + input->Below(kDTypeCount - 1));
      for (size_t rank = IsText(dtype) ? 0 : input->Below(4); rank > 0; --rank) {
        (void)shape.Append(static_cast<int64_t>(input->Below(6)));
      }
      const uint64_t bytes = IsText(dtype) ? input->Below(40) : *shape.ElementCount() * ElementBytes(dtype);
      plans.push_back({.dtype = dtype, .shape = &shape, .size_bytes = bytes});
      if (input->Below(4) == 0) {
        plans.back().in_block = false;
        plans.back().segment = SegmentId::kRequest;
        plans.back().offset = input->Number<uint16_t>();
      }
    }
    const uint64_t bytes = BlockBytes(plans);
    const auto room = segment(own_segment());
    if (offset > room.size() || bytes > room.size() - offset) {
      return bytes;
    }
    const auto block = room.subspan(offset, bytes);
    std::vector<std::byte *> data(plans.size());
    WriteBlock(plans, own_segment(), offset, block, data);
    for (size_t changes = input->Below(4); changes > 0; --changes) {
      block[input->Number<uint16_t>() % block.size()] = static_cast<std::byte>(input->Number<uint8_t>());
    }
    return bytes;
  }

 private:
  const std::vector<int> fds_;
  const End own_;
  const MappedRegion control_;
  const MappedRegion request_;
  const MappedRegion reply_;
};

}  // namespace mindspore::serving
