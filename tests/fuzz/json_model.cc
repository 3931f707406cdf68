#include "json_model.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <map>

#include "tensor/shape.h"
#include "wire/base64.h"

namespace mindspore::serving {
namespace {

using Type = JsonValue::Type;

struct Refused {};

void Require(bool condition) {
  if (!condition) {
    throw Refused{};
  }
}

template <typename T>
void AppendBytes(T value, std::string *data) {
  data->append(reinterpret_cast<const char *>(&value), sizeof(value));
}

int64_t Integer(const JsonValue &value, int64_t least, int64_t most) {
  Require(value.IsInteger());
  errno = 0;
  const int64_t number = std::strtoll(value.text.c_str(), nullptr, 10);
  Require(errno == 0 && number >= least && number <= most);
  return number;
}

DType LeafType(const JsonValue &value) {
  switch (value.type) {
    case Type::kBool:
      return DType::kBool;
    case Type::kString:
      return DType::kString;
    case Type::kNumber:
      return value.IsInteger() ? DType::kInt32 : DType::kFloat32;
    default:
      throw Refused{};
  }
}

void AppendLeaf(const JsonValue &value, DType dtype, std::string *data) {
  Require(LeafType(value) == dtype);
  if (dtype == DType::kBool) {
    AppendBytes(value.flag, data);
  } else if (dtype == DType::kString) {
    data->append(value.text);
  } else if (dtype == DType::kInt32) {
    AppendBytes(static_cast<int32_t>(Integer(value, INT32_MIN, INT32_MAX)), data);
  } else {
    const auto number = static_cast<float>(std::strtod(value.text.c_str(), nullptr));
    Require(std::isfinite(number));
    AppendBytes(number, data);
  }
}

std::string Decoded(const JsonValue *value) {
  Require(value != nullptr && value->is(Type::kString));
  const auto size = DecodedBase64Bytes(value->text);
  Require(size.has_value());
  std::string bytes(*size, '\0');
  Require(DecodeBase64(value->text, reinterpret_cast<std::byte *>(bytes.data())));
  return bytes;
}

DType TypeOf(const JsonValue *value) {
  static const std::map<std::string, DType> kNames = {
    {"int8", DType::kInt8},       {"int16", DType::kInt16},   {"int32", DType::kInt32},
    {"int64", DType::kInt64},     {"uint8", DType::kUint8},   {"uint16", DType::kUint16},
    {"uint32", DType::kUint32},   {"uint64", DType::kUint64}, {"fp16", DType::kFloat16},
    {"fp32", DType::kFloat32},    {"fp64", DType::kFloat64},  {"float16", DType::kFloat16},
    {"float32", DType::kFloat32}, {"bool", DType::kBool},     {"float64", DType::kFloat64},
    {"str", DType::kString},      {"bytes", DType::kBytes},
  };
  if (value == nullptr) {
    return DType::kBytes;
  }
  Require(value->is(Type::kString) && kNames.contains(value->text));
  return kNames.at(value->text);
}

std::vector<int64_t> ShapeOf(const JsonValue *value) {
  std::vector<int64_t> shape;
  if (value == nullptr) {
    return shape;
  }
  Require(value->is(Type::kArray) && value->items.size() <= kMaxRank);
  for (const JsonValue &item : value->items) {
    Require(shape.empty() || shape.back() != 0);
    shape.push_back(Integer(item, 0, INT64_MAX));
  }
  return shape;
}

ModelTensor Base64(const JsonValue &object) {
  for (const auto &key : object.names) {
    Require(key == "b64" || key == "type" || key == "shape");
  }
  ModelTensor tensor;
  tensor.dtype = TypeOf(object.Find("type"));
  tensor.shape = ShapeOf(object.Find("shape"));
  tensor.data = Decoded(object.Find("b64"));
  const auto count = Shape(tensor.shape).ElementCount();
  Require(count.has_value());
  if (IsText(tensor.dtype)) {
    Require(*count == 1);
  } else {
    const size_t element_bytes = ElementBytes(tensor.dtype);
    Require(tensor.data.size() % element_bytes == 0 && tensor.data.size() / element_bytes == *count);
  }
  return tensor;
}

void AppendLists(const JsonValue &value, const ModelTensor &tensor, size_t axis, std::string *data) {
  if (axis == tensor.shape.size()) {
    return AppendLeaf(value, tensor.dtype, data);
  }
  Require(value.is(Type::kArray) && static_cast<int64_t>(value.items.size()) == tensor.shape[axis]);
  for (const JsonValue &item : value.items) {
    AppendLists(item, tensor, axis + 1, data);
  }
}

ModelTensor Array(const JsonValue &value) {
  ModelTensor tensor;
  const JsonValue *leaf = &value;
  bool one_item = true;
  for (; leaf->is(Type::kArray); leaf = &leaf->items.front()) {
    Require(!leaf->items.empty());
    tensor.shape.push_back(static_cast<int64_t>(leaf->items.size()));
    one_item = one_item && leaf->items.size() == 1;
  }
  Require(tensor.shape.size() <= kMaxRank);
  if (leaf->is(Type::kObject)) {
    tensor.dtype = TypeOf(leaf->Find("type"));
    Require(IsText(tensor.dtype) && one_item);
    tensor.data = Decoded(leaf->Find("b64"));
    return tensor;
  }
  tensor.dtype = LeafType(*leaf);
  Require(one_item || !IsText(tensor.dtype));
  AppendLists(value, tensor, 0, &tensor.data);
  return tensor;
}

ModelTensor Tensor(const JsonValue &value) {
  if (value.is(Type::kArray)) {
    return Array(value);
  }
  if (value.is(Type::kObject)) {
    return Base64(value);
  }
  ModelTensor tensor;
  tensor.dtype = LeafType(value);
  AppendLeaf(value, tensor.dtype, &tensor.data);
  return tensor;
}

ModelInstance Instance(const JsonValue &object, const RequestLimits &limits) {
  Require(object.is(Type::kObject) && !object.items.empty());
  std::map<std::string, const JsonValue *> values;
  for (size_t i = 0; i < object.items.size(); ++i) {
    Require(!object.names[i].empty());
    values[object.names[i]] = &object.items[i];  // the last of that name
  }
  ModelInstance instance;
  for (const auto &[name, value] : values) {
    Require(name.size() <= limits.max_name_bytes);
    instance.push_back(Tensor(*value));
    instance.back().name = name;
  }
  return instance;
}

}  // namespace

std::optional<std::vector<ModelInstance>> ModelRequest(const JsonValue &body, const RequestLimits &limits) {
  try {
    const JsonValue *instances = body.Find("instances");
    Require(instances != nullptr);
    std::vector<ModelInstance> request;
    if (instances->is(Type::kObject)) {
      request.push_back(Instance(*instances, limits));
    } else {
      Require(instances->is(Type::kArray) && !instances->items.empty());
      for (const JsonValue &item : instances->items) {
        request.push_back(Instance(item, limits));
      }
    }
    Require(request.size() <= limits.max_instances);
    return request;
  } catch (const Refused &) {
    return std::nullopt;
  }
}

}  // namespace mindspore::serving
