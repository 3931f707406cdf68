#pragma once

#include <memory>
#include <string>

#include "wire/reply.h"
#include "wire/request.h"

namespace mindspore::serving {

/// Decodes the body of a RESTful request into tensors that the request owns. Thread-safe. Throws ServingError(kBadInput)
/// with the texts of the RESTful interface (without any prefix), and kTooLarge for more than kMaxTensors tensors or the
/// limit's instances.
std::unique_ptr<Request> DecodeJsonRequest(ByteSpan body, std::string servable, std::string method, uint64_t version,
                                           const RequestLimits &limits = {});

/// The body of a RESTful reply: compact JSON, object keys in byte order.
std::string EncodeJsonReply(const Reply &reply);

/// {"error_msg":"<text>"}
std::string EncodeJsonError(const Error &error);

/// The status for a reply: 200 unless the whole request failed.
int HttpStatusOf(const Reply &reply);

}  // namespace mindspore::serving
