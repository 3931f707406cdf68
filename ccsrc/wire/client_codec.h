#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "wire/encoded_piece.h"
#include "wire/reply.h"

namespace mindspore::serving {

/// The client's side of protobuf_codec.h.

/// Encodes a PredictRequest. Data of kInPlaceBytes and more stays where it is.
std::vector<EncodedPiece> EncodePredictRequest(std::string_view servable, std::string_view method, uint64_t version,
                                               std::span<const std::vector<OutputTensor>> instances);

/// Decodes a PredictReply. Names and data of its tensors borrow from `message`, which `owner` keeps alive. An error has the
/// code and the text that were sent. Throws ServingError(kBadInput) for bytes that are no PredictReply, tensors whose type,
/// shape and data do not belong together, and a wrong count of errors.
Reply DecodePredictReply(ByteSpan message, const std::shared_ptr<const void> &owner);

}  // namespace mindspore::serving
