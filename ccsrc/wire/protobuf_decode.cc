#include <algorithm>
#include <utility>

#include "base/error.h"
#include "wire/protobuf_codec.h"
#include "wire/wire_reader.h"

namespace mindspore::serving {
namespace {

/// An entry of Instance.items while it is read: fields may come in any order and more than once.
struct PendingItem {
  InputTensor tensor;
  ByteRope text;  // the last bytes_val; which of it and `tensor.data` counts is known when the dtype is
  bool too_many_dims = false;
};

class PredictRequestDecoder {
 public:
  PredictRequestDecoder(std::span<const ByteSpan> pieces, const RequestLimits &limits, Request *request)
      : reader_(pieces, request->memory(), "The request is not a PredictRequest message"),
        limits_(limits),
        request_(*request) {}

  void Decode() {
    reader_.ReadFields([this](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          ReadServableSpec();
          return true;
        case LengthKey(2):
          ReadInstance();
          return true;
        default:
          return false;
      }
    });
  }

 private:
  void ReadServableSpec() {
    reader_.ReadMessage([this](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          request_.servable = ReadName("the servable's name");
          return true;
        case LengthKey(2):
          request_.method = ReadName("the method's name");
          return true;
        case NumberKey(3):
          request_.version = reader_.ReadVarint();
          return true;
        default:
          return false;
      }
    });
  }

  std::string_view ReadName(std::string_view what) {
    const std::string_view name = reader_.ReadText(what);
    CheckName(what, name, limits_);
    return name;
  }

  void ReadInstance() {
    auto &instances = request_.instances;
    CheckInstanceCount(instances.size() + 1, limits_);
    // Instances of a request are mostly alike.
    const size_t likely_items = instances.empty() ? 2 : instances.back().items.size();
    instances.push_back(InputInstance{std::pmr::vector<InputTensor>(request_.memory())});
    InputInstance &instance = instances.back();
    reader_.ReadMessage([&](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          if (instance.items.empty()) {
            instance.items.reserve(std::clamp<size_t>(likely_items, 1, kMaxReservedItems));
          }
          ReadItem(&instance);
          return true;
        case LengthKey(2):
          ReadOutputBuffer();
          instance.has_output_buffers = true;
          return true;
        default:
          return false;
      }
    });
  }

  void ReadItem(InputInstance *instance) {
    if (++tensor_count_ > kMaxTensors) {
      throw ServingError(ErrorKind::kTooLarge, "The request has more than " + std::to_string(kMaxTensors) + " tensors");
    }
    PendingItem item;
    reader_.ReadMessage([&](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          item.tensor.name = ReadName("the name of an input");
          return true;
        case LengthKey(2):
          ReadTensor(&item);
          return true;
        default:
          return false;
      }
    });
    if (item.too_many_dims) {
      throw ServingError(ErrorKind::kBadInput, "Instances input " + std::string(item.tensor.name) +
                                                 " check failed, detail: the shape has more than " +
                                                 std::to_string(kMaxRank) + " dimensions");
    }
    if (IsText(item.tensor.dtype)) {
      item.tensor.data = item.text;
    }
    instance->items.push_back(item.tensor);
  }

  void ReadTensor(PendingItem *item) {
    InputTensor &tensor = item->tensor;
    reader_.ReadMessage([&](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          ReadShape(item);
          return true;
        case NumberKey(2):
          SetDType(static_cast<int32_t>(reader_.ReadVarint()), &tensor);
          return true;
        case LengthKey(3):
          tensor.data = reader_.ReadRope();
          tensor.has_shm_data = false;  // one of the two: the last one sent
          return true;
        case LengthKey(4):
          item->text = reader_.ReadRope();
          ++tensor.text_count;
          return true;
        case LengthKey(5):
          ReadShmData();
          tensor.data = {};
          tensor.has_shm_data = true;
          return true;
        default:
          return false;
      }
    });
  }

  static void SetDType(int32_t number, InputTensor *tensor) {
    tensor->wire_dtype = number;
    tensor->dtype = number > 0 && number < kDTypeCount ? static_cast<DType>(number) : DType::kUnknown;
  }

  void ReadShape(PendingItem *item) {
    auto take = [item](uint64_t dim) { item->too_many_dims |= !item->tensor.shape.Append(static_cast<int64_t>(dim)); };
    reader_.ReadMessage([&](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          reader_.ReadPackedVarints(take);
          return true;
        case NumberKey(1):
          take(reader_.ReadVarint());
          return true;
        default:
          return false;
      }
    });
  }

  // The rest of shared-memory fields is of no use, since they are refused; but the bytes must be well formed.
  void ReadShmData() {
    reader_.ReadMessage([this](uint32_t key) {
      if (key != LengthKey(1)) {
        return false;
      }
      reader_.ReadText("a memory key");
      return true;
    });
  }

  void ReadOutputBuffer() {
    reader_.ReadMessage([this](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          reader_.ReadText("the name of an output buffer");
          return true;
        case LengthKey(2):
          ReadShmData();
          return true;
        default:
          return false;
      }
    });
  }

  static constexpr size_t kMaxReservedItems = 16;

  WireReader reader_;
  const RequestLimits &limits_;
  Request &request_;
  size_t tensor_count_ = 0;
};

}  // namespace

std::unique_ptr<Request> DecodePredictRequest(std::span<const ByteSpan> pieces, std::shared_ptr<const void> message,
                                              const RequestLimits &limits) {
  auto request = std::make_unique<Request>(std::move(message));
  PredictRequestDecoder(pieces, limits, request.get()).Decode();
  return request;
}

}  // namespace mindspore::serving
