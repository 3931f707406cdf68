#include "wire/json_base64.h"

#include <array>
#include <optional>
#include <string>

#include "base/error.h"
#include "wire/base64.h"
#include "wire/json_tensor.h"

namespace mindspore::serving {
namespace {

using simdjson::dom::element;

struct TypeName {
  std::string_view name;
  DType dtype;
  std::string_view shown;  // in texts of errors
};

constexpr TypeName kTypeNames[] = {
  {"int8", DType::kInt8, "int8"},       {"int16", DType::kInt16, "int16"},
  {"int32", DType::kInt32, "int32"},    {"int64", DType::kInt64, "int64"},
  {"uint8", DType::kUint8, "uint8"},    {"uint16", DType::kUint16, "uint16"},
  {"uint32", DType::kUint32, "uint32"}, {"uint64", DType::kUint64, "uint64"},
  {"fp16", DType::kFloat16, "float16"}, {"float16", DType::kFloat16, "float16"},
  {"fp32", DType::kFloat32, "float32"}, {"float32", DType::kFloat32, "float32"},
  {"fp64", DType::kFloat64, "float64"}, {"float64", DType::kFloat64, "float64"},
  {"bool", DType::kBool, "bool"},       {"str", DType::kString, "str"},
  {"bytes", DType::kBytes, "bytes"},
};

constexpr TypeName kDefaultType = {"bytes", DType::kBytes, "bytes"};

[[noreturn]] void Fail(std::string_view text) { throw ServingError(ErrorKind::kBadInput, text); }

TypeName TypeOf(element value) {
  std::string_view name;
  if (value.get(name)) {
    Fail("json object, key is 'type', value should be string type");
  }
  for (const TypeName &type : kTypeNames) {
    if (type.name == name) {
      return type;
    }
  }
  Fail("json object, specified type:'" + std::string(name) + "' is illegal");
}

Shape ShapeOf(element value) {
  simdjson::dom::array array;
  if (value.get(array)) {
    Fail("json object, key is 'shape', value should be array type");
  }
  Shape shape;
  for (element dim_value : array) {
    int64_t dim = 0;
    if (dim_value.get(dim) || dim < 0) {
      Fail("json object, key is 'shape', array value should be unsigned integer");
    }
    if (shape.rank() > 0 && shape[shape.rank() - 1] == 0) {
      Fail("json object, key is 'shape', invalid shape value: only the last one can be 0");
    }
    if (!shape.Append(dim)) {
      Fail("json object, key is 'shape', invalid shape value: more than " + std::to_string(kMaxRank) + " dimensions");
    }
  }
  return shape;
}

ByteSpan Decode(element value, std::pmr::memory_resource *memory) {
  std::string_view text;
  if (value.get(text)) {
    Fail("get scalar data failed, type is string, but json is not string type");
  }
  const auto size = DecodedBase64Bytes(text);
  if (!size) {
    Fail("json object, value of 'b64' is illegal b64 encode string: its length is no multiple of 4");
  }
  auto *bytes = static_cast<std::byte *>(memory->allocate(*size, alignof(std::max_align_t)));
  if (!DecodeBase64(text, bytes)) {
    Fail("decode base64 failed, size is not matched: the text has characters that are not base64");
  }
  return {bytes, *size};
}

void CheckNumberOfBytes(const InputTensor &tensor, const TypeName &type, uint64_t element_count, size_t bytes) {
  const size_t element_bytes = ElementBytes(tensor.dtype);
  // Compared by division: the product may not fit.
  if (bytes % element_bytes != 0 || bytes / element_bytes != element_count) {
    Fail("size is not matched, decode base64 size:" + std::to_string(bytes) +
         "; Given info: type:" + std::string(type.shown) + "; type size:" + std::to_string(element_bytes) +
         "; element nums:" + std::to_string(element_count));
  }
}

struct Base64Fields {
  std::optional<element> b64;
  std::optional<element> type;
  std::optional<element> shape;
};

Base64Fields FieldsOf(simdjson::dom::object object) {
  constexpr size_t kMaxFields = 3;
  const auto fields = JsonFields(object);
  if (fields.empty()) {
    Fail("json object, value is empty");
  }
  if (fields.size() > kMaxFields) {
    Fail("json object, items size is more than 3");
  }
  Base64Fields known;
  for (const JsonField &field : fields) {
    if (field.name == "b64") {
      known.b64 = field.value;
    } else if (field.name == "type") {
      known.type = field.value;
    } else if (field.name == "shape") {
      known.shape = field.value;
    } else {
      Fail("json object, key is not ['b64', 'type', 'shape'], fail key:" + std::string(field.name));
    }
  }
  return known;
}

// The value of the last field of that name.
std::optional<element> FindLast(simdjson::dom::object object, std::string_view name) {
  std::optional<element> found;
  for (auto field : object) {
    if (field.key == name) {
      found = field.value;
    }
  }
  return found;
}

[[noreturn]] void FailWithoutB64() { Fail("json object, key 'b64' should be specified only one time"); }

}  // namespace

InputTensor Base64Tensor(simdjson::dom::object object, std::pmr::memory_resource *memory) {
  const Base64Fields fields = FieldsOf(object);
  if (!fields.b64) {
    FailWithoutB64();
  }
  const TypeName type = fields.type ? TypeOf(*fields.type) : kDefaultType;
  InputTensor tensor;
  tensor.dtype = type.dtype;
  tensor.wire_dtype = static_cast<int32_t>(type.dtype);
  if (fields.shape) {
    tensor.shape = ShapeOf(*fields.shape);
  }
  const auto element_count = tensor.shape.ElementCount();
  if (!element_count) {
    Fail("json object, key is 'shape', invalid shape value: too many elements");
  }
  if (IsText(type.dtype) && *element_count != 1) {
    Fail("json object, only support scalar when data type is string or bytes, please check 'type' or 'shape'");
  }
  const ByteSpan bytes = Decode(*fields.b64, memory);
  if (IsText(type.dtype)) {
    tensor.text_count = 1;
  } else {
    CheckNumberOfBytes(tensor, type, *element_count, bytes.size());
  }
  tensor.data = ByteRope(bytes);
  return tensor;
}

DType Base64Type(simdjson::dom::object object) {
  const auto type = FindLast(object, "type");
  return type ? TypeOf(*type).dtype : kDefaultType.dtype;
}

ByteSpan Base64Item(simdjson::dom::object object, std::pmr::memory_resource *memory) {
  const auto b64 = FindLast(object, "b64");
  if (!b64) {
    FailWithoutB64();
  }
  return Decode(*b64, memory);
}

}  // namespace mindspore::serving
