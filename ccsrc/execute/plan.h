#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace mindspore::serving {

struct Value;

/// A function inside the executor: its one output, or throws ServingError. `inputs` are the stage's inputs in order.
using BuiltinFunction = Value (*)(std::span<const Value *const> inputs);

enum class StageKind : uint8_t { kPython, kModel, kBuiltin };

/// One stage of a method. All values of an instance lie in one list: the method's inputs, then each stage's outputs; a
/// "slot" is a place in it.
struct Stage {
  StageKind kind = StageKind::kPython;
  std::vector<uint32_t> inputs;  ///< slots
  uint32_t first_output = 0;     ///< slot
  uint32_t outputs_count = 0;
  std::string tag;            ///< what error texts call it
  uint32_t function = 0;      ///< kPython: the user's function, a number of the binding's
  bool per_instance = false;  ///< kPython: the function takes one instance
  uint32_t batch_size = 1;    ///< kPython: most instances in one turn
  uint32_t model = 0;         ///< kModel
  uint32_t subgraph = 0;      ///< kModel
  BuiltinFunction builtin = nullptr;
};

struct Method {
  std::string name;
  uint32_t inputs_count = 0;
  std::vector<Stage> stages;
  std::vector<uint32_t> returns;  ///< slots of the method's outputs
  uint32_t slots_count = 0;       ///< filled in by Plan::Check
};

/// One input or output of a model, as one instance has it.
struct TensorSpec {
  DType dtype = DType::kUnknown;
  Shape shape;              ///< without the batch dimension; -1 where any size will do
  bool batched = false;     ///< whether the model's own tensor has a batch dimension in front
  bool fixed = false;       ///< whether `shape` has no -1; filled in by Plan::Check
  uint64_t size_bytes = 0;  ///< when fixed
};

struct Subgraph {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  size_t call_method = 0;  ///< the method through which Executor::CallModel runs it; the executor's own
};

struct Model {
  std::string key;
  int lane = 1;             ///< whose thread runs it
  uint32_t batch_size = 1;  ///< most instances in one run
  bool with_batch_dim = true;
  bool pad = false;     ///< every run has exactly batch_size rows
  bool remote = false;  ///< another worker runs it: instances go back to the master for this stage
  std::vector<Subgraph> subgraphs;
};

/// What the executor runs. Methods have the order in which the master was told of them.
struct Plan {
  std::vector<Model> models;
  std::vector<Method> methods;

  /// Fills in what follows from the rest. Throws std::invalid_argument when a reference leads nowhere.
  void Check();
  /// Lanes in use: 1 more than the highest lane of a model.
  int LaneCount() const;
};

}  // namespace mindspore::serving
