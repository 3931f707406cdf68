#include <algorithm>
#include <utility>

#include "base/error.h"
#include "wire/json_codec.h"
#include "wire/json_text.h"

namespace mindspore::serving {
namespace {

void AppendError(const Error &error, std::string *json) {
  json->append("{\"error_msg\":");
  AppendJsonString(TextOf(error), json);
  json->push_back('}');
}

/// Writes instances one after the other; keeps what they share.
class InstanceWriter {
 public:
  explicit InstanceWriter(std::string *json) : json_(*json) {}

  void Write(const InstanceResult &instance) {
    if (instance.error) {
      return AppendError(instance.error, &json_);
    }
    const size_t before = json_.size();
    try {
      WriteOutputs(instance.outputs);
    } catch (const ServingError &error) {
      // One instance without a JSON form does not touch its neighbours.
      json_.resize(before);
      AppendError(error.error(), &json_);
    }
  }

 private:
  void WriteOutputs(const std::vector<OutputTensor> &outputs) {
    ordered_.clear();
    for (const OutputTensor &output : outputs) {
      ordered_.push_back(&output);
    }
    std::ranges::sort(ordered_, {}, &OutputTensor::name);
    json_.push_back('{');
    for (const OutputTensor *output : ordered_) {
      json_.append(output == ordered_.front() ? "" : ",");
      AppendJsonString(output->name, &json_);
      json_.push_back(':');
      AppendJsonTensor(*output, &json_);
    }
    json_.push_back('}');
  }

  std::string &json_;
  std::vector<const OutputTensor *> ordered_;
};

}  // namespace

std::string EncodeJsonReply(const Reply &reply) {
  if (reply.error) {
    return EncodeJsonError(reply.error);
  }
  std::string json = "{\"instances\":[";
  InstanceWriter writer(&json);
  for (const InstanceResult &instance : reply.instances) {
    json.append(&instance == reply.instances.data() ? "" : ",");
    writer.Write(instance);
  }
  json.append("]}");
  return json;
}

std::string EncodeJsonError(const Error &error) {
  std::string json;
  AppendError(error, &json);
  return json;
}

int HttpStatusOf(const Reply &reply) { return reply.error ? HttpStatus(reply.error.kind) : 200; }

}  // namespace mindspore::serving
