#include <memory_resource>
#include <utility>

#include "base/error.h"
#include "wire/client_codec.h"
#include "wire/wire_reader.h"

namespace mindspore::serving {
namespace {

[[noreturn]] void Fail(const std::string &reason) {
  throw ServingError(ErrorKind::kBadInput, "The server's reply makes no sense: " + reason);
}

std::string_view Text(ByteSpan bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }

class PredictReplyDecoder {
 public:
  PredictReplyDecoder(ByteSpan message, const std::shared_ptr<const void> &owner)
      : message_(message),
        owner_(owner),
        reader_({&message_, 1}, &memory_, "The server's reply is not a PredictReply message") {}

  Reply Decode() {
    reader_.ReadFields([this](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          ReadServableSpec();
          return true;
        case LengthKey(3):
          ReadInstance();
          return true;
        case LengthKey(4):
          ReadError();
          return true;
        default:
          return false;
      }
    });
    PlaceErrors();
    return std::move(reply_);
  }

 private:
  void ReadServableSpec() {
    reader_.ReadMessage([this](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          reply_.servable = reader_.ReadText("the servable's name");
          return true;
        case LengthKey(2):
          reply_.method = reader_.ReadText("the method's name");
          return true;
        case NumberKey(3):
          reply_.version = reader_.ReadVarint();
          return true;
        default:
          return false;
      }
    });
  }

  void ReadInstance() {
    InstanceResult instance;
    reader_.ReadMessage([&](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          instance.outputs.push_back(ReadItem());
          return true;
        case LengthKey(2):
          Fail("it names shared memory");
        default:
          return false;
      }
    });
    reply_.instances.push_back(std::move(instance));
  }

  OutputTensor ReadItem() {
    OutputTensor tensor;
    tensor.owner = owner_;
    text_ = {};
    text_count_ = 0;
    reader_.ReadMessage([&](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          tensor.name = reader_.ReadText("the name of an output");
          return true;
        case LengthKey(2):
          ReadTensor(&tensor);
          return true;
        default:
          return false;
      }
    });
    Check(&tensor);
    return tensor;
  }

  void ReadTensor(OutputTensor *tensor) {
    reader_.ReadMessage([&](uint32_t key) {
      switch (key) {
        case LengthKey(1):
          ReadShape(&tensor->shape);
          return true;
        case NumberKey(2): {
          const auto number = static_cast<int32_t>(reader_.ReadVarint());
          tensor->dtype = number > 0 && number < kDTypeCount ? static_cast<DType>(number) : DType::kUnknown;
          return true;
        }
        case LengthKey(3):
          tensor->data = reader_.ReadRope().bytes();
          return true;
        case LengthKey(4):
          text_ = reader_.ReadRope().bytes();
          ++text_count_;
          return true;
        case LengthKey(5):
          Fail("it names shared memory");
        default:
          return false;
      }
    });
  }

  void ReadShape(Shape *shape) {
    const auto take = [shape](uint64_t dim) {
      if (!shape->Append(static_cast<int64_t>(dim))) {
        Fail("a shape has more than " + std::to_string(kMaxRank) + " dimensions");
      }
    };
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

  void Check(OutputTensor *tensor) const {
    const std::string name(tensor->name);
    if (IsText(tensor->dtype)) {
      tensor->data = text_;
      if (text_count_ != 1) {
        Fail("output " + name + " has " + std::to_string(text_count_) + " texts");
      }
      if (tensor->dtype == DType::kString && !IsValidUtf8(Text(text_))) {
        Fail("output " + name + " is not valid UTF-8");
      }
      return;
    }
    const size_t element_bytes = ElementBytes(tensor->dtype);
    if (element_bytes == 0) {
      Fail("output " + name + " has no known data type");
    }
    const auto count = tensor->shape.ElementCount();
    if (!count || tensor->data.size() % element_bytes != 0 || tensor->data.size() / element_bytes != *count) {
      Fail("output " + name + " has " + std::to_string(tensor->data.size()) + " bytes for the shape " +
           tensor->shape.ToString() + " of " + std::string(Name(tensor->dtype)));
    }
  }

  void ReadError() {
    Error error;
    int64_t code = 0;
    reader_.ReadMessage([&](uint32_t key) {
      switch (key) {
        case NumberKey(1):
          code = static_cast<int64_t>(reader_.ReadVarint());
          return true;
        case LengthKey(2):
          error.text = LimitUtf8(Text(reader_.ReadRope().bytes()), SIZE_MAX);
          return true;
        default:
          return false;
      }
    });
    error.kind = code == 0 ? ErrorKind::kNone : ErrorKind::kInternal;
    error.code = static_cast<ErrorCode>(code);
    errors_.push_back(std::move(error));
  }

  void PlaceErrors() {
    if (errors_.size() == 1 && errors_[0]) {
      reply_.error = std::move(errors_[0]);
      reply_.instances.clear();
      return;
    }
    if (!errors_.empty() && errors_.size() != reply_.instances.size()) {
      Fail("it has " + std::to_string(errors_.size()) + " errors for " + std::to_string(reply_.instances.size()) +
           " instances");
    }
    for (size_t i = 0; i < errors_.size(); ++i) {
      reply_.instances[i].error = std::move(errors_[i]);
    }
  }

  const ByteSpan message_;
  const std::shared_ptr<const void> &owner_;
  std::pmr::monotonic_buffer_resource memory_;  // of no use while the message is in one piece
  WireReader reader_;
  Reply reply_;
  std::vector<Error> errors_;
  ByteSpan text_;  // the last bytes_val of the tensor that is read
  size_t text_count_ = 0;
};

}  // namespace

Reply DecodePredictReply(ByteSpan message, const std::shared_ptr<const void> &owner) {
  return PredictReplyDecoder(message, owner).Decode();
}

}  // namespace mindspore::serving
