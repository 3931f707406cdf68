#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "execute/instance.h"

namespace mindspore::serving {

/// The instances that wait for a thread: a queue for each Python stage of each method and for each subgraph of each
/// model. Not thread-safe.
class StageQueues {
 public:
  explicit StageQueues(const Plan &plan);

  /// Files the instance under its next stage and returns the lane whose thread will run it.
  int Push(InstancePtr instance);
  /// The next turn of that lane; false when nothing waits for it. Methods (or subgraphs) take turns; within a method
  /// the latest stage goes first. Never waits to fill a batch. A function that takes one instance at a time gets
  /// several in a turn only when it is fast or its stage says so.
  bool Pop(int lane, Batch *batch);
  /// Takes the instance of that token out; nullptr when it does not wait here.
  InstancePtr Remove(uint64_t token);

  /// Notes how long the function of a Python stage took for one instance just now.
  void NoteTime(const Method &method, size_t stage_index, double instance_us);

 private:
  struct StageQueue {
    std::deque<InstancePtr> waiting;
    double average_us = -1;  ///< per instance; negative while unknown
  };
  struct SubgraphQueue {
    const Model *model;
    uint32_t subgraph;
    std::deque<InstancePtr> waiting;
  };
  struct ModelLane {
    std::deque<SubgraphQueue> queues;
    size_t next = 0;
  };

  bool PopPython(Batch *batch);
  bool PopModel(ModelLane *lane, Batch *batch);

  const Plan &plan_;
  std::vector<std::vector<StageQueue>> methods_;  ///< by method and stage
  size_t next_method_ = 0;
  std::array<ModelLane, kMaxLanes> lanes_;
  std::array<size_t, kMaxLanes> waiting_{};  ///< instances by lane
};

}  // namespace mindspore::serving
