#include "python/worker/model_runner.h"

#include <utility>

#include "execute/model_batch.h"
#include "python/worker/numpy_api.h"
#include "python/worker/stage_runner.h"
#include "python/worker/values.h"

namespace mindspore::serving {
namespace {

namespace nb = nanobind;

constexpr uint64_t kLongCopyBytes = 256 * 1024;

/// What FromPython gives, or its Python error thrown.
Value ValueOf(nb::handle object) {
  auto value = FromPython(object.ptr(), nullptr);
  if (!value) {
    throw nb::python_error();
  }
  return std::move(*value);
}

nb::object Checked(PyObject *object) {
  if (object == nullptr) {
    throw nb::python_error();
  }
  return nb::steal(object);
}

std::vector<std::vector<Value>> InstanceValues(const nb::sequence &instances) {
  std::vector<std::vector<Value>> values;
  for (nb::handle instance : instances) {
    values.emplace_back();
    for (nb::handle input : nb::cast<nb::sequence>(instance)) {
      values.back().push_back(ValueOf(input));
    }
  }
  return values;
}

nb::object TupleOf(std::vector<Value> *values) {
  nb::object tuple = Checked(PyTuple_New(static_cast<Py_ssize_t>(values->size())));
  for (size_t i = 0; i < values->size(); ++i) {
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), Checked(ToPython(&(*values)[i])).release().ptr());
  }
  return tuple;
}

}  // namespace

nb::list ModelBatch::Inputs() const {
  const size_t rows = RowsToRun(*batch_.model, count_);
  nb::list inputs;
  for (size_t i = 0; i < batch_.model->subgraphs[batch_.subgraph].inputs.size(); ++i) {
    inputs.append(Input(i, rows));
  }
  return inputs;
}

nb::object ModelBatch::Input(size_t index, size_t rows) const {
  const TensorSpec &spec = batch_.model->subgraphs[batch_.subgraph].inputs[index];
  const Value &first = batch_.instances.front()->input(index);
  const Shape shape = RunShape(spec, first, rows);
  if (IsView(*batch_.model, spec, rows)) {
    return Checked(ArrayOver(first, shape));
  }
  nb::object array = Checked(NewArray(spec.dtype, shape));
  auto *out = static_cast<std::byte *>(PyArray_DATA(reinterpret_cast<PyArrayObject *>(array.ptr())));
  if (first.size_bytes * rows < kLongCopyBytes) {
    CopyRows(batch_, index, rows, out);
  } else {
    nb::gil_scoped_release release;
    CopyRows(batch_, index, rows, out);
  }
  return array;
}

void ModelBatch::Complete(const nb::sequence &outputs) {
  std::vector<Value> values;
  for (nb::handle output : outputs) {
    values.push_back(ValueOf(output));
  }
  std::vector<std::vector<Value>> split;
  try {
    split = SplitOutputs(batch_, RowsToRun(*batch_.model, count_), values);
  } catch (const ServingError &failure) {
    FailWith(failure.error());
    return;
  }
  values.clear();
  Bells bells;
  for (size_t i = 0; i < batch_.instances.size(); ++i) {
    CompleteInstance(executor_, std::move(batch_.instances[i]), split[i], &bells);
  }
  executor_->Ring(&bells);
  batch_.instances.clear();
}

void ModelBatch::Fail(const std::string &text) { FailWith(MakeError(ErrorKind::kModelFailed, text)); }

void ModelBatch::FailWith(const Error &error) {
  Bells bells;
  for (InstancePtr &instance : batch_.instances) {
    executor_->Fail(std::move(instance), error, &bells);
  }
  executor_->Ring(&bells);
  batch_.instances.clear();
}

nb::object NextModelBatch(Executor *executor, int lane) {
  Batch batch;
  if (!executor->TryNext(lane, &batch)) {
    nb::gil_scoped_release release;
    if (!executor->WaitNext(lane, &batch)) {
      batch.instances.clear();
    }
  }
  if (batch.instances.empty()) {
    return nb::none();
  }
  return nb::cast(ModelBatch(executor, std::move(batch)));
}

nb::list CallModel(Executor *executor, uint32_t model, uint32_t subgraph, const nb::sequence &instances) {
  std::vector<std::vector<Value>> values = InstanceValues(instances);
  std::vector<std::vector<Value>> results;
  {
    nb::gil_scoped_release release;
    results = executor->CallModel(model, subgraph, std::move(values));
  }
  DroppedReferences::Get().Clear();
  nb::list list;
  for (std::vector<Value> &outputs : results) {
    list.append(TupleOf(&outputs));
  }
  return list;
}

}  // namespace mindspore::serving
