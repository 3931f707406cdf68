#pragma once

#include <cstdint>
#include <memory>

#include "dispatch/dispatcher.h"

namespace mindspore::serving {

/// An instance that a worker was chosen for, on its way into the worker's memory.
struct Dispatcher::Outgoing {
  Endpoint *endpoint;
  std::shared_ptr<WorkerLink> link;
  QueueEntry entry;
  uint64_t token;
  uint32_t method;
  int lane;
  uint64_t space_epoch;
};

}  // namespace mindspore::serving
