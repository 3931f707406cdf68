#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "execute/executor.h"

namespace mindspore::serving {

/// Calls the user's stage functions: the loop of the worker's Python thread.
class StageRunner {
 public:
  /// `functions`: by the numbers in the plan. `on_error(method, stage number from 1, text, exception or None)` is called for each failure,
  /// `on_batch(method, stage number from 1, instances, seconds)` after each turn; it may be None.
  StageRunner(Executor *executor, std::vector<nanobind::object> functions, nanobind::object on_error,
              nanobind::object on_batch);

  /// Takes turns until the executor stops. REQUIRES: the GIL, which is given up only to sleep and for long copies.
  void Run();

 private:
  /// Until there is a turn; false when the executor has stopped.
  bool Sleep();
  void RunTurn();
  void RunPerInstance();
  void RunAsBatch();
  /// One call of a batch function with the instances from `begin` on; returns from where to call again.
  size_t CallWithBatch(size_t begin);
  size_t TakeItems(PyObject *items, size_t begin);
  size_t TakeFromIterator(PyObject *iterator, size_t begin);

  const Stage &stage() const { return batch_.method->stages[batch_.stage_index]; }
  PyObject *function() const { return functions_[stage().function].ptr(); }
  /// Ends the turn of one instance with what the function returned for it.
  void Accept(size_t index, PyObject *result);
  void Fail(size_t index, const std::string &text, PyObject *exception = nullptr);
  void FailFrom(size_t begin, const std::string &text, PyObject *exception = nullptr);
  void TooFew(size_t begin, size_t given);
  /// Tells others of what was done in this turn so far, or leaves it for later in the turn.
  void Tell();
  std::optional<std::vector<Value>> Outputs(PyObject *result, const Instance &instance, std::string *error,
                                            PyObject **exception);

  Executor *executor_;
  std::vector<nanobind::object> functions_;
  nanobind::object on_error_;
  nanobind::object on_batch_;
  Batch batch_;
  Bells bells_;
  Clock::time_point told_at_;
};

/// Completes the instance; long copies are made without the GIL.
void CompleteInstance(Executor *executor, InstancePtr instance, std::span<Value> outputs, Bells *bells);

/// The pending exception, which is taken, and its text. `*exception` is a new reference, with its traceback.
std::string TakeException(PyObject **exception);

}  // namespace mindspore::serving
