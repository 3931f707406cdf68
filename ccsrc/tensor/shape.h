#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace mindspore::serving {

/// The largest number of dimensions a tensor may have: what NumPy 1.x can hold.
inline constexpr size_t kMaxRank = 32;

/// Dimensions of a tensor, stored in place; copying touches only the dimensions there are.
class Shape {
 public:
  Shape() {}  // NOLINT: dims_ is left unset on purpose
  /// REQUIRES: dims.size() <= kMaxRank.
  explicit Shape(std::span<const int64_t> dims) : rank_(dims.size()) {
    std::copy(dims.begin(), dims.end(), dims_.begin());
  }
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  Shape(const Shape &other) : Shape(other.dims()) {}
  Shape &operator=(const Shape &other) {
    rank_ = other.rank_;
    std::copy_n(other.dims_.begin(), rank_, dims_.begin());
    return *this;
  }

  size_t rank() const { return rank_; }
  std::span<const int64_t> dims() const { return {dims_.data(), rank_}; }
  int64_t operator[](size_t axis) const { return dims_[axis]; }
  /// False when there is no room for another dimension.
  [[nodiscard]] bool Append(int64_t dim) {
    if (rank_ == kMaxRank) {
      return false;
    }
    dims_[rank_++] = dim;
    return true;
  }
  void Clear() { rank_ = 0; }

  /// The product of all dimensions (1 for a scalar); nothing when a dimension is negative or the product passes 2^63-1.
  std::optional<uint64_t> ElementCount() const;
  /// "[2, 3]".
  std::string ToString() const;

  friend bool operator==(const Shape &a, const Shape &b) { return std::ranges::equal(a.dims(), b.dims()); }

 private:
  size_t rank_ = 0;
  std::array<int64_t, kMaxRank> dims_;
};

}  // namespace mindspore::serving
