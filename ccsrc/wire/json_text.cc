#include "wire/json_text.h"

#include <cstring>

#include "base/error.h"
#include "wire/base64.h"
#include "wire/number_text.h"

namespace mindspore::serving {
namespace {

// A shape such as [10**9, 0] has no data but as many empty lists.
constexpr uint64_t kMaxEmptyLists = uint64_t{1} << 22;

[[noreturn]] void Fail(const OutputTensor &tensor, std::string_view reason) {
  throw ServingError(ErrorKind::kInternal, "Failed to construct the response: output '" + std::string(tensor.name) +
                                             "': " + std::string(reason));
}

void AppendEscaped(char c, std::string *json) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  constexpr std::string_view kShort = "\"\"\\\\\bb\ff\nn\rr\tt";  // pairs of a character and its escape
  for (size_t i = 0; i < kShort.size(); i += 2) {
    if (kShort[i] == c) {
      json->push_back('\\');
      json->push_back(kShort[i + 1]);
      return;
    }
  }
  json->append("\\u00");
  json->push_back(kHexDigits[static_cast<uint8_t>(c) >> 4]);
  json->push_back(kHexDigits[static_cast<uint8_t>(c) & 0xF]);
}

template <typename T>
T Load(const std::byte *from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
void AppendElement(const std::byte *from, std::string *json) {
  if constexpr (std::is_floating_point_v<T>) {
    AppendNumber(static_cast<double>(Load<T>(from)), json);
  } else if constexpr (std::is_signed_v<T>) {
    AppendNumber(static_cast<int64_t>(Load<T>(from)), json);
  } else {
    AppendNumber(static_cast<uint64_t>(Load<T>(from)), json);
  }
}

void AppendBool(const std::byte *from, std::string *json) { json->append(Load<uint8_t>(from) != 0 ? "true" : "false"); }

void AppendHalf(const std::byte *from, std::string *json) { AppendNumber(HalfToDouble(Load<uint16_t>(from)), json); }

/// Writes nested lists of elements of `kElementBytes` each, which lie in C order.
template <size_t kElementBytes, typename AppendElement>
class NestedListWriter {
 public:
  NestedListWriter(const OutputTensor &tensor, AppendElement append, std::string *json)
      : dims_(tensor.shape.dims()), from_(tensor.data.data()), append_(append), json_(json) {}

  void Write(size_t axis) {
    if (axis == dims_.size()) {
      append_(from_, json_);
      from_ += kElementBytes;
      return;
    }
    json_->push_back('[');
    for (int64_t i = 0; i < dims_[axis]; ++i) {
      if (i > 0) {
        json_->push_back(',');
      }
      Write(axis + 1);
    }
    json_->push_back(']');
  }

 private:
  std::span<const int64_t> dims_;
  const std::byte *from_;
  AppendElement append_;
  std::string *json_;
};

template <size_t kElementBytes, typename AppendElement>
void AppendNumbers(const OutputTensor &tensor, AppendElement append, std::string *json) {
  NestedListWriter<kElementBytes, AppendElement>(tensor, append, json).Write(0);
}

template <typename T>
void AppendNumbers(const OutputTensor &tensor, std::string *json) {
  AppendNumbers<sizeof(T)>(tensor, AppendElement<T>, json);
}

void CheckNumbers(const OutputTensor &tensor) {
  const auto count = tensor.shape.ElementCount();
  const size_t element_bytes = ElementBytes(tensor.dtype);
  if (!count || *count > tensor.data.size() || *count * element_bytes != tensor.data.size()) {
    Fail(tensor, "the shape " + tensor.shape.ToString() + " does not match its data of " +
                   std::to_string(tensor.data.size()) + " bytes");
  }
  uint64_t lists = *count == 0 ? 1 : 0;
  for (int64_t dim : tensor.shape.dims()) {
    if (lists == 0) {
      break;
    }
    lists *= static_cast<uint64_t>(dim);
    if (lists > kMaxEmptyLists) {
      Fail(tensor, "the shape " + tensor.shape.ToString() + " has too many empty lists");
    }
  }
}

void AppendText(const OutputTensor &tensor, std::string *json) {
  const size_t rank = tensor.shape.rank();
  if (rank > 1 || (rank == 1 && tensor.shape[0] != 1)) {
    Fail(tensor, "string or bytes shape should be 1, but it is " + tensor.shape.ToString());
  }
  json->append(rank == 1 ? "[" : "");
  if (tensor.dtype == DType::kString) {
    AppendJsonString({reinterpret_cast<const char *>(tensor.data.data()), tensor.data.size()}, json);
  } else {
    json->append("{\"b64\":\"");
    AppendBase64(tensor.data, json);
    json->append("\"}");
  }
  json->append(rank == 1 ? "]" : "");
}

}  // namespace

void AppendJsonString(std::string_view text, std::string *json) {
  json->push_back('"');
  size_t plain = 0;  // start of what is not written yet
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\' || static_cast<uint8_t>(c) < 0x20) {
      json->append(text.substr(plain, i - plain));
      AppendEscaped(c, json);
      plain = i + 1;
    }
  }
  json->append(text.substr(plain));
  json->push_back('"');
}

void AppendJsonTensor(const OutputTensor &tensor, std::string *json) {
  if (IsText(tensor.dtype)) {
    return AppendText(tensor, json);
  }
  if (!IsNumeric(tensor.dtype)) {
    Fail(tensor, "its data type is unknown");
  }
  CheckNumbers(tensor);
  switch (tensor.dtype) {
    case DType::kBool:
      return AppendNumbers<1>(tensor, AppendBool, json);
    case DType::kInt8:
      return AppendNumbers<int8_t>(tensor, json);
    case DType::kUint8:
      return AppendNumbers<uint8_t>(tensor, json);
    case DType::kInt16:
      return AppendNumbers<int16_t>(tensor, json);
    case DType::kUint16:
      return AppendNumbers<uint16_t>(tensor, json);
    case DType::kInt32:
      return AppendNumbers<int32_t>(tensor, json);
    case DType::kUint32:
      return AppendNumbers<uint32_t>(tensor, json);
    case DType::kInt64:
      return AppendNumbers<int64_t>(tensor, json);
    case DType::kUint64:
      return AppendNumbers<uint64_t>(tensor, json);
    case DType::kFloat16:
      return AppendNumbers<2>(tensor, AppendHalf, json);
    case DType::kFloat32:
      return AppendNumbers<float>(tensor, json);
    default:
      return AppendNumbers<double>(tensor, json);
  }
}

}  // namespace mindspore::serving
