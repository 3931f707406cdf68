#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "execute/plan.h"
#include "execute/value.h"

namespace mindspore::serving {

/// A `Model.call` that waits: collects the results of its instances. Thread-safe.
class ModelCall {
 public:
  explicit ModelCall(size_t instances) : results_(instances), errors_(instances), remaining_(instances) {}

  void Deliver(size_t index, std::vector<Value> outputs, const Error &error) {
    std::lock_guard lock(mutex_);
    results_[index] = std::move(outputs);
    errors_[index] = error;
    if (--remaining_ == 0) {
      done_.notify_all();
    }
  }
  /// Ends the wait although results are missing.
  void Abandon(const Error &error) {
    std::lock_guard lock(mutex_);
    abandoned_ = error;
    done_.notify_all();
  }
  /// Blocks until every instance has its result; throws ServingError with the first instance's error if there is one.
  std::vector<std::vector<Value>> Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return remaining_ == 0 || abandoned_; });
    if (remaining_ > 0) {
      throw ServingError(abandoned_);
    }
    for (const Error &error : errors_) {
      if (error) {
        throw ServingError(error);
      }
    }
    return std::move(results_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<std::vector<Value>> results_;
  std::vector<Error> errors_;
  size_t remaining_;
  Error abandoned_;
};

/// One instance on its way through the stages of its method.
struct Instance {
  const Method *method = nullptr;  ///< nullptr when the master's entry could not be read
  uint64_t token = 0;              ///< the master's name for it
  size_t next_stage = 0;
  std::vector<Value> values;  ///< by slot; empty where the stage has not run yet
  std::shared_ptr<RequestLease> lease;
  std::shared_ptr<ModelCall> call;  ///< set when a `Model.call` waits for it instead of the master
  size_t call_index = 0;

  const Stage &stage() const { return method->stages[next_stage]; }
  const Value &input(size_t index) const { return values[stage().inputs[index]]; }
  Value &input(size_t index) { return values[stage().inputs[index]]; }
};

using InstancePtr = std::unique_ptr<Instance>;

/// What one thread does in one turn: instances at the same Python stage, or at stages of the same model and subgraph.
struct Batch {
  const Method *method = nullptr;  ///< of a Python stage
  size_t stage_index = 0;          ///< of a Python stage, from 0
  const Model *model = nullptr;
  uint32_t subgraph = 0;
  bool fast = false;  ///< the stage is known to take so little time that bells can wait
  bool may_hold =
    false;  ///< it is known to take so little time that what goes on to models of this process can wait for more
  std::vector<InstancePtr> instances;
};

}  // namespace mindspore::serving
