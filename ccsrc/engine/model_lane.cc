#include "engine/model_lane.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>
#include <utility>

#include "execute/model_batch.h"

namespace mindspore::serving {
namespace {

constexpr auto kAlignment = std::align_val_t{64};  // what vector instructions like best

/// Memory for the rows of a batch, not initialised.
class RowsBuffer : public Owner {
 public:
  explicit RowsBuffer(size_t size_bytes) : data_(static_cast<std::byte *>(::operator new(size_bytes, kAlignment))) {}
  ~RowsBuffer() override { ::operator delete(data_, kAlignment); }
  std::byte *data() const { return data_; }

 private:
  std::byte *const data_;
};

// The batch's input as the graph takes it: its rows gathered, or the instance's own memory where nothing needs to be.
Value GatherInput(const Batch &batch, size_t index, size_t rows) {
  const TensorSpec &spec = batch.model->subgraphs[batch.subgraph].inputs[index];
  const Value &first = batch.instances.front()->input(index);
  const Shape shape = RunShape(spec, first, rows);
  if (IsView(*batch.model, spec, rows)) {
    return Value{first.dtype, shape, first.data, first.size_bytes, first.read_only, first.owner};
  }
  auto buffer = std::make_shared<RowsBuffer>(first.size_bytes * rows);
  CopyRows(batch, index, rows, buffer->data());
  return Value{first.dtype, shape, buffer->data(), first.size_bytes * rows, false, buffer};
}

}  // namespace

ModelLane::ModelLane(Executor *executor, int lane, std::map<uint32_t, Graphs> models, OnError on_error, OnRun on_run)
    : executor_(executor),
      lane_(lane),
      models_(std::move(models)),
      on_error_(std::move(on_error)),
      on_run_(std::move(on_run)) {}

void ModelLane::Serve() {
  Batch batch;
  while (executor_->WaitNext(lane_, &batch)) {
    Run(&batch);
  }
}

std::vector<Value> ModelLane::Predict(const Batch &batch, size_t rows) const {
  std::vector<Value> inputs;
  for (size_t i = 0; i < batch.model->subgraphs[batch.subgraph].inputs.size(); ++i) {
    inputs.push_back(GatherInput(batch, i, rows));
  }
  const auto model = static_cast<uint32_t>(batch.model - executor_->plan().models.data());
  return models_.at(model)[batch.subgraph]->Run(inputs);
}

bool ModelLane::Run(Batch *batch) noexcept {
  const auto begin = Clock::now();
  const size_t count = batch->instances.size();
  const size_t rows = RowsToRun(*batch->model, count);
  const auto model = static_cast<uint32_t>(batch->model - executor_->plan().models.data());
  std::vector<std::vector<Value>> outputs;
  Error error;
  bool again = false;
  try {
    outputs = SplitOutputs(*batch, rows, Predict(*batch, rows));
  } catch (const ServingError &failure) {
    error = failure.error();
  } catch (const std::exception &exception) {
    error = MakeError(ErrorKind::kModelFailed, std::string("Predict Failed, ") + exception.what());
    again = count > 1;
  }
  if (!again) {
    Answer(batch, outputs, error);
  }
  if (error && !again) {
    on_error_(model, batch->subgraph, error.text);
  }
  if (on_run_) {
    on_run_(model, batch->subgraph, count, Clock::now() - begin);
  }
  if (again && !RunHalves(batch)) {
    on_error_(model, batch->subgraph, error.text);
  }
  return static_cast<bool>(error);
}

bool ModelLane::RunHalves(Batch *batch) {
  Batch second;
  second.model = batch->model;
  second.subgraph = batch->subgraph;
  const auto middle = batch->instances.begin() + static_cast<ptrdiff_t>(batch->instances.size() / 2);
  std::move(middle, batch->instances.end(), std::back_inserter(second.instances));
  batch->instances.erase(middle, batch->instances.end());
  const bool first_failed = Run(batch);
  const bool second_failed = Run(&second);
  return first_failed || second_failed;
}

void ModelLane::Answer(Batch *batch, std::span<std::vector<Value>> outputs, const Error &error) {
  Bells bells;
  for (size_t i = 0; i < batch->instances.size(); ++i) {
    if (error) {
      executor_->Fail(std::move(batch->instances[i]), error, &bells);
    } else {
      executor_->Complete(std::move(batch->instances[i]), outputs[i], &bells);
    }
  }
  batch->instances.clear();
  executor_->Ring(&bells);
}

}  // namespace mindspore::serving
