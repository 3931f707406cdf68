#include "wire/health_codec.h"

#include "wire/wire_append.h"
#include "wire/wire_reader.h"

namespace mindspore::serving {

std::string DecodeHealthCheckRequest(std::string_view message) {
  std::pmr::monotonic_buffer_resource memory;
  const ByteSpan bytes = std::as_bytes(std::span(message));
  WireReader reader({&bytes, 1}, &memory, "The request is not a HealthCheckRequest message");
  std::string service;
  reader.ReadFields([&](uint32_t key) {
    if (key != FieldKey(1, WireType::kLength)) {
      return false;
    }
    service = reader.ReadText("the service");
    return true;
  });
  return service;
}

std::string EncodeHealthCheckResponse(ServingStatus status) {
  std::string message;
  AppendNumber(1, static_cast<uint64_t>(status), &message);
  return message;
}

std::string EncodeHealthListResponse(const std::vector<std::pair<std::string, ServingStatus>> &statuses) {
  std::string message;
  for (const auto &[service, status] : statuses) {
    std::string entry;
    AppendBytes(1, service, &entry);
    AppendBytes(2, EncodeHealthCheckResponse(status), &entry);
    AppendBytes(1, entry, &message);
  }
  return message;
}

}  // namespace mindspore::serving
