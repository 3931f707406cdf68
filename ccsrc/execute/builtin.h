#pragma once

#include <span>
#include <string_view>

#include "execute/plan.h"
#include "execute/value.h"

namespace mindspore::serving {

/// The stage function of that name inside the executor; nullptr when there is none.
BuiltinFunction FindBuiltin(std::string_view name);

/// The index of the largest element of the flattened input, the first of equals, as an int64 scalar. Takes float32,
/// float64 and all integers with at least one element; throws ServingError for anything else.
Value ArgMax(std::span<const Value *const> inputs);

/// A new value with memory of its own, not initialised. REQUIRES: shape has no negative dimension.
Value MakeValue(DType dtype, const Shape &shape, uint64_t size_bytes);

}  // namespace mindspore::serving
