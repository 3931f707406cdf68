#include "execute/model_batch.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace mindspore::serving {
namespace {

Shape WithoutFirst(const Shape &shape) { return Shape(shape.dims().subspan(1)); }

bool Fits(const Shape &wanted, const Shape &given) {
  return std::ranges::equal(wanted.dims(), given.dims(),
                            [](int64_t want, int64_t got) { return want == -1 || want == got; });
}

bool FitsWithLeadingOne(const Shape &wanted, const Shape &given) {
  return given.rank() == wanted.rank() + 1 && given[0] == 1 && Fits(wanted, WithoutFirst(given));
}

std::string TypeAndShape(DType dtype, const Shape &shape) { return std::string(Name(dtype)) + " " + shape.ToString(); }

Error WrongInput(const TensorSpec &spec, size_t index, const Value &value, const std::string &what,
                 const std::string &got, const std::string &want) {
  return MakeError(ErrorKind::kBadInput, "Given model input " + std::to_string(index) + " " + what + " " + got +
                                           " not match the " + what + " " + want + " defined in model: given " +
                                           TypeAndShape(value.dtype, value.shape) + ", the model takes " +
                                           TypeAndShape(spec.dtype, spec.shape));
}

std::optional<Error> CheckModelInput(const TensorSpec &spec, size_t index, const Value &value) {
  // Strings have no size that a model could use.
  const uint64_t size_bytes = IsText(value.dtype) ? 0 : value.size_bytes;
  if (spec.fixed && size_bytes != spec.size_bytes) {
    return WrongInput(spec, index, value, "size", std::to_string(size_bytes), std::to_string(spec.size_bytes));
  }
  if (value.dtype != spec.dtype) {
    return WrongInput(spec, index, value, "data type", std::string(Name(value.dtype)), std::string(Name(spec.dtype)));
  }
  if (!spec.fixed && !Fits(spec.shape, value.shape) && !FitsWithLeadingOne(spec.shape, value.shape)) {
    return WrongInput(spec, index, value, "shape", value.shape.ToString(), spec.shape.ToString());
  }
  return std::nullopt;
}

void CheckModelOutput(const Model &model, const TensorSpec &spec, const Value &output, size_t rows) {
  const bool rows_fit =
    !model.with_batch_dim || (output.shape.rank() > 0 && output.shape[0] == static_cast<int64_t>(rows));
  if (!rows_fit || (spec.fixed && output.size_bytes != spec.size_bytes * rows)) {
    throw ServingError(ErrorKind::kModelFailed, "Predict Failed, an output has shape " + output.shape.ToString() +
                                                  " after a run with batch size " + std::to_string(rows));
  }
}

bool SameBytes(const Value &a, const Value &b) {
  return a.size_bytes == b.size_bytes &&
         (a.data == b.data || a.size_bytes == 0 || std::memcmp(a.data, b.data, a.size_bytes) == 0);
}

}  // namespace

std::optional<Error> CheckModelInputs(const Model &model, const Instance &instance) {
  const Stage &stage = instance.stage();
  const Subgraph &subgraph = model.subgraphs[stage.subgraph];
  for (size_t i = 0; i < subgraph.inputs.size(); ++i) {
    if (auto error = CheckModelInput(subgraph.inputs[i], i, instance.input(i))) {
      return error;
    }
  }
  return std::nullopt;
}

Shape ModelShape(const TensorSpec &spec, const Value &value) {
  if (spec.fixed) {
    return spec.shape;
  }
  return value.shape.rank() == spec.shape.rank() ? value.shape : WithoutFirst(value.shape);
}

bool CanShareRun(const Subgraph &subgraph, const Instance &a, const Instance &b) {
  for (size_t i = 0; i < subgraph.inputs.size(); ++i) {
    const TensorSpec &spec = subgraph.inputs[i];
    const Value &value_a = a.input(i);
    const Value &value_b = b.input(i);
    if (!spec.fixed && ModelShape(spec, value_a) != ModelShape(spec, value_b)) {
      return false;
    }
    if (!spec.batched && !SameBytes(value_a, value_b)) {
      return false;
    }
  }
  return true;
}

size_t RowsToRun(const Model &model, size_t instances) { return model.pad ? model.batch_size : instances; }

bool IsView(const Model &model, const TensorSpec &spec, size_t rows) {
  return !model.with_batch_dim || !spec.batched || rows == 1;
}

Shape RunShape(const TensorSpec &spec, const Value &first, size_t rows) {
  const Shape shape = ModelShape(spec, first);
  if (!spec.batched) {
    return shape;
  }
  Shape with_batch{static_cast<int64_t>(rows)};
  for (int64_t dim : shape.dims()) {
    if (!with_batch.Append(dim)) {
      throw ServingError(ErrorKind::kBadInput,
                         "A model input has more than " + std::to_string(kMaxRank) + " dimensions");
    }
  }
  return with_batch;
}

void CopyRows(const Batch &batch, size_t input, size_t rows, std::byte *out) {
  const uint64_t row_bytes = batch.instances.front()->input(input).size_bytes;
  if (row_bytes == 0) {
    return;
  }
  for (size_t row = 0; row < rows; ++row) {
    const Instance &instance = *batch.instances[row < batch.instances.size() ? row : 0];
    std::memcpy(out + row * row_bytes, instance.input(input).data, row_bytes);
  }
}

std::vector<std::vector<Value>> SplitOutputs(const Batch &batch, size_t rows, std::span<const Value> outputs) {
  const Subgraph &subgraph = batch.model->subgraphs[batch.subgraph];
  if (outputs.size() != subgraph.outputs.size()) {
    throw ServingError(ErrorKind::kModelFailed, "Predict Failed, the model gave " + std::to_string(outputs.size()) +
                                                  " outputs instead of " + std::to_string(subgraph.outputs.size()));
  }
  std::vector<std::vector<Value>> split(batch.instances.size());
  for (size_t j = 0; j < outputs.size(); ++j) {
    const Value &output = outputs[j];
    CheckModelOutput(*batch.model, subgraph.outputs[j], output, rows);
    if (!batch.model->with_batch_dim) {
      split.front().push_back(output);
      continue;
    }
    const uint64_t row_bytes = output.size_bytes / rows;
    const Shape shape = WithoutFirst(output.shape);
    for (size_t i = 0; i < split.size(); ++i) {
      split[i].push_back(
        Value{output.dtype, shape, output.data + i * row_bytes, row_bytes, output.read_only, output.owner});
    }
  }
  return split;
}

}  // namespace mindspore::serving
