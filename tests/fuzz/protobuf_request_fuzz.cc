// The bytes are decoded as a PredictRequest by us, in one piece and in several, and by protobuf's own parser: both accept
// the same messages and find the same in them, and what is found is found again in its re-encoded form.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "fuzz_input.h"
#include "mindspore_serving/proto/ms_service.pb.h"
#include "wire/protobuf_codec.h"

namespace mindspore::serving {
namespace {

std::string ToText(const ByteRope &rope) {
  std::string text(rope.size_bytes(), '\0');
  rope.CopyTo(reinterpret_cast<std::byte *>(text.data()));
  return text;
}

proto::Tensor ToMessage(const InputTensor &from) {
  proto::Tensor to;
  to.set_dtype(static_cast<proto::DataType>(from.wire_dtype));
  for (const int64_t dim : from.shape.dims()) {
    to.mutable_shape()->add_dims(dim);
  }
  for (uint32_t i = 0; i < from.text_count; ++i) {
    to.add_bytes_val();
  }
  if (IsText(from.dtype)) {
    FUZZ_REQUIRE(from.text_count > 0 || from.data.size_bytes() == 0);
    if (from.text_count > 0) {
      to.set_bytes_val(static_cast<int>(from.text_count) - 1, ToText(from.data));
    }
  } else if (from.data.size_bytes() > 0) {
    to.set_data(ToText(from.data));
  }
  if (from.has_shm_data) {
    to.mutable_shm_data();
  }
  return to;
}

proto::PredictRequest ToMessage(const Request &from) {
  proto::PredictRequest to;
  to.mutable_servable_spec()->set_name(from.servable);
  to.mutable_servable_spec()->set_method_name(from.method);
  to.mutable_servable_spec()->set_version_number(from.version);
  for (const InputInstance &instance : from.instances) {
    auto *added = to.add_instances();
    for (const InputTensor &item : instance.items) {
      (*added->mutable_items())[std::string(item.name)] = ToMessage(*instance.Find(item.name));
    }
    if (instance.has_output_buffers) {
      (*added->mutable_output_buffers())["some"];
    }
  }
  return to;
}

// Leaves of a message what a Request holds.
void Reduce(proto::Tensor *tensor) {
  auto *texts = tensor->mutable_bytes_val();
  const bool is_text = tensor->dtype() == proto::MS_STRING || tensor->dtype() == proto::MS_BYTES;
  for (int i = 0; i < texts->size(); ++i) {
    if (!is_text || i + 1 < texts->size()) {
      (*texts)[i].clear();
    }
  }
  if (tensor->has_shm_data()) {
    tensor->mutable_shm_data()->Clear();
  } else if (is_text || tensor->data().empty()) {
    tensor->clear_tensor_data();
  }
  if (tensor->shape().dims().empty()) {
    tensor->clear_shape();
  }
}

void Reduce(proto::PredictRequest *request) {
  request->DiscardUnknownFields();
  request->mutable_servable_spec();
  for (auto &instance : *request->mutable_instances()) {
    for (auto &[name, tensor] : *instance.mutable_items()) {
      Reduce(&tensor);
    }
    if (!instance.output_buffers().empty()) {
      instance.clear_output_buffers();
      (*instance.mutable_output_buffers())["some"];
    }
  }
}

std::string Serialized(const proto::PredictRequest &request) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    FUZZ_REQUIRE(request.SerializeToCodedStream(&coded));
  }
  return bytes;
}

struct Outcome {
  Error error;
  std::string message;  ///< what the request holds, when there is no error
  friend bool operator==(const Outcome &, const Outcome &) = default;
};

Outcome Decode(std::span<const ByteSpan> pieces, const RequestLimits &limits) {
  Outcome outcome;
  try {
    const auto request = DecodePredictRequest(pieces, nullptr, limits);
    FUZZ_REQUIRE(request->instances.size() <= limits.max_instances);
    FUZZ_REQUIRE(std::max(request->servable.size(), request->method.size()) <= limits.max_name_bytes);
    outcome.message = Serialized(ToMessage(*request));
  } catch (const ServingError &error) {
    outcome.error = error.error();
    FUZZ_REQUIRE(outcome.error.kind == ErrorKind::kBadInput || outcome.error.kind == ErrorKind::kTooLarge);
    FUZZ_REQUIRE(!outcome.error.text.empty() && IsValidUtf8(outcome.error.text));
  }
  return outcome;
}

Outcome DecodeWhole(ByteSpan message, const RequestLimits &limits) {
  const ExactCopy copy(message);
  const ByteSpan piece = copy.bytes();
  return Decode({&piece, 1}, limits);
}

// In up to six pieces, some of them empty, each in memory of its own; the message itself decides where they end.
Outcome DecodeInPieces(ByteSpan message, const RequestLimits &limits) {
  uint64_t random = HashOf(message);
  std::vector<size_t> cuts{0, message.size()};
  for (uint64_t more = random % 6; more > 0; --more) {
    random = random * 6364136223846793005 + 1442695040888963407;
    cuts.push_back((random >> 33) % (message.size() + 1));
  }
  std::ranges::sort(cuts);
  std::vector<ExactCopy> copies;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    copies.emplace_back(message.subspan(cuts[i], cuts[i + 1] - cuts[i]));
  }
  std::vector<ByteSpan> pieces;
  for (const ExactCopy &copy : copies) {
    pieces.push_back(copy.bytes());
  }
  return Decode(pieces, limits);
}

// What we refuse and protobuf's C++ parser takes: more than fits our limits, and keys of more than 32 bits, which it cuts.
bool IsOurLimit(const Error &error) {
  constexpr std::string_view kTexts[] = {"dimensions", "nested too deep", "a field number is too large",
                                         "more than the limit of"};
  return error.kind == ErrorKind::kTooLarge ||
         std::ranges::any_of(kTexts, [&](auto text) { return error.text.find(text) != std::string::npos; });
}

void CheckMessage(ByteSpan message) {
  constexpr int kDeeperThanOurs = 300;
  const RequestLimits limits = AnyLimits(HashOf(message));
  const Outcome ours = DecodeWhole(message, limits);
  FUZZ_REQUIRE(DecodeInPieces(message, limits) == ours);

  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t *>(message.data()),
                                                static_cast<int>(message.size()));
  stream.SetRecursionLimit(kDeeperThanOurs);
  proto::PredictRequest theirs;
  const bool accepted = theirs.ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
  if (ours.error) {
    FUZZ_REQUIRE(!accepted || IsOurLimit(ours.error));
    return;
  }
  FUZZ_REQUIRE(accepted);
  Reduce(&theirs);
  FUZZ_REQUIRE(Serialized(theirs) == ours.message);
  FUZZ_REQUIRE(DecodeWhole(std::as_bytes(std::span(ours.message)), limits) == ours);
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  google::protobuf::SetLogHandler(nullptr);  // it prints each text that is not UTF-8
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mindspore::serving::CheckMessage(std::as_bytes(std::span(data, size)));
  return 0;
}
