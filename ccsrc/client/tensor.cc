#include <cstring>
#include <type_traits>
#include <utility>

#include "client/contents.h"
#include "client/data_types.h"

namespace mindspore::serving::client {
namespace {

template <typename T>
constexpr DType DTypeOf() {
  if constexpr (std::is_floating_point_v<T>) {
    return sizeof(T) == sizeof(float) ? DType::kFloat32 : DType::kFloat64;
  } else if constexpr (sizeof(T) == 1) {
    return std::is_signed_v<T> ? DType::kInt8 : DType::kUint8;
  } else if constexpr (sizeof(T) == 2) {
    return std::is_signed_v<T> ? DType::kInt16 : DType::kUint16;
  } else if constexpr (sizeof(T) == 4) {
    return std::is_signed_v<T> ? DType::kInt32 : DType::kUint32;
  } else {
    return std::is_signed_v<T> ? DType::kInt64 : DType::kUint64;
  }
}

Status Wrong(std::string message) { return {INVALID_INPUTS, std::move(message)}; }

Status CheckDType(const TensorContent *content, DType dtype) {
  if (content == nullptr) {
    return Wrong("The tensor is not valid: its instance has no value of that name");
  }
  if (content->dtype != dtype) {
    return Wrong(std::string("The tensor's data type is ") + NameOf(FromWire(content->dtype)) + ", not " +
                 NameOf(FromWire(dtype)));
  }
  return SUCCESS;
}

/// The elements of a content that has been checked when it was decoded or set.
template <typename T>
Status CopyElements(const TensorContent *content, DType dtype, std::vector<T> *value) {
  Status status = CheckDType(content, dtype);
  if (status.IsSuccess()) {
    value->resize(content->data.size() / sizeof(T));
    if (!value->empty()) {
      std::memcpy(value->data(), content->data.data(), content->data.size());
    }
  }
  return status;
}

template <typename T>
Status CopyElements(const TensorContent *content, std::vector<T> *value) {
  return CopyElements(content, DTypeOf<T>(), value);
}

void Fill(TensorContent *content, DType dtype, const Shape &shape, const void *data, size_t size_bytes) {
  const auto *begin = static_cast<const std::byte *>(data);
  auto bytes = std::make_shared<const std::vector<std::byte>>(begin, begin + size_bytes);
  *content = {dtype, shape, *bytes, bytes};
}

Status SetText(TensorContent *content, DType dtype, const void *data, size_t size_bytes) {
  if (content == nullptr) {
    return Wrong("The tensor belongs to no instance");
  }
  Fill(content, dtype, Shape{1}, data, size_bytes);
  return SUCCESS;
}

Status SetElements(TensorContent *content, DType dtype, const std::vector<int64_t> &dims, const void *data,
                   size_t size_bytes) {
  if (content == nullptr) {
    return Wrong("The tensor belongs to no instance");
  }
  if (dims.size() > kMaxRank) {
    return Wrong("The shape has more than " + std::to_string(kMaxRank) + " dimensions");
  }
  const Shape shape(dims);
  const auto count = shape.ElementCount();
  const size_t element_bytes = ElementBytes(dtype);
  if (!count || size_bytes % element_bytes != 0 || size_bytes / element_bytes != *count) {
    return Wrong("The shape " + shape.ToString() + " does not fit " + std::to_string(size_bytes) + " bytes of " +
                 NameOf(FromWire(dtype)));
  }
  if (data == nullptr && size_bytes > 0) {
    return Wrong("The data is a null pointer");
  }
  Fill(content, dtype, shape, data, size_bytes);
  return SUCCESS;
}

template <typename T>
Status SetElements(TensorContent *content, const std::vector<int64_t> &dims, const std::vector<T> &value) {
  return SetElements(content, DTypeOf<T>(), dims, value.data(), value.size() * sizeof(T));
}

}  // namespace

Tensor::Tensor(std::shared_ptr<TensorContent> content) : content_(std::move(content)) {}

Status Tensor::GetBytesData(std::vector<uint8_t> *value) const {
  return CopyElements(content_.get(), DType::kBytes, value);
}

Status Tensor::GetStrData(std::string *value) const {
  Status status = CheckDType(content_.get(), DType::kString);
  if (status.IsSuccess()) {
    value->assign(reinterpret_cast<const char *>(content_->data.data()), content_->data.size());
  }
  return status;
}

Status Tensor::GetData(std::vector<bool> *value) const {
  std::vector<uint8_t> bytes;
  Status status = CopyElements(content_.get(), DType::kBool, &bytes);
  if (status.IsSuccess()) {
    value->assign(bytes.begin(), bytes.end());
  }
  return status;
}

Status Tensor::GetData(std::vector<uint8_t> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<uint16_t> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<uint32_t> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<uint64_t> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<int8_t> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<int16_t> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<int32_t> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<int64_t> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<float> *value) const { return CopyElements(content_.get(), value); }
Status Tensor::GetData(std::vector<double> *value) const { return CopyElements(content_.get(), value); }

Status Tensor::GetFp16Data(std::vector<uint16_t> *value) const {
  return CopyElements(content_.get(), DType::kFloat16, value);
}

DataType Tensor::GetDataType() const { return IsValid() ? FromWire(content_->dtype) : DT_UNKNOWN; }

std::vector<int64_t> Tensor::GetShape() const {
  if (!IsValid()) {
    return {};
  }
  const auto dims = content_->shape.dims();
  return {dims.begin(), dims.end()};
}

bool Tensor::IsValid() const { return content_ != nullptr; }

MutableTensor::MutableTensor(std::shared_ptr<TensorContent> content) : Tensor(std::move(content)) {}

Status MutableTensor::SetBytesData(const std::vector<uint8_t> &value) {
  return SetText(content_.get(), DType::kBytes, value.data(), value.size());
}

Status MutableTensor::SetStrData(const std::string &value) {
  if (!IsValidUtf8(value)) {
    return Wrong("The text is not valid UTF-8");
  }
  return SetText(content_.get(), DType::kString, value.data(), value.size());
}

using Dims = std::vector<int64_t>;

Status MutableTensor::SetData(const std::vector<bool> &value, const Dims &shape) {
  const std::vector<uint8_t> bytes(value.begin(), value.end());
  return SetElements(content_.get(), DType::kBool, shape, bytes.data(), bytes.size());
}

Status MutableTensor::SetData(const std::vector<uint8_t> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<uint16_t> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<uint32_t> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<uint64_t> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<int8_t> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<int16_t> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<int32_t> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<int64_t> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<float> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}
Status MutableTensor::SetData(const std::vector<double> &value, const Dims &shape) {
  return SetElements(content_.get(), shape, value);
}

Status MutableTensor::SetData(const void *data, size_t data_bytes_len, const Dims &shape, DataType data_type) {
  const DType dtype = ToWire(data_type);
  if (!IsNumeric(dtype)) {
    return Wrong(std::string("The data type should be one of a number, but actually ") + NameOf(data_type));
  }
  return SetElements(content_.get(), dtype, shape, data, data_bytes_len);
}

}  // namespace mindspore::serving::client
