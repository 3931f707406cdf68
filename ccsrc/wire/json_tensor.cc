#include "wire/json_tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "wire/json_base64.h"

namespace mindspore::serving {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;

[[noreturn]] void Fail(std::string_view text) { throw ServingError(ErrorKind::kBadInput, text); }

// What a JSON value can be an element of.
DType LeafType(element value) {
  switch (value.type()) {
    case element_type::INT64:
    case element_type::UINT64:
      return DType::kInt32;
    case element_type::DOUBLE:
      return DType::kFloat32;
    case element_type::BOOL:
      return DType::kBool;
    case element_type::STRING:
      return DType::kString;
    default:
      return DType::kUnknown;
  }
}

int32_t ToInt32(element value) {
  int64_t number = 0;
  if (value.get(number) || number != static_cast<int32_t>(number)) {
    Fail("json integer does not fit int32, send it as base64 with a type, such as {\"b64\": .., \"type\": \"int64\"}");
  }
  return static_cast<int32_t>(number);
}

float ToFloat32(element value) {
  double number = 0;
  const bool failed = value.get(number);
  // Whether it fits is a question of rounding: texts just above the largest float32 still mean it.
  const auto narrowed = static_cast<float>(number);
  if (failed || std::isinf(narrowed)) {
    Fail(
      "json number does not fit float32, send it as base64 with a type, such as {\"b64\": .., \"type\": \"float64\"}");
  }
  return narrowed;
}

bool ToBool(element value) {
  bool flag = false;
  return !value.get(flag) && flag;
}

ByteSpan CopyText(element value, std::pmr::memory_resource *memory) {
  std::string_view text;
  if (value.get(text) || !IsValidUtf8(text)) {
    Fail("json string is not valid UTF-8");
  }
  auto *bytes = static_cast<std::byte *>(memory->allocate(text.size(), 1));
  std::copy_n(reinterpret_cast<const std::byte *>(text.data()), text.size(), bytes);
  return {bytes, text.size()};
}

size_t SizeOf(array values) {
  constexpr size_t kSaturated = 0xFFFFFF;  // what simdjson reports for this size and every larger one
  size_t size = values.size();
  if (size == kSaturated) {
    size = 0;
    for ([[maybe_unused]] element value : values) {
      ++size;
    }
  }
  return size;
}

[[noreturn]] void FailLeaf(element leaf) {
  if (leaf.is_array() || leaf.is_object() || leaf.is_null()) {
    Fail("json array, data should be number, bool, string or bytes");
  }
  Fail("json array, elements type is not equal");
}

/// Reads nested lists of one type of leaf into one buffer in C order.
template <typename T, typename ToNumber>
class NestedListReader {
 public:
  NestedListReader(const Shape &shape, DType dtype, ToNumber to_number, T *to)
      : shape_(shape), dtype_(dtype), to_number_(to_number), to_(to) {}

  void Read(array values, size_t axis) {
    const auto expected = static_cast<size_t>(shape_[axis]);
    const size_t size = SizeOf(values);
    if (size != expected) {
      Fail("invalid json array: json size is " + std::to_string(size) + ", the dim " + std::to_string(axis) +
           " expected to be " + std::to_string(expected));
    }
    if (axis + 1 == shape_.rank()) {
      return ReadLeaves(values);
    }
    for (element value : values) {
      array inner;
      if (value.get(inner)) {
        Fail("invalid json array: json type is not array");
      }
      Read(inner, axis + 1);
    }
  }

 private:
  void ReadLeaves(array leaves) {
    for (element leaf : leaves) {
      if (LeafType(leaf) != dtype_) {
        FailLeaf(leaf);
      }
      *to_++ = to_number_(leaf);
    }
  }

