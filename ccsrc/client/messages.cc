#include "client/messages.h"

#include <utility>

#include "wire/client_codec.h"

namespace mindspore::serving::client {

Status EncodeRequest(const Target &target, const RequestContent &request, std::vector<EncodedPiece> *pieces) {
  std::vector<std::vector<OutputTensor>> instances;
  instances.reserve(request.instances.size());
  for (const auto &instance : request.instances) {
    auto &items = instances.emplace_back();
    items.reserve(instance->items.size());
    for (const auto &[name, tensor] : instance->items) {
      const auto wrong = [&, name = std::string_view(name)](const char *what) {
        return Status(INVALID_INPUTS, "Input '" + LimitUtf8(name, kMaxErrorTextBytes) + "' of instance " +
                                        std::to_string(instances.size() - 1) + what);
      };
      if (tensor->dtype == DType::kUnknown) {
        return wrong(" has no value");
      }
      if (!IsValidUtf8(name)) {
        return wrong(" has a name that is not valid UTF-8");
      }
      items.push_back({name, tensor->dtype, tensor->shape, tensor->data, tensor->owner});
    }
  }
  *pieces = EncodePredictRequest(target.servable, target.method, target.version, instances);
  return SUCCESS;
}

Status DecodeReply(std::shared_ptr<const std::string> message, size_t instances_count, ReplyContent *reply) {
  Reply decoded;
  try {
    decoded = DecodePredictReply(std::as_bytes(std::span(*message)), message);
  } catch (const ServingError &error) {
    return {SYSTEM_ERROR, error.what()};
  }
  if (!decoded.error && decoded.instances.size() != instances_count) {
    return {SYSTEM_ERROR, "The server's reply makes no sense: it has " + std::to_string(decoded.instances.size()) +
                            " instances for the request's " + std::to_string(instances_count)};
  }
  ReplyContent content;
  content.error = decoded.error;
  if (decoded.error) {
    decoded.instances.assign(instances_count, InstanceResult{{}, decoded.error});
  }
  for (auto &instance : decoded.instances) {
    auto &made = content.instances.emplace_back(std::make_shared<InstanceContent>());
    made->error = std::move(instance.error);
    for (auto &output : instance.outputs) {
      made->items[std::string(output.name)] = std::make_shared<TensorContent>(
        TensorContent{output.dtype, output.shape, output.data, std::move(output.owner)});
    }
  }
  *reply = std::move(content);
  return SUCCESS;
}

}  // namespace mindspore::serving::client
