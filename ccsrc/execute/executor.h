#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "execute/instance.h"
#include "execute/plan.h"
#include "execute/remote_models.h"
#include "execute/result_writer.h"
#include "execute/stage_queues.h"
#include "shm/channel.h"

namespace mindspore::serving {

/// What others must be told of what was done; collected so that one bell can stand for many instances, and so that a model
/// that runs beside a function finds several of them and not one at a time.
struct Bells {
  bool master = false;
  uint32_t lanes = 0;             ///< bit per lane of this process
  std::vector<InstancePtr> held;  ///< on their way to models of this process
};

/// Runs the instances that come over the channel through the stages of their methods. It has no thread of its own: the
/// thread of each lane asks for its next turn, and whichever thread is awake reads the ring; the thread that finishes
/// an instance writes its reply.
///
/// Thread safety: all methods; each lane has one thread. No user code and no foreign lock is met under the executor's
/// own lock.
class Executor {
 public:
  /// Throws std::invalid_argument when the plan is not sound.
  Executor(std::shared_ptr<Channel> channel, Plan plan);
  ~Executor();

  const Plan &plan() const { return plan_; }

  /// The next turn of the lane if there is one now. Never blocks.
  bool TryNext(int lane, Batch *batch);
  /// Sleeps until there is a turn for the lane; false after Stop, or when the channel closed.
  bool WaitNext(int lane, Batch *batch);

  /// The instance's stage gave `outputs`, which are moved from: it goes on to its next stage, or its reply is written.
  /// REQUIRES: as many outputs as the stage has.
  void Complete(InstancePtr instance, std::span<Value> outputs, Bells *bells);
  /// The instance ends with an error; after Stop without an answer.
  void Fail(InstancePtr instance, const Error &error, Bells *bells);
  /// Hands on what was held and rings what was collected.
  void Ring(Bells *bells);
  /// Rings for the master alone.
  void RingMaster(Bells *bells);
  /// What the functions of a Python stage cost for one instance, which decides about the size of turns and when bells ring.
  void NoteTime(const Batch &batch, Clock::duration spent);

  /// Runs instances of a model and waits for them. Throws ServingError with the first failing instance's error, and
  /// where waiting could not end: on a lane's own model thread, and after Stop.
  std::vector<std::vector<Value>> CallModel(uint32_t model, uint32_t subgraph,
                                            std::vector<std::vector<Value>> instances);

  /// No more turns: every waiting thread returns. Instances that have not finished get no answer here; the master gives
  /// them to others.
  void Stop();
  bool stopped() const { return stopped_.load(); }

 private:
  struct Answer {
    InstancePtr instance;
    Error error;
  };

  void Drain(std::vector<Answer> *answers, Bells *bells);
  void Accept(const RingEntry &entry, std::vector<Answer> *answers, Bells *bells);
  bool Route(Instance *instance, Error *error) const;
  bool IsForModelHere(const Instance &instance) const;
  void Enqueue(InstancePtr instance, std::vector<Answer> *answers, Bells *bells);
  void Resume(RemoteModels::Returned returned, std::vector<Answer> *answers, Bells *bells);
  void File(InstancePtr instance, Bells *bells);
  void FileHeld(Bells *bells);
  void Finish(InstancePtr instance, const Error &error, Bells *bells);

  const std::shared_ptr<Channel> channel_;
  const Plan plan_;
  ResultWriter writer_;
  std::atomic<bool> stopped_ = false;

  std::mutex mutex_;  ///< guards what follows, and the channel's Receive
  StageQueues queues_;
  RemoteModels remote_;
  BlockContents contents_;
  std::vector<std::weak_ptr<ModelCall>> calls_;
  std::array<std::thread::id, kMaxLanes> lane_threads_{};
};

}  // namespace mindspore::serving
