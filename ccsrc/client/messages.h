#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/contents.h"
#include "wire/encoded_piece.h"

namespace mindspore::serving::client {

/// Whom a client calls.
struct Target {
  std::string servable;
  std::string method;
  uint64_t version = 0;
};

/// The PredictRequest. INVALID_INPUTS, naming instance and input, where a value was never set, or a name is not UTF-8.
Status EncodeRequest(const Target &target, const RequestContent &request, std::vector<EncodedPiece> *pieces);

/// Puts a PredictReply into `reply`, an error of the whole request into each of its `instances_count` instances too.
/// SYSTEM_ERROR where the message makes no sense.
Status DecodeReply(std::shared_ptr<const std::string> message, size_t instances_count, ReplyContent *reply);

}  // namespace mindspore::serving::client
