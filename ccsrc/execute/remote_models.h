#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "execute/instance.h"
#include "shm/block.h"
#include "shm/channel.h"

namespace mindspore::serving {

/// The instances whose next stage is a model that another worker runs: sends their inputs to the master and takes the
/// answers. What finds no room waits here. Not thread-safe.
class RemoteModels {
 public:
  /// Lanes whose bells the master rings with an answer: the Python thread goes on with the instance's next stage at once, while an answer
  /// to a Model.call must not wait for that thread, which may be the one that waits for it.
  static constexpr int kStageLane = 0;
  static constexpr int kCallLane = 1;

  RemoteModels(std::shared_ptr<Channel> channel, const Plan &plan);

  /// Sends the inputs of the instance's next stage, now or later. Returns an error, and the instance, when they can never be sent.
  struct Refused {
    InstancePtr instance;
    Error error;
  };
  std::optional<Refused> Start(InstancePtr instance);
  /// Sends what waited, as far as there is room. True when something was sent.
  bool Flush();
  /// The instance that an answer is for, with its outputs or its error; nothing when nobody waits for that.
  struct Returned {
    InstancePtr instance;
    std::vector<Value> outputs;
    Error error;
  };
  std::optional<Returned> Take(const RingEntry &entry);

 private:
  struct Target {
    uint32_t number = 0;  ///< in the list of remote models that the master was told
    uint64_t reserve_bytes = 0;
  };

  bool TrySend(InstancePtr *instance);
  std::vector<Value> ReadOutputs(const RingEntry &entry, size_t count, Error *error);

  const std::shared_ptr<Channel> channel_;
  std::vector<std::vector<Target>> targets_;  ///< by model and subgraph
  std::unordered_map<uint64_t, InstancePtr> sent_;
  std::deque<InstancePtr> waiting_;
  uint64_t next_token_ = 1;
  BlockContents contents_;
};

}  // namespace mindspore::serving
