#pragma once

#include <cstdint>
#include <type_traits>

namespace mindspore::serving {

enum class EntryKind : uint32_t {
  kInstance = 1,  ///< master to worker: run one instance; the block holds its inputs
  kResult = 2,    ///< worker to master: one instance is done; the block holds its outputs or its error
  kRelease = 3,   ///< either way: the block at `offset` of the receiver's own segment loses one reference
  kCancel = 4,    ///< master to worker: nobody waits for `token` any more; it may be dropped if it has not started (and
                  ///< is then answered kCancelled)
  kModelCall = 5,    ///< worker without device to master: run `method` of its list of remote models elsewhere
  kModelResult = 6,  ///< master to worker: the answer to a kModelCall; the block holds the outputs or the error
};

/// What travels in a ring. Exactly one cache line, trivially copyable.
struct RingEntry {
  EntryKind kind;
  uint32_t method;  ///< kInstance: index into the worker's list of methods
  uint64_t
    token;  ///< the master's name for the instance in flight, opaque to the worker; kModelCall, kModelResult: the
            ///< worker's name for the call, opaque to the master
  uint64_t offset;             ///< of the block, in the segment of the end that allocated it
  uint64_t size_bytes;         ///< of the block
  uint64_t reserve_bytes = 0;  ///< kModelCall: what the block of its kModelResult will take; 0 where that is not known
  uint64_t bell = 0;           ///< kModelCall: the lane that waits for the result
  uint64_t unused[2] = {};
};
static_assert(sizeof(RingEntry) == 64 && std::is_trivially_copyable_v<RingEntry>);

}  // namespace mindspore::serving
