#include "python/worker/plan_binding.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "execute/builtin.h"
#include "execute/plan.h"
#include "python/worker/values.h"

namespace mindspore::serving {
namespace {

namespace nb = nanobind;
using nb::literals::operator""_a;

Stage MakeStage(std::vector<uint32_t> inputs, uint32_t first_output, uint32_t outputs_count, std::string tag) {
  Stage stage;
  stage.inputs = std::move(inputs);
  stage.first_output = first_output;
  stage.outputs_count = outputs_count;
  stage.tag = std::move(tag);
  return stage;
}

Stage PythonStage(std::vector<uint32_t> inputs, uint32_t first_output, uint32_t outputs_count, std::string tag,
                  uint32_t function, bool per_instance, uint32_t batch_size) {
  Stage stage = MakeStage(std::move(inputs), first_output, outputs_count, std::move(tag));
  stage.function = function;
  stage.per_instance = per_instance;
  stage.batch_size = batch_size;
  return stage;
}

Stage ModelStage(std::vector<uint32_t> inputs, uint32_t first_output, uint32_t outputs_count, std::string tag,
                 uint32_t model, uint32_t subgraph) {
  Stage stage = MakeStage(std::move(inputs), first_output, outputs_count, std::move(tag));
  stage.kind = StageKind::kModel;
  stage.model = model;
  stage.subgraph = subgraph;
  return stage;
}

Stage BuiltinStage(std::vector<uint32_t> inputs, uint32_t first_output, uint32_t outputs_count, std::string tag,
                   const std::string &name) {
  Stage stage = MakeStage(std::move(inputs), first_output, outputs_count, std::move(tag));
  stage.kind = StageKind::kBuiltin;
  stage.builtin = FindBuiltin(name);
  return stage;
}

TensorSpec MakeTensorSpec(const std::string &dtype, const std::vector<int64_t> &shape, bool batched) {
  const DType number = DTypeOfName(dtype);
  if (number == DType::kUnknown || shape.size() >= kMaxRank) {
    throw std::invalid_argument("A model cannot have an input or output of data type " + dtype + " and " +
                                std::to_string(shape.size()) + " dimensions");
  }
  return TensorSpec{number, Shape(shape), batched, false, 0};
}

using SubgraphTensors = std::pair<std::vector<TensorSpec>, std::vector<TensorSpec>>;

Model MakeModel(std::string key, int lane, uint32_t batch_size, bool with_batch_dim, bool pad,
                const std::vector<SubgraphTensors> &subgraphs, bool remote) {
  Model model{std::move(key), lane, batch_size, with_batch_dim, pad, remote, {}};
  for (const auto &[inputs, outputs] : subgraphs) {
    model.subgraphs.push_back(Subgraph{inputs, outputs});
  }
  return model;
}

Method MakeMethod(std::string name, uint32_t inputs_count, std::vector<Stage> stages, std::vector<uint32_t> returns) {
  return Method{std::move(name), inputs_count, std::move(stages), std::move(returns), 0};
}

}  // namespace

void BindPlan(nb::module_ *module) {
  nb::class_<Stage>(*module, "Stage");
  module->def("python_stage", &PythonStage, "inputs"_a, "first_output"_a, "outputs_count"_a, "tag"_a, "function"_a,
              "per_instance"_a, "batch_size"_a);
  module->def("model_stage", &ModelStage, "inputs"_a, "first_output"_a, "outputs_count"_a, "tag"_a, "model"_a,
              "subgraph"_a = 0);
  module->def("builtin_stage", &BuiltinStage, "inputs"_a, "first_output"_a, "outputs_count"_a, "tag"_a, "name"_a);
  nb::class_<TensorSpec>(*module, "TensorSpec");
  module->def("tensor_spec", &MakeTensorSpec, "dtype"_a, "shape"_a, "batched"_a);
  nb::class_<Model>(*module, "Model");
  module->def("model", &MakeModel, "key"_a, "lane"_a, "batch_size"_a, "with_batch_dim"_a, "pad"_a, "subgraphs"_a,
              "remote"_a = false);
  nb::class_<Method>(*module, "Method");
  module->def("method", &MakeMethod, "name"_a, "inputs_count"_a, "stages"_a, "returns"_a);
}

}  // namespace mindspore::serving
