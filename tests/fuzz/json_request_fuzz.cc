// The text is decoded as the body of a RESTful request; a plain parser and a plain model of the interface must come to the
// same result. What is decoded is then encoded as a reply and decoded again, since both have the same form.
#include <cmath>
#include <string>

#include "base/error.h"
#include "fuzz_input.h"
#include "json_model.h"
#include "wire/json_codec.h"

namespace mindspore::serving {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::vector<ModelInstance> InstancesOf(const Request &request) {
  std::vector<ModelInstance> instances;
  for (const InputInstance &from : request.instances) {
    ModelInstance &to = instances.emplace_back();
    FUZZ_REQUIRE(!from.has_output_buffers);
    for (const InputTensor &item : from.items) {
      FUZZ_REQUIRE(!item.has_shm_data && item.wire_dtype == static_cast<int32_t>(item.dtype));
      FUZZ_REQUIRE(item.text_count == (IsText(item.dtype) ? 1 : 0));
      FUZZ_REQUIRE(IsValidUtf8(item.name));
      ModelTensor &tensor = to.emplace_back();
      tensor.name = item.name;
      tensor.dtype = item.dtype;
      tensor.shape.assign(item.shape.dims().begin(), item.shape.dims().end());
      tensor.data.resize(item.data.size_bytes());
      item.data.CopyTo(reinterpret_cast<std::byte *>(tensor.data.data()));
    }
  }
  return instances;
}

// What a JSON literal means again what it was written from.
bool HasLiteral(const InputTensor &tensor) {
  if (tensor.dtype == DType::kString || tensor.dtype == DType::kBytes) {
    return tensor.shape.rank() <= 1;
  }
  std::vector<std::byte> data(tensor.data.size_bytes());
  tensor.data.CopyTo(data.data());
  for (size_t at = 0; tensor.dtype == DType::kFloat32 && at < data.size(); at += sizeof(float)) {
    float number;
    std::memcpy(&number, data.data() + at, sizeof(number));
    if (!std::isfinite(number)) {
      return false;
    }
  }
  return !data.empty() &&
         (tensor.dtype == DType::kInt32 || tensor.dtype == DType::kFloat32 || tensor.dtype == DType::kBool);
}

OutputTensor ToOutput(const InputTensor &tensor) {
  FUZZ_REQUIRE(tensor.data.contiguous());
  return {tensor.name, tensor.dtype, tensor.shape, tensor.data.bytes(), nullptr};
}

void CheckRoundTrip(const Request &request) {
  Reply reply;
  for (const InputInstance &instance : request.instances) {
    InstanceResult &result = reply.instances.emplace_back();
    for (const InputTensor &item : instance.items) {
      // base64 may hold strings that are not UTF-8 (refused at admission) and bools that are neither 0 nor 1.
      const bool is_literal = HasLiteral(item) && (item.dtype != DType::kBool && item.dtype != DType::kString);
      if (is_literal) {
        result.outputs.push_back(ToOutput(item));
      }
    }
  }
  std::erase_if(reply.instances, [](const InstanceResult &result) { return result.outputs.empty(); });
  if (reply.instances.empty()) {
    return;
  }
  const std::string json = EncodeJsonReply(reply);
  const auto again = DecodeJsonRequest(std::as_bytes(std::span(json)), "", "", 0);
  FUZZ_REQUIRE(again->instances.size() == reply.instances.size());
  for (size_t i = 0; i < reply.instances.size(); ++i) {
    const auto &outputs = reply.instances[i].outputs;
    FUZZ_REQUIRE(again->instances[i].items.size() == outputs.size());
    for (size_t k = 0; k < outputs.size(); ++k) {
      const InputTensor &item = again->instances[i].items[k];
      FUZZ_REQUIRE(item.name == outputs[k].name && item.dtype == outputs[k].dtype && item.shape == outputs[k].shape);
      FUZZ_REQUIRE(std::ranges::equal(item.data.bytes(), outputs[k].data));
    }
  }
}

void CheckBody(ByteSpan body) {
  const std::string_view text(reinterpret_cast<const char *>(body.data()), body.size());
  const RequestLimits limits = AnyLimits(HashOf(body));
  const auto json = ReadJson(text, limits.max_json_depth);
  const auto expected = json ? ModelRequest(*json, limits) : std::nullopt;
  const ExactCopy copy(body);
  try {
    const auto request = DecodeJsonRequest(copy.bytes(), "name", "way", 7, limits);
    FUZZ_REQUIRE(request->servable == "name" && request->method == "way" && request->version == 7);
    if (!text.starts_with(kByteOrderMark)) {  // some parsers skip it, some refuse it
      FUZZ_REQUIRE(expected.has_value());
      FUZZ_REQUIRE(InstancesOf(*request) == *expected);
    }
    CheckRoundTrip(*request);
  } catch (const ServingError &error) {
    FUZZ_REQUIRE(!expected.has_value());
    const bool too_many = error.error().kind == ErrorKind::kTooLarge;
    FUZZ_REQUIRE(too_many || error.error().kind == ErrorKind::kBadInput);
    FUZZ_REQUIRE(!too_many || (json && json->Find("instances")->items.size() > limits.max_instances));
    FUZZ_REQUIRE(!error.error().text.empty() && IsValidUtf8(error.error().text));
    FUZZ_REQUIRE(error.error().text.starts_with("Illegal JSON format.") == !json.has_value());
  }
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mindspore::serving::CheckBody(std::as_bytes(std::span(data, size)));
  return 0;
}
