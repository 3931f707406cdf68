// The bytes are a request of the health service and one of the reflection service: what protobuf's own parser takes is
// answered, with a message that it can read.
#include <google/protobuf/stubs/logging.h>

#include <string>

#include "base/error.h"
#include "fuzz_input.h"
#include "mindspore_serving/proto/grpc/health.pb.h"
#include "mindspore_serving/proto/grpc/reflection.pb.h"
#include "wire/descriptor_set.h"
#include "wire/health_codec.h"
#include "wire/reflection.h"

namespace mindspore::serving {
namespace {

void CheckHealth(std::string_view message) {
  grpc::health::v1::HealthCheckRequest theirs;
  const bool accepted = theirs.ParseFromArray(message.data(), static_cast<int>(message.size()));
  try {
    const std::string service = DecodeHealthCheckRequest(message);
    FUZZ_REQUIRE(!accepted || theirs.service() == service);
    grpc::health::v1::HealthListResponse list;
    FUZZ_REQUIRE(list.ParseFromString(EncodeHealthListResponse({{service, ServingStatus::kServing}})));
    FUZZ_REQUIRE(list.statuses().at(service).status() == grpc::health::v1::HealthCheckResponse::SERVING);
  } catch (const ServingError &error) {
    FUZZ_REQUIRE(error.error().kind == ErrorKind::kBadInput);
    FUZZ_REQUIRE(!accepted || error.error().text.find("a field number is too large") != std::string::npos);
  }
}

void CheckReflection(std::string_view message) {
  static const Reflection kReflection(DescriptorSet());
  grpc::reflection::v1::ServerReflectionRequest request;
  const bool accepted = request.ParseFromArray(message.data(), static_cast<int>(message.size()));
  std::string answer;
  try {
    answer = kReflection.Answer(message);
  } catch (const ServingError &error) {
    FUZZ_REQUIRE(error.error().kind == ErrorKind::kBadInput);
    FUZZ_REQUIRE(!accepted || error.error().text.find("a field number is too large") != std::string::npos);
    return;
  }
  if (!accepted) {
    return;  // the request is given back with its faults
  }
  using Response = grpc::reflection::v1::ServerReflectionResponse;
  Response response;
  FUZZ_REQUIRE(response.ParseFromString(answer));
  FUZZ_REQUIRE(response.original_request().SerializeAsString() == request.SerializeAsString());
  FUZZ_REQUIRE(response.message_response_case() != Response::MESSAGE_RESPONSE_NOT_SET);
  const bool lists = request.message_request_case() == grpc::reflection::v1::ServerReflectionRequest::kListServices;
  FUZZ_REQUIRE(lists == (response.message_response_case() == Response::kListServicesResponse));
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  google::protobuf::SetLogHandler(nullptr);  // it prints each text that is not UTF-8
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // In memory of exactly its size.
  const std::string_view message(reinterpret_cast<const char *>(data), size);
  mindspore::serving::CheckHealth(message);
  mindspore::serving::CheckReflection(message);
  return 0;
}
