#pragma once

#include <memory>

#include "dispatch/method_info.h"
#include "dispatch/worker_link.h"
#include "shm/block.h"
#include "shm/channel.h"
#include "wire/reply.h"

namespace mindspore::serving {

/// Where one instance's data lies: its request block (of which the caller passes on one reference) and the worker's result block.
struct ResultBlocks {
  uint64_t request_offset = 0;
  uint64_t request_bytes = 0;
  uint64_t result_offset = 0;
  uint64_t result_bytes = 0;
};

/// Reads a worker's result into tensors that keep both blocks until they are dropped, and gives the blocks back at once when nothing points
/// into them. Whatever the worker wrote, this returns: a result that does not hold together is an error of kind kInternal.
InstanceResult ReadResult(const WorkerLink &link, const ResultBlocks &blocks, const MethodInfo &method);

}  // namespace mindspore::serving