  const Shape &shape_;
  DType dtype_;
  ToNumber to_number_;
  T *to_;
};

template <typename ToNumber>
ByteSpan ReadNestedLists(array values, const InputTensor &tensor, ToNumber to_number, size_t body_bytes,
                         std::pmr::memory_resource *memory) {
  using T = std::invoke_result_t<ToNumber, element>;
  // A ragged array may promise any number of elements; those that are there take two bytes of text or more.
  const auto count = std::min<uint64_t>(tensor.shape.ElementCount().value_or(body_bytes), body_bytes);
  auto *numbers = static_cast<T *>(memory->allocate(count * sizeof(T), alignof(std::max_align_t)));
  NestedListReader<T, ToNumber>(tensor.shape, tensor.dtype, to_number, numbers).Read(values, 0);
  return std::as_bytes(std::span(numbers, count));
}

// The sizes along the first elements down to the first value that is no array; `leaf` is that value.
Shape ShapeOf(array values, element *leaf) {
  Shape shape;
  while (true) {
    if (!shape.Append(static_cast<int64_t>(SizeOf(values)))) {
      Fail("json array, more than " + std::to_string(kMaxRank) + " dimensions");
    }
    const auto first = values.begin();
    if (!(first != values.end())) {
      Fail(shape.rank() == 1 ? "json array, shape is empty" : "json array, data type is unknown");
    }
    *leaf = *first;
    if ((*first).get(values)) {
      return shape;
    }
  }
}

InputTensor TensorOfType(DType dtype) {
  InputTensor tensor;
  tensor.dtype = dtype;
  tensor.wire_dtype = static_cast<int32_t>(dtype);
  tensor.text_count = IsText(dtype) ? 1 : 0;
  return tensor;
}

InputTensor ArrayTensor(array values, size_t body_bytes, std::pmr::memory_resource *memory) {
  element leaf;
  const Shape shape = ShapeOf(values, &leaf);
  simdjson::dom::object object;
  const bool is_object = !leaf.get(object);
  InputTensor tensor = TensorOfType(is_object ? Base64Type(object) : LeafType(leaf));
  tensor.shape = shape;
  if (tensor.dtype == DType::kUnknown) {
    Fail("json array, data type is unknown");
  }
  if (IsText(tensor.dtype)) {
    if (shape.ElementCount() != 1) {
      Fail("json array, string or bytes type only support one item");
    }
    tensor.data = ByteRope(is_object ? Base64Item(object, memory) : CopyText(leaf, memory));
  } else if (is_object) {
    Fail("json array, object only support string or bytes type");
  } else if (tensor.dtype == DType::kInt32) {
    tensor.data = ByteRope(ReadNestedLists(values, tensor, ToInt32, body_bytes, memory));
  } else if (tensor.dtype == DType::kFloat32) {
    tensor.data = ByteRope(ReadNestedLists(values, tensor, ToFloat32, body_bytes, memory));
  } else {
    tensor.data = ByteRope(ReadNestedLists(values, tensor, ToBool, body_bytes, memory));
  }
  return tensor;
}

template <typename T>
ByteSpan CopyNumber(T number, std::pmr::memory_resource *memory) {
  auto *bytes = static_cast<std::byte *>(memory->allocate(sizeof(T), alignof(T)));
  std::memcpy(bytes, &number, sizeof(T));
  return {bytes, sizeof(T)};
}

InputTensor ScalarTensor(element value, std::pmr::memory_resource *memory) {
  InputTensor tensor = TensorOfType(LeafType(value));
  switch (tensor.dtype) {
    case DType::kInt32:
      tensor.data = ByteRope(CopyNumber(ToInt32(value), memory));
      return tensor;
    case DType::kFloat32:
      tensor.data = ByteRope(CopyNumber(ToFloat32(value), memory));
      return tensor;
    case DType::kBool:
      tensor.data = ByteRope(CopyNumber(ToBool(value), memory));
      return tensor;
    case DType::kString:
      tensor.data = ByteRope(CopyText(value, memory));
      return tensor;
    default:
      Fail("json value is null, it is not supported");
  }
}

}  // namespace

std::vector<JsonField> JsonFields(simdjson::dom::object object) {
  std::vector<JsonField> fields;
  fields.reserve(object.size());
  for (auto field : object) {
    fields.push_back({field.key, field.value});
  }
  const auto out_of_order = [](const JsonField &a, const JsonField &b) { return a.name >= b.name; };
  if (std::ranges::adjacent_find(fields, out_of_order) == fields.end()) {
    return fields;
  }
  // Backwards, a stable sort puts the last of equal names first, which is the one that stays.
  std::ranges::reverse(fields);
  std::ranges::stable_sort(fields, std::less<>(), &JsonField::name);
  const auto same_name = [](const JsonField &a, const JsonField &b) { return a.name == b.name; };
  fields.erase(std::unique(fields.begin(), fields.end(), same_name), fields.end());
  return fields;
}

InputTensor JsonTensor(element value, size_t body_bytes, std::pmr::memory_resource *memory) {
  array values;
  if (!value.get(values)) {
    return ArrayTensor(values, body_bytes, memory);
  }
  simdjson::dom::object object;
  if (!value.get(object)) {
    return Base64Tensor(object, memory);
  }
  return ScalarTensor(value, memory);
}

}  // namespace mindspore::serving
