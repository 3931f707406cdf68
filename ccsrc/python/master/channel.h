#pragma once

#include <memory>

#include "shm/channel.h"

namespace mindspore::serving {

/// What Python holds: a share of the channel, which the dispatcher shares once the worker is ready.
struct MasterChannel {
  std::shared_ptr<Channel> channel;
};

}  // namespace mindspore::serving
