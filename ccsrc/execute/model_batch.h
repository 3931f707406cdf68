#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "execute/instance.h"

namespace mindspore::serving {

/// What is wrong with the inputs of an instance that is about to enter a model stage; nothing when they fit. The data
/// type and the byte size decide; where the model leaves a dimension open, the shape must fit as well (a leading 1 too
/// many is forgiven).
std::optional<Error> CheckModelInputs(const Model &model, const Instance &instance);

/// The shape in which the model sees the value, without the batch dimension. REQUIRES: it passed CheckModelInputs.
Shape ModelShape(const TensorSpec &spec, const Value &value);

/// Whether two instances at stages of one subgraph may share a run: equal shapes, and equal values where there is no
/// batch dimension.
bool CanShareRun(const Subgraph &subgraph, const Instance &a, const Instance &b);

/// How many rows the model is run with for so many instances.
size_t RowsToRun(const Model &model, size_t instances);

/// Whether the input can be handed over as it lies in the first instance's memory.
bool IsView(const Model &model, const TensorSpec &spec, size_t rows);

/// The shape of the model's own input tensor for the batch.
Shape RunShape(const TensorSpec &spec, const Value &first, size_t rows);

/// Copies the rows of the batch's input one after another to `out`; places without an instance get the first one's row.
void CopyRows(const Batch &batch, size_t input, size_t rows, std::byte *out);

/// Splits the model's outputs into each instance's. Throws ServingError when a shape does not fit the rows that were
/// run.
std::vector<std::vector<Value>> SplitOutputs(const Batch &batch, size_t rows, std::span<const Value> outputs);

}  // namespace mindspore::serving
