#pragma once

#include <span>
#include <vector>

#include "execute/value.h"

namespace mindspore::serving {

/// One loaded graph of an engine that runs without the interpreter. Thread-safe.
class Graph {
 public:
  Graph() = default;
  Graph(const Graph &) = delete;
  Graph &operator=(const Graph &) = delete;
  virtual ~Graph() = default;

  /// The outputs for these inputs, both in the graph's order and whole, with their batch dimension. The outputs own their
  /// memory. Throws std::runtime_error with the engine's message.
  virtual std::vector<Value> Run(std::span<const Value> inputs) = 0;
};

}  // namespace mindspore::serving
