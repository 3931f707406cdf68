// The bytes are decoded as a PredictReply by the C++ client's decoder and by protobuf's own parser: what ours takes, theirs
// takes too and finds the same in it; and it is found again in its re-encoded form, as a reply and as a request.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <optional>
#include <string>

#include "fuzz_input.h"
#include "mindspore_serving/proto/ms_service.pb.h"
#include "wire/client_codec.h"
#include "wire/protobuf_codec.h"

namespace mindspore::serving {
namespace {

std::string Text(ByteSpan bytes) { return {reinterpret_cast<const char *>(bytes.data()), bytes.size()}; }

std::optional<Reply> Decode(ByteSpan message, std::string *error_text) {
  try {
    return DecodePredictReply(message, nullptr);
  } catch (const ServingError &error) {
    FUZZ_REQUIRE(error.error().kind == ErrorKind::kBadInput);
    FUZZ_REQUIRE(!error.error().text.empty() && IsValidUtf8(error.error().text));
    *error_text = error.error().text;
    return std::nullopt;
  }
}

// What we refuse and protobuf's parser takes.
bool IsOurs(const std::string &error) {
  constexpr std::string_view kTexts[] = {"makes no sense", "nested too deep", "a field number is too large"};
  return std::ranges::any_of(kTexts, [&](auto text) { return error.find(text) != std::string::npos; });
}

void CheckTensor(const OutputTensor &ours, const proto::Tensor &theirs) {
  FUZZ_REQUIRE(static_cast<int>(ours.dtype) == theirs.dtype());
  FUZZ_REQUIRE(std::ranges::equal(ours.shape.dims(), theirs.shape().dims()));
  if (IsText(ours.dtype)) {
    FUZZ_REQUIRE(theirs.bytes_val_size() == 1 && Text(ours.data) == theirs.bytes_val(0));
  } else {
    FUZZ_REQUIRE(Text(ours.data) == theirs.data());
    FUZZ_REQUIRE(ours.shape.ElementCount().value() * ElementBytes(ours.dtype) == ours.data.size());
  }
}

void CheckReply(const Reply &ours, const proto::PredictReply &theirs) {
  FUZZ_REQUIRE(ours.servable == theirs.servable_spec().name() && ours.method == theirs.servable_spec().method_name());
  FUZZ_REQUIRE(ours.version == theirs.servable_spec().version_number());
  if (ours.error) {
    FUZZ_REQUIRE(theirs.error_msg_size() == 1);
    FUZZ_REQUIRE(static_cast<int64_t>(ours.error.code) == theirs.error_msg(0).error_code());
    return;
  }
  FUZZ_REQUIRE(ours.instances.size() == static_cast<size_t>(theirs.instances_size()));
  for (int i = 0; i < theirs.instances_size(); ++i) {
    const InstanceResult &instance = ours.instances[static_cast<size_t>(i)];
    const auto code = static_cast<int64_t>(instance.error.code);
    FUZZ_REQUIRE(code == (theirs.error_msg_size() == 0 ? 0 : theirs.error_msg(i).error_code()));
    FUZZ_REQUIRE(static_cast<bool>(instance.error) == (code != 0));
    for (const auto &[name, tensor] : theirs.instances(i).items()) {
      const auto same_name = [&name = name](const OutputTensor &output) { return output.name == name; };
      const auto found = std::find_if(instance.outputs.rbegin(), instance.outputs.rend(), same_name);
      FUZZ_REQUIRE(found != instance.outputs.rend());
      CheckTensor(*found, tensor);
    }
  }
}

std::string Join(const std::vector<EncodedPiece> &pieces) {
  std::string bytes;
  for (const EncodedPiece &piece : pieces) {
    bytes.append(reinterpret_cast<const char *>(piece.bytes.data()), piece.bytes.size());
  }
  return bytes;
}

bool SameTensor(const OutputTensor &a, const OutputTensor &b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.data, b.data);
}

bool SameError(const Error &a, const Error &b) {
  return static_cast<bool>(a) == static_cast<bool>(b) && (!a || (a.code == b.code && TextOf(a) == TextOf(b)));
}

bool SameReply(const Reply &a, const Reply &b) {
  return a.servable == b.servable && a.method == b.method && a.version == b.version && SameError(a.error, b.error) &&
         std::ranges::equal(a.instances, b.instances, [](const InstanceResult &x, const InstanceResult &y) {
           return SameError(x.error, y.error) && (x.error || std::ranges::equal(x.outputs, y.outputs, SameTensor));
         });
}

void CheckAsRequest(const Reply &reply) {
  std::vector<std::vector<OutputTensor>> instances;
  for (const InstanceResult &instance : reply.instances) {
    instances.push_back(instance.outputs);
  }
  const std::string bytes = Join(EncodePredictRequest(reply.servable, reply.method, reply.version, instances));
  const ByteSpan piece = std::as_bytes(std::span(bytes));
  const auto request = DecodePredictRequest({&piece, 1}, nullptr, {.max_name_bytes = bytes.size()});
  FUZZ_REQUIRE(request->servable == reply.servable && request->method == reply.method);
  FUZZ_REQUIRE(request->version == reply.version && request->instances.size() == instances.size());
  for (size_t i = 0; i < instances.size(); ++i) {
    FUZZ_REQUIRE(
      std::ranges::equal(request->instances[i].items, instances[i], [](const InputTensor &x, const OutputTensor &y) {
        return x.text_count == (IsText(y.dtype) ? 1 : 0) &&
               SameTensor({x.name, x.dtype, x.shape, x.data.bytes(), {}}, y);
      }));
  }
}

void CheckAsReply(const Reply &reply) {
  const std::string bytes = Join(EncodePredictReply(reply));
  FUZZ_REQUIRE(SameReply(DecodePredictReply(std::as_bytes(std::span(bytes)), nullptr), reply));
}

void CheckMessage(ByteSpan message) {
  constexpr int kDeeperThanOurs = 300;
  const ExactCopy copy(message);
  std::string error;
  const std::optional<Reply> ours = Decode(copy.bytes(), &error);

  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t *>(message.data()),
                                                static_cast<int>(message.size()));
  stream.SetRecursionLimit(kDeeperThanOurs);
  proto::PredictReply theirs;
  const bool accepted = theirs.ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
  if (!ours) {
    FUZZ_REQUIRE(!accepted || IsOurs(error));
    return;
  }
  FUZZ_REQUIRE(accepted);
  CheckReply(*ours, theirs);
  CheckAsReply(*ours);
  CheckAsRequest(*ours);
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
