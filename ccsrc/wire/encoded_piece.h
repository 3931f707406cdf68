#pragma once

#include <cstddef>
#include <memory>

#include "wire/byte_rope.h"

namespace mindspore::serving {

/// A piece of an encoded message. `owner` keeps the bytes alive.
struct EncodedPiece {
  ByteSpan bytes;
  std::shared_ptr<const void> owner;
};

/// Tensor data from this size on is handed out in place (a piece of its own); smaller data is copied into the text around it.
inline constexpr size_t kInPlaceBytes = 16 * 1024;

}  // namespace mindspore::serving
