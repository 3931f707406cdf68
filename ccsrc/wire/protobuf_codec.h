#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "wire/encoded_piece.h"
#include "wire/reply.h"
#include "wire/request.h"

namespace mindspore::serving {

/// Decodes a PredictRequest whose bytes lie in `pieces`, without joining them: tensor data stays where it arrived.
/// `message` owns the bytes that the pieces point to; the request keeps it. Unknown fields are skipped, repeated
/// sub-messages merge and the last of a repeated scalar wins, as protobuf prescribes. Throws ServingError(kBadInput) for
/// bytes that are no PredictRequest, non-UTF-8 names, and tensors with more than kMaxRank dimensions (the error names the
/// input) or names beyond the limit, and kTooLarge for more than kMaxTensors tensors or the limit's instances.
std::unique_ptr<Request> DecodePredictRequest(std::span<const ByteSpan> pieces, std::shared_ptr<const void> message,
                                              const RequestLimits &limits = {});

/// Encodes a PredictReply. Rules: servable_spec always; all good: instances only; a whole-request error: one ErrorMsg and no
/// instances; else one ErrorMsg (code 0 for good ones) and one instance (empty for failed ones) each.
std::vector<EncodedPiece> EncodePredictReply(const Reply &reply);

}  // namespace mindspore::serving
