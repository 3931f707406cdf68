#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "shm/channel.h"
#include "shm/lane.h"
#include "shm/segment.h"

namespace mindspore::serving {

/// What both ends of a channel hold, checked. Each end's allocator and counts are its own business.
struct ChannelParts {
  Segment control;
  Segment request;
  Segment reply;
  std::vector<Bell> worker_bells;
  std::vector<Bell> master_bells;
  uint32_t ring_entries;
};

/// New segments and bells, the control block written. Throws std::invalid_argument, std::system_error.
ChannelParts CreateChannelParts(const ChannelOptions &options);
/// Takes over inherited descriptors, which are closed on failure too. Throws std::runtime_error, std::system_error.
ChannelParts AttachChannelParts(std::span<const int> inherited);

}  // namespace mindspore::serving
