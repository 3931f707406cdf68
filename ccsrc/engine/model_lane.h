#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "execute/executor.h"

namespace mindspore::serving {

/// Runs the models of one lane, by engines that need no interpreter.
class ModelLane {
 public:
  using Graphs = std::vector<std::shared_ptr<Graph>>;  ///< by subgraph
  using OnError = std::function<void(uint32_t model, uint32_t subgraph, const std::string &text)>;
  using OnRun = std::function<void(uint32_t model, uint32_t subgraph, size_t instances, std::chrono::duration<double>)>;

  /// `models`: by their numbers in the plan. `on_error` is told of each run that failed and was not run again in parts that
  /// failed, `on_run` of each run; it may be empty. Both are called by the thread that ran, and throw nothing.
  ModelLane(Executor *executor, int lane, std::map<uint32_t, Graphs> models, OnError on_error, OnRun on_run);

  /// Takes the lane's turns until the executor stops: the body of its thread.
  void Serve();

 private:
  /// Runs one turn; whether something failed. What goes wrong in the engine is the error of the instances that fail
  /// without the others too; without memory to answer them the process ends, and the master gives them to another.
  bool Run(Batch *batch) noexcept;
  /// Runs what failed together again, so that an instance that a model cannot take fails no others.
  bool RunHalves(Batch *batch);
  void Answer(Batch *batch, std::span<std::vector<Value>> outputs, const Error &error);
  std::vector<Value> Predict(const Batch &batch, size_t rows) const;

  Executor *const executor_;
  const int lane_;
  const std::map<uint32_t, Graphs> models_;
  const OnError on_error_;
  const OnRun on_run_;
};

}  // namespace mindspore::serving
