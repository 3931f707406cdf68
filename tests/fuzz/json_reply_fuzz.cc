// A reply made from the input is encoded as JSON; a plain parser finds in it what it was made of, every number to the last bit.
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "any_reply.h"
#include "json_value.h"
#include "wire/base64.h"
#include "wire/json_codec.h"
#include "wire/number_text.h"

namespace mindspore::serving {
namespace {

using Type = JsonValue::Type;

void CheckReal(double number, const JsonValue &json) {
  if (!std::isfinite(number)) {
    FUZZ_REQUIRE(json.is(Type::kNull));
    return;
  }
  FUZZ_REQUIRE(json.is(Type::kNumber) && !json.IsInteger());  // an integer would be read as another type
  FUZZ_REQUIRE(std::bit_cast<uint64_t>(std::strtod(json.text.c_str(), nullptr)) == std::bit_cast<uint64_t>(number));
}

template <typename T>
T Load(const std::byte *from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

std::string IntegerText(DType dtype, const std::byte *from) {
  switch (dtype) {
    case DType::kInt8:
      return std::to_string(Load<int8_t>(from));
    case DType::kUint8:
      return std::to_string(Load<uint8_t>(from));
    case DType::kInt16:
      return std::to_string(Load<int16_t>(from));
    case DType::kUint16:
      return std::to_string(Load<uint16_t>(from));
    case DType::kInt32:
      return std::to_string(Load<int32_t>(from));
    case DType::kUint32:
      return std::to_string(Load<uint32_t>(from));
    case DType::kInt64:
      return std::to_string(Load<int64_t>(from));
    default:
      return std::to_string(Load<uint64_t>(from));
  }
}

void CheckElement(DType dtype, const std::byte *from, const JsonValue &json) {
  switch (dtype) {
    case DType::kBool:
      FUZZ_REQUIRE(json.is(Type::kBool) && json.flag == (*from != std::byte{0}));
      return;
    case DType::kFloat16:
      return CheckReal(HalfToDouble(Load<uint16_t>(from)), json);
    case DType::kFloat32:
      return CheckReal(Load<float>(from), json);
    case DType::kFloat64:
      return CheckReal(Load<double>(from), json);
    default:
      FUZZ_REQUIRE(json.is(Type::kNumber) && json.text == IntegerText(dtype, from));
  }
}

const std::byte *CheckLists(const OutputTensor &tensor, size_t axis, const std::byte *from, const JsonValue &json) {
  if (axis == tensor.shape.rank()) {
    CheckElement(tensor.dtype, from, json);
    return from + ElementBytes(tensor.dtype);
  }
  FUZZ_REQUIRE(json.is(Type::kArray) && static_cast<int64_t>(json.items.size()) == tensor.shape[axis]);
  for (const JsonValue &item : json.items) {
    from = CheckLists(tensor, axis + 1, from, item);
  }
  return from;
}

void CheckText(const OutputTensor &tensor, const JsonValue &json) {
  const std::string_view data(reinterpret_cast<const char *>(tensor.data.data()), tensor.data.size());
  if (tensor.dtype == DType::kString) {
    FUZZ_REQUIRE(json.is(Type::kString) && json.text == data);
    return;
  }
  std::string base64;
  AppendBase64(tensor.data, &base64);
  FUZZ_REQUIRE(json.is(Type::kObject) && json.items.size() == 1);
  FUZZ_REQUIRE(json.Find("b64") != nullptr && json.Find("b64")->text == base64);
}

void CheckTensor(const OutputTensor &tensor, const JsonValue &json) {
  if (!IsText(tensor.dtype)) {
    FUZZ_REQUIRE(CheckLists(tensor, 0, tensor.data.data(), json) == tensor.data.data() + tensor.data.size());
  } else if (tensor.shape.rank() == 1) {
    FUZZ_REQUIRE(json.is(Type::kArray) && json.items.size() == 1);
    CheckText(tensor, json.items[0]);
  } else {
    CheckText(tensor, json);
  }
}

bool HasJsonForm(const OutputTensor &tensor) {
  if (IsText(tensor.dtype)) {
    return tensor.shape.rank() == 0 || tensor.shape == Shape{1};
  }
  const auto count = tensor.shape.ElementCount();
  return IsNumeric(tensor.dtype) && count && *count <= tensor.data.size() &&
         *count * ElementBytes(tensor.dtype) == tensor.data.size();
}

void CheckError(std::string_view text, const JsonValue &json) {
  FUZZ_REQUIRE(json.is(Type::kObject) && json.items.size() == 1 && json.names[0] == "error_msg");
  FUZZ_REQUIRE(json.items[0].is(Type::kString) && json.items[0].text.starts_with(text));
}

void CheckInstance(const InstanceResult &result, const JsonValue &json) {
  if (result.error) {
    return CheckError(TextOf(result.error), json);
  }
  const auto &outputs = result.outputs;
  FUZZ_REQUIRE(json.is(Type::kObject));
  if (json.Find("error_msg") != nullptr) {  // no output has that name
    // A shape of many empty lists, such as [2**32, 0], has data for its elements, and is refused nonetheless.
    const bool may_have_none = std::ranges::any_of(
      outputs, [](const auto &output) { return !HasJsonForm(output) || output.shape.ElementCount() == 0; });
    FUZZ_REQUIRE(may_have_none);
    return CheckError("Failed to construct the response: output '", json);
  }
  FUZZ_REQUIRE(json.items.size() == outputs.size());
  FUZZ_REQUIRE(std::ranges::is_sorted(json.names));
  for (const OutputTensor &output : outputs) {
    const JsonValue *value = json.Find(output.name);
    FUZZ_REQUIRE(value != nullptr && HasJsonForm(output));
    CheckTensor(output, *value);
  }
}

void CheckReply(const Reply &reply) {
  const auto json = ReadJson(EncodeJsonReply(reply));
  FUZZ_REQUIRE(json.has_value());
  if (reply.error) {
    FUZZ_REQUIRE(HttpStatusOf(reply) >= 400);
    return CheckError(TextOf(reply.error), *json);
  }
  FUZZ_REQUIRE(HttpStatusOf(reply) == 200);
  FUZZ_REQUIRE(json->items.size() == 1 && json->Find("instances") != nullptr);
  const auto &instances = json->Find("instances")->items;
  FUZZ_REQUIRE(instances.size() == reply.instances.size());
  for (size_t i = 0; i < instances.size(); ++i) {
    CheckInstance(reply.instances[i], instances[i]);
  }
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mindspore::serving::AnyReply any{mindspore::serving::FuzzInput(data, size)};
  mindspore::serving::CheckReply(any.reply);
  return 0;
}
