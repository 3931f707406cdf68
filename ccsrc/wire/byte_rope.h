#pragma once

#include <cstddef>
#include <cstring>
#include <span>

namespace mindspore::serving {

using ByteSpan = std::span<const std::byte>;

/// Bytes of a message that may lie in several pieces, as gRPC delivers them. Borrows: whoever owns the message keeps it.
class ByteRope {
 public:
  ByteRope() = default;
  explicit ByteRope(ByteSpan piece) : first_(piece), size_bytes_(piece.size()) {}
  /// `rest` must outlive the rope.
  ByteRope(ByteSpan first, std::span<const ByteSpan> rest) : first_(first), rest_(rest), size_bytes_(first.size()) {
    for (ByteSpan piece : rest) {
      size_bytes_ += piece.size();
    }
  }

  size_t size_bytes() const { return size_bytes_; }
  bool contiguous() const { return rest_.empty(); }
  /// REQUIRES: contiguous().
  ByteSpan bytes() const { return first_; }

  /// Writes size_bytes() bytes to `to`.
  void CopyTo(std::byte *to) const {
    to = Copy(first_, to);
    for (ByteSpan piece : rest_) {
      to = Copy(piece, to);
    }
  }

 private:
  static std::byte *Copy(ByteSpan piece, std::byte *to) {
    if (!piece.empty()) {
      std::memcpy(to, piece.data(), piece.size());
    }
    return to + piece.size();
  }

  ByteSpan first_;
  std::span<const ByteSpan> rest_;
  size_t size_bytes_ = 0;
};

}  // namespace mindspore::serving
