#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/error.h"
#include "fuzz_input.h"
#include "wire/protobuf_codec.h"
#include "wire/reply.h"

namespace mindspore::serving {

/// A reply made from a fuzzer's input: any dtypes, shapes, data, errors. What the product guarantees holds: names, error
/// texts and strings are UTF-8, and names within one instance differ.
class AnyReply {
 public:
  explicit AnyReply(FuzzInput input) : input_(input) {
    constexpr size_t kMaxInstances = 4;
    reply.servable = AnyText();
    reply.method = AnyText();
    reply.version = input_.Number<uint64_t>();
    if (input_.Below(8) == 0) {
      reply.error = AnyError();
    }
    reply.instances.resize(input_.Below(kMaxInstances + 1));
    for (InstanceResult &instance : reply.instances) {
      FillInstance(&instance);
    }
  }

  Reply reply;

 private:
  std::string AnyText() { return LimitUtf8(input_.Text(40), 60); }

  Error AnyError() {
    const auto kind = static_cast<ErrorKind>(1 + input_.Below(static_cast<size_t>(ErrorKind::kInternal)));
    const auto code = static_cast<ErrorCode>(1 + input_.Below(static_cast<size_t>(ErrorCode::kServableUnavailable)));
    return MakeError(kind, code, input_.Text(40));
  }

  void FillInstance(InstanceResult *instance) {
    constexpr size_t kMaxOutputs = 4;
    if (input_.Below(4) == 0) {
      instance->error = AnyError();
    }
    for (size_t count = input_.Below(kMaxOutputs + 1); count > 0; --count) {
      OutputTensor &tensor = instance->outputs.emplace_back();
      auto name = std::make_shared<std::string>(AnyText() + std::to_string(count));
      tensor.name = *name;
      names_.push_back(std::move(name));
      FillTensor(&tensor);
    }
  }

  void FillTensor(OutputTensor *tensor) {
    tensor->dtype = static_cast<DType>(input_.Below(kDTypeCount));
    for (size_t rank = input_.Below(5); rank > 0; --rank) {
      (void)tensor->shape.Append(AnyDim());
    }
    std::vector<std::byte> data;
    if (tensor->dtype == DType::kString) {
      const std::string text = AnyText();
      data.assign(std::as_bytes(std::span(text)).begin(), std::as_bytes(std::span(text)).end());
    } else {
      data.resize(DataBytes(*tensor));
      std::ranges::copy(input_.Bytes(data.size()), data.begin());
    }
    auto owned = std::make_shared<ExactCopy>(data);
    tensor->data = owned->bytes();
    tensor->owner = std::move(owned);
  }

  int64_t AnyDim() {
    constexpr std::array<int64_t, 4> kOdd = {-1, INT64_MAX, INT64_MIN, int64_t{1} << 32};
    const size_t dim = input_.Below(32);
    return dim < kOdd.size() && input_.Flag() ? kOdd[dim] : static_cast<int64_t>(dim % 8);
  }

  // Mostly what the shape asks for; sometimes another size, or one that is sent in place.
  size_t DataBytes(const OutputTensor &tensor) {
    constexpr size_t kMostBytes = 1 << 16;
    switch (input_.Below(8)) {
      case 0:
        return input_.Below(100);
      case 1:
        return kInPlaceBytes - 8 + input_.Below(16);
      default:
        return std::min(tensor.shape.ElementCount().value_or(0) * std::max<size_t>(1, ElementBytes(tensor.dtype)),
                        kMostBytes);
    }
  }

  FuzzInput input_;
  std::vector<std::shared_ptr<const std::string>> names_;
};

}  // namespace mindspore::serving
