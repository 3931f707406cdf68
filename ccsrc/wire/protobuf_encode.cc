#include <algorithm>
#include <utility>

#include "wire/instance_encode.h"
#include "wire/protobuf_codec.h"

namespace mindspore::serving {
namespace {

size_t MaxTextBytes(const Error &error) { return 3 * kMaxFieldBytes + TextOf(error).size(); }

size_t MaxTextBytes(const Reply &reply) {
  size_t bytes = MaxSpecTextBytes(reply.servable, reply.method);
  if (reply.error) {
    return bytes + MaxTextBytes(reply.error);
  }
  for (const auto &instance : reply.instances) {
    bytes += kMaxFieldBytes + MaxTextBytes(instance.error);
    for (const auto &tensor : instance.outputs) {
      bytes += MaxTextBytes(tensor);
    }
  }
  return bytes;
}

void WriteError(const Error &error, WireWriter *writer) {
  const size_t before = writer->written();
  if (error) {
    writer->BytesField(2, BytesOf(TextOf(error)));
    writer->OptionalNumber(1, static_cast<uint64_t>(error.code));
  }
  writer->EndField(4, before);
}

}  // namespace

std::vector<EncodedPiece> EncodePredictReply(const Reply &reply) {
  WireWriter writer(MaxTextBytes(reply));
  if (reply.error) {
    WriteError(reply.error, &writer);
  } else {
    const auto &instances = reply.instances;
    const auto failed = [](const InstanceResult &instance) { return static_cast<bool>(instance.error); };
    if (std::ranges::any_of(instances, failed)) {
      std::for_each(instances.rbegin(), instances.rend(), [&](const auto &one) { WriteError(one.error, &writer); });
    }
    std::for_each(instances.rbegin(), instances.rend(), [&](const InstanceResult &one) {
      WriteInstance(3, one.error ? std::span<const OutputTensor>() : one.outputs, &writer);
    });
  }
  WriteServableSpec(reply.servable, reply.method, reply.version, &writer);
  return std::move(writer).Finish();
}

}  // namespace mindspore::serving
