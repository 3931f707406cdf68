// A reply made from the input is encoded as a PredictReply; protobuf's own parser finds in it what it was made of.
#include <algorithm>
#include <string>

#include "any_reply.h"
#include "mindspore_serving/proto/ms_service.pb.h"
#include "wire/protobuf_codec.h"

namespace mindspore::serving {
namespace {

std::string Join(const std::vector<EncodedPiece> &pieces) {
  std::string bytes;
  for (const EncodedPiece &piece : pieces) {
    FUZZ_REQUIRE(!piece.bytes.empty() && piece.owner != nullptr);
    bytes.append(reinterpret_cast<const char *>(piece.bytes.data()), piece.bytes.size());
  }
  return bytes;
}

// Large data leaves from where it lies.
void CheckInPlace(const OutputTensor &tensor, const std::vector<EncodedPiece> &pieces) {
  if (tensor.data.size() >= kInPlaceBytes) {
    FUZZ_REQUIRE(std::ranges::count_if(pieces, [&](const EncodedPiece &piece) {
                   return piece.bytes.data() == tensor.data.data() && piece.bytes.size() == tensor.data.size() &&
                          piece.owner == tensor.owner;
                 }) == 1);
  }
}

void CheckTensor(const OutputTensor &ours, const proto::Tensor &theirs) {
  FUZZ_REQUIRE(theirs.dtype() == static_cast<int>(ours.dtype) && theirs.has_shape());
  FUZZ_REQUIRE(std::ranges::equal(theirs.shape().dims(), ours.shape.dims()));
  const std::string data(reinterpret_cast<const char *>(ours.data.data()), ours.data.size());
  FUZZ_REQUIRE(!theirs.has_shm_data());
  if (IsText(ours.dtype)) {
    FUZZ_REQUIRE(theirs.bytes_val_size() == 1 && theirs.bytes_val(0) == data);
    FUZZ_REQUIRE(theirs.tensor_data_case() == proto::Tensor::TENSOR_DATA_NOT_SET);
  } else {
    FUZZ_REQUIRE(theirs.bytes_val_size() == 0 && theirs.data() == data);
    FUZZ_REQUIRE((theirs.tensor_data_case() == proto::Tensor::kData) == !data.empty());
  }
}

void CheckError(const Error &ours, const proto::ErrorMsg &theirs) {
  FUZZ_REQUIRE(theirs.error_code() == static_cast<int64_t>(ours.code));
  FUZZ_REQUIRE(theirs.error_msg() == (ours ? TextOf(ours) : std::string_view()));
}

void CheckInstances(const Reply &ours, const proto::PredictReply &theirs, const std::vector<EncodedPiece> &pieces) {
  const bool any_failed = std::ranges::any_of(ours.instances, [](const auto &one) { return bool(one.error); });
  FUZZ_REQUIRE(static_cast<size_t>(theirs.instances_size()) == ours.instances.size());
  FUZZ_REQUIRE(static_cast<size_t>(theirs.error_msg_size()) == (any_failed ? ours.instances.size() : 0));
  for (int i = 0; i < theirs.instances_size(); ++i) {
    const InstanceResult &result = ours.instances[static_cast<size_t>(i)];
    const auto &items = theirs.instances(i).items();
    if (any_failed) {
      CheckError(result.error, theirs.error_msg(i));
    }
    FUZZ_REQUIRE(items.size() == (result.error ? 0 : result.outputs.size()));
    FUZZ_REQUIRE(theirs.instances(i).output_buffers().empty());
    for (size_t output = 0; output < items.size(); ++output) {
      const OutputTensor &tensor = result.outputs[output];
      CheckTensor(tensor, items.at(std::string(tensor.name)));
      CheckInPlace(tensor, pieces);
    }
  }
}

void CheckReply(const Reply &ours) {
  const auto pieces = EncodePredictReply(ours);
  const std::string bytes = Join(pieces);
  proto::PredictReply theirs;
  FUZZ_REQUIRE(theirs.ParseFromString(bytes));
  FUZZ_REQUIRE(theirs.ByteSizeLong() == bytes.size());  // no field written twice, none longer than needed
  FUZZ_REQUIRE(theirs.has_servable_spec() && theirs.servable_spec().name() == ours.servable);
  FUZZ_REQUIRE(theirs.servable_spec().method_name() == ours.method);
  FUZZ_REQUIRE(theirs.servable_spec().version_number() == ours.version);
  if (ours.error) {
    FUZZ_REQUIRE(theirs.instances_size() == 0 && theirs.error_msg_size() == 1);
    CheckError(ours.error, theirs.error_msg(0));
  } else {
    CheckInstances(ours, theirs, pieces);
  }
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mindspore::serving::AnyReply any{mindspore::serving::FuzzInput(data, size)};
  mindspore::serving::CheckReply(any.reply);
  mindspore::serving::MergeEqualErrors(&any.reply);
  mindspore::serving::CheckReply(any.reply);
  return 0;
}
