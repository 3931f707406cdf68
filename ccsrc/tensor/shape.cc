#include "tensor/shape.h"

namespace mindspore::serving {

std::optional<uint64_t> Shape::ElementCount() const {
  constexpr uint64_t kLimit = INT64_MAX;
  // A zero anywhere makes the product zero, however large the rest is.
  bool has_zero = false;
  for (int64_t dim : dims()) {
    if (dim < 0) {
      return std::nullopt;
    }
    has_zero |= dim == 0;
  }
  if (has_zero) {
    return 0;
  }
  uint64_t count = 1;
  for (int64_t dim : dims()) {
    if (count > kLimit / static_cast<uint64_t>(dim)) {
      return std::nullopt;
    }
    count *= static_cast<uint64_t>(dim);
  }
  return count;
}

std::string Shape::ToString() const {
  std::string text = "[";
  for (size_t axis = 0; axis < rank_; ++axis) {
    text += (axis == 0 ? "" : ", ") + std::to_string(dims_[axis]);
  }
  return text + "]";
}

}  // namespace mindspore::serving
