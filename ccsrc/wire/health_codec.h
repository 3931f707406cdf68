#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mindspore::serving {

/// grpc.health.v1.HealthCheckResponse.ServingStatus.
enum class ServingStatus { kUnknown = 0, kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

/// The service that a HealthCheckRequest asks for. Throws ServingError(kBadInput) when the bytes are no such message.
std::string DecodeHealthCheckRequest(std::string_view message);
std::string EncodeHealthCheckResponse(ServingStatus status);
std::string EncodeHealthListResponse(const std::vector<std::pair<std::string, ServingStatus>> &statuses);

}  // namespace mindspore::serving
