#include "execute/plan.h"

#include <algorithm>
#include <stdexcept>

#include "shm/channel.h"

namespace mindspore::serving {
namespace {

[[noreturn]] void Refuse(const std::string &subject, const std::string &text) {
  throw std::invalid_argument("Plan of " + subject + ": " + text);
}

void CheckModelStage(const Plan &plan, const Method &method, const Stage &stage) {
  if (stage.model >= plan.models.size() || stage.subgraph >= plan.models[stage.model].subgraphs.size()) {
    Refuse(method.name, "a stage uses a model that does not exist");
  }
  const Subgraph &subgraph = plan.models[stage.model].subgraphs[stage.subgraph];
  if (stage.inputs.size() != subgraph.inputs.size() || stage.outputs_count != subgraph.outputs.size()) {
    Refuse(method.name, "a stage has other counts of inputs and outputs than its model");
  }
}

void CheckStage(const Plan &plan, const Method &method, const Stage &stage, uint32_t slots_before) {
  if (std::ranges::any_of(stage.inputs, [&](uint32_t slot) { return slot >= slots_before; })) {
    Refuse(method.name, "a stage uses a value of a later stage");
  }
  if (stage.first_output != slots_before) {
    Refuse(method.name, "the outputs of the stages do not follow each other");
  }
  if (stage.batch_size == 0) {
    Refuse(method.name, "a stage has batch size 0");
  }
  if (stage.kind == StageKind::kModel) {
    CheckModelStage(plan, method, stage);
  }
  if (stage.kind == StageKind::kBuiltin && (stage.builtin == nullptr || stage.outputs_count != 1)) {
    Refuse(method.name, "a built-in stage has no function or not one output");
  }
}

void CheckMethod(const Plan &plan, Method *method) {
  uint32_t slots = method->inputs_count;
  for (const Stage &stage : method->stages) {
    CheckStage(plan, *method, stage, slots);
    slots += stage.outputs_count;
  }
  if (std::ranges::any_of(method->returns, [&](uint32_t slot) { return slot >= slots; })) {
    Refuse(method->name, "an output comes from nowhere");
  }
  method->slots_count = slots;
}

void FillSize(TensorSpec *spec) {
  const auto elements = spec->shape.ElementCount();
  spec->fixed = elements.has_value();
  spec->size_bytes = elements.value_or(0) * ElementBytes(spec->dtype);
}

void CheckModel(Model *model) {
  if (model->lane < 1 || model->lane >= kMaxLanes) {
    Refuse(model->key, "its lane is out of range");
  }
  if (model->batch_size == 0 || (!model->with_batch_dim && model->batch_size != 1)) {
    Refuse(model->key, "its batch size does not fit its batch dimension");
  }
  for (Subgraph &subgraph : model->subgraphs) {
    std::ranges::for_each(subgraph.inputs, [](TensorSpec &spec) { FillSize(&spec); });
    std::ranges::for_each(subgraph.outputs, [](TensorSpec &spec) { FillSize(&spec); });
  }
}

}  // namespace

void Plan::Check() {
  std::ranges::for_each(models, [](Model &model) { CheckModel(&model); });
  std::ranges::for_each(methods, [this](Method &method) { CheckMethod(*this, &method); });
}

int Plan::LaneCount() const {
  int count = 1;
  for (const Model &model : models) {
    count = std::max(count, model.lane + 1);
  }
  return count;
}

}  // namespace mindspore::serving
