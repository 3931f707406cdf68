#include "shm/channel_parts.h"

#include <fcntl.h>

#include <bit>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "shm/control_block.h"

namespace mindspore::serving {
namespace {

constexpr uint32_t kMaxRingEntries = 1U << 20;
constexpr int kMasterLanes = 1;
constexpr int kSegments = 3;  // descriptors in order: control, request, reply, the worker's bells, the master's bell
constexpr size_t kDescriptors = kSegments + kMaxLanes + kMasterLanes;

}  // namespace

ChannelParts CreateChannelParts(const ChannelOptions &options) {
  const uint32_t entries = options.ring_entries;
  if (!std::has_single_bit(entries) || entries > kMaxRingEntries) {
    throw std::invalid_argument("ring_entries is " + std::to_string(entries) +
                                "; it must be a power of two up to 2^20");
  }
  ChannelParts parts{Segment::Create("serving_control", ControlBlock::SegmentBytes(entries)),
                     Segment::Create("serving_request", options.request_bytes),
                     Segment::Create("serving_reply", options.reply_bytes),
                     {},
                     {},
                     entries};
  for (int lane = 0; lane < kMaxLanes; ++lane) {
    parts.worker_bells.push_back(Bell::Create());
  }
  for (int lane = 0; lane < kMasterLanes; ++lane) {
    parts.master_bells.push_back(Bell::Create());
  }
  auto *control = new (parts.control.data()) ControlBlock{};
  control->magic = ControlBlock::kMagic;
  control->ring_entries = entries;
  return parts;
}

ChannelParts AttachChannelParts(std::span<const int> inherited) {
  std::vector<UniqueFd> fds;
  fds.reserve(inherited.size());
  for (const int fd : inherited) {
    fds.emplace_back(fd);
  }
  if (fds.size() != kDescriptors) {
    throw std::runtime_error("a channel has " + std::to_string(kDescriptors) + " descriptors, not " +
                             std::to_string(fds.size()));
  }
  for (const UniqueFd &fd : fds) {
    if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
      throw std::system_error(errno, std::generic_category(),
                              "descriptor " + std::to_string(fd.get()) + " of a channel");
    }
  }
  ChannelParts parts{Segment::Attach(std::move(fds[0])),
                     Segment::Attach(std::move(fds[1])),
                     Segment::Attach(std::move(fds[2])),
                     {},
                     {},
                     0};
  for (size_t i = 0; i < kMaxLanes; ++i) {
    parts.worker_bells.emplace_back(std::move(fds[kSegments + i]));
  }
  for (size_t i = 0; i < kMasterLanes; ++i) {
    parts.master_bells.emplace_back(std::move(fds[kSegments + kMaxLanes + i]));
  }
  if (parts.control.size_bytes() < sizeof(ControlBlock)) {
    throw std::runtime_error("the control segment of a channel is too small");
  }
  const auto *control = reinterpret_cast<const ControlBlock *>(parts.control.data());
  parts.ring_entries = control->ring_entries;
  if (control->magic != ControlBlock::kMagic) {
    throw std::runtime_error("the first descriptor is not the control segment of a channel of this version");
  }
  if (!std::has_single_bit(parts.ring_entries) || parts.ring_entries > kMaxRingEntries ||
      parts.control.size_bytes() < ControlBlock::SegmentBytes(parts.ring_entries)) {
    throw std::runtime_error("a control segment that is too small for its rings of " +
                             std::to_string(parts.ring_entries));
  }
  // The counts of this end start at zero in private memory, so a channel takes one worker in its life.
  if (control->rings[static_cast<size_t>(End::kMaster)].head.load(std::memory_order_relaxed) != 0 ||
      control->rings[static_cast<size_t>(End::kWorker)].tail.load(std::memory_order_relaxed) != 0) {
    throw std::runtime_error("another worker has used this channel already");
  }
  return parts;
}

}  // namespace mindspore::serving
