#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <vector>

#include "execute/executor.h"

namespace mindspore::serving {

/// One turn of a model's lane as Python sees it: the inputs of the run, and how to end it.
class ModelBatch {
 public:
  ModelBatch(Executor *executor, Batch batch) : executor_(executor), batch_(std::move(batch)) {}
  ModelBatch(ModelBatch &&) = default;
  ModelBatch(const ModelBatch &) = delete;

  uint32_t model() const { return static_cast<uint32_t>(batch_.model - executor_->plan().models.data()); }
  uint32_t subgraph() const { return batch_.subgraph; }
  size_t count() const { return count_; }

  /// One array per model input: the rows of the batch gathered, or the instance's own memory where nothing needs to be
  /// gathered.
  nanobind::list Inputs() const;
  /// Sends each instance its share of the model's outputs; all fail where the outputs do not fit.
  void Complete(const nanobind::sequence &outputs);
  /// All instances fail.
  void Fail(const std::string &text);

 private:
  nanobind::object Input(size_t index, size_t rows) const;
  void FailWith(const Error &error);

  Executor *executor_;
  Batch batch_;
  size_t count_ = batch_.instances.size();
};

/// The lane's next turn; None once the executor has stopped. Gives up the GIL only to sleep.
nanobind::object NextModelBatch(Executor *executor, int lane);

/// Runs instances of a model and waits without the GIL: a list with a tuple of arrays for each. Throws ServingError.
nanobind::list CallModel(Executor *executor, uint32_t model, uint32_t subgraph, const nanobind::sequence &instances);

}  // namespace mindspore::serving
