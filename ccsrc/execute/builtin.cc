#include "execute/builtin.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace mindspore::serving {
namespace {

class Buffer : public Owner {
 public:
  explicit Buffer(size_t size_bytes) : bytes_(size_bytes) {}
  std::byte *data() { return bytes_.data(); }

 private:
  std::vector<std::byte> bytes_;
};

template <typename T>
int64_t FirstLargest(const Value &value) {
  const auto *begin = reinterpret_cast<const T *>(value.data);
  const auto *end = begin + value.size_bytes / sizeof(T);
  return std::max_element(begin, end) - begin;
}

int64_t FirstLargest(const Value &value) {
  switch (value.dtype) {
    case DType::kInt8:
      return FirstLargest<int8_t>(value);
    case DType::kUint8:
      return FirstLargest<uint8_t>(value);
    case DType::kInt16:
      return FirstLargest<int16_t>(value);
    case DType::kUint16:
      return FirstLargest<uint16_t>(value);
    case DType::kInt32:
      return FirstLargest<int32_t>(value);
    case DType::kUint32:
      return FirstLargest<uint32_t>(value);
    case DType::kInt64:
      return FirstLargest<int64_t>(value);
    case DType::kUint64:
      return FirstLargest<uint64_t>(value);
    case DType::kFloat32:
      return FirstLargest<float>(value);
    case DType::kFloat64:
      return FirstLargest<double>(value);
    default:
      throw ServingError(MakeError(ErrorKind::kStageFailed, ErrorCode::kFailed,
                                   "Argmax not support data type " + std::string(Name(value.dtype))));
  }
}

}  // namespace

BuiltinFunction FindBuiltin(std::string_view name) { return name == "argmax_cpp" ? &ArgMax : nullptr; }

Value MakeValue(DType dtype, const Shape &shape, uint64_t size_bytes) {
  auto buffer = std::make_shared<Buffer>(size_bytes);
  std::byte *data = buffer->data();
  return Value{dtype, shape, data, size_bytes, false, std::move(buffer)};
}

Value ArgMax(std::span<const Value *const> inputs) {
  const Value &input = *inputs.front();
  if (IsNumeric(input.dtype) && input.size_bytes == 0) {
    throw ServingError(MakeError(ErrorKind::kStageFailed, ErrorCode::kFailed, "Argmax of an empty tensor"));
  }
  const int64_t index = FirstLargest(input);
  Value output = MakeValue(DType::kInt64, Shape{}, sizeof(index));
  std::memcpy(output.data, &index, sizeof(index));
  return output;
}

}  // namespace mindspore::serving
