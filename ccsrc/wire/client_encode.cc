#include <algorithm>

#include "wire/client_codec.h"
#include "wire/instance_encode.h"

namespace mindspore::serving {

std::vector<EncodedPiece> EncodePredictRequest(std::string_view servable, std::string_view method, uint64_t version,
                                               std::span<const std::vector<OutputTensor>> instances) {
  size_t max_text_bytes = MaxSpecTextBytes(servable, method);
  for (const auto &instance : instances) {
    max_text_bytes += kMaxFieldBytes;
    for (const OutputTensor &tensor : instance) {
      max_text_bytes += MaxTextBytes(tensor);
    }
  }
  WireWriter writer(max_text_bytes);
  std::for_each(instances.rbegin(), instances.rend(), [&](const auto &one) { WriteInstance(2, one, &writer); });
  WriteServableSpec(servable, method, version, &writer);
  return std::move(writer).Finish();
}

}  // namespace mindspore::serving
