#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "wire/encoded_piece.h"

namespace mindspore::serving {

/// The pieces as a gRPC message: large data leaves from where it lies, and is kept alive until then.
inline grpc::ByteBuffer ToByteBuffer(std::vector<EncodedPiece> pieces) {
  using Owner = std::shared_ptr<const void>;
  std::vector<grpc::Slice> slices;
  slices.reserve(pieces.size());
  for (auto &piece : pieces) {
    auto *data = const_cast<std::byte *>(piece.bytes.data());
    if (piece.owner == nullptr || piece.bytes.size() < kInPlaceBytes) {
      slices.emplace_back(data, piece.bytes.size());
    } else {
      auto *owner = new Owner(std::move(piece.owner));
      slices.emplace_back(
        data, piece.bytes.size(), [](void *kept) { delete static_cast<Owner *>(kept); }, owner);
    }
  }
  return {slices.data(), slices.size()};
}

/// The bytes of a message in one piece; not ok when gRPC cannot give them out.
inline grpc::Status ToText(const grpc::ByteBuffer &buffer, std::string *text) {
  std::vector<grpc::Slice> slices;
  grpc::Status status = buffer.Dump(&slices);
  if (status.ok()) {
    text->reserve(buffer.Length());
    for (const auto &slice : slices) {
      text->append(reinterpret_cast<const char *>(slice.begin()), slice.size());
    }
  }
  return status;
}

}  // namespace mindspore::serving
