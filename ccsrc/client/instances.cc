#include <iterator>
#include <string>
#include <utility>

#include "client/contents.h"

namespace mindspore::serving::client {
namespace {

bool Tell(const Error &error, int64_t *code, std::string *text) {
  if (!error) {
    return false;
  }
  if (code != nullptr) {
    *code = static_cast<int64_t>(error.code);
  }
  if (text != nullptr) {
    *text = error.text;
  }
  return true;
}

}  // namespace

Status::Status(enum StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

std::ostream &operator<<(std::ostream &stream, const Status &status) {
  static constexpr const char *kNames[] = {"SUCCESS", "FAILED", "INVALID_INPUTS", "SYSTEM_ERROR", "UNAVAILABLE"};
  const auto code = static_cast<size_t>(status.StatusCode());
  stream << (code < std::size(kNames) ? kNames[code] : "StatusCode(" + std::to_string(code) + ")");
  return status.StatusMessage().empty() ? stream : stream << ": " << status.StatusMessage();
}

Instance::Instance(std::shared_ptr<InstanceContent> content) : content_(std::move(content)) {}

Tensor Instance::Get(const std::string &item_name) const {
  if (IsValid()) {
    const auto found = content_->items.find(item_name);
    if (found != content_->items.end()) {
      return Tensor(found->second);
    }
  }
  return {};
}

bool Instance::IsValid() const { return content_ != nullptr; }

bool Instance::HasErrorMsg(int64_t *error_code, std::string *error_msg) const {
  return IsValid() && Tell(content_->error, error_code, error_msg);
}

MutableInstance::MutableInstance(std::shared_ptr<InstanceContent> content) : Instance(std::move(content)) {}

MutableTensor MutableInstance::Add(const std::string &item_name) {
  if (!IsValid()) {
    return {};
  }
  auto &tensor = content_->items[item_name];
  if (tensor == nullptr) {
    tensor = std::make_shared<TensorContent>();
  }
  return MutableTensor(tensor);
}

InstancesRequest::InstancesRequest() : content_(std::make_shared<RequestContent>()) {}

MutableInstance InstancesRequest::AddInstance() {
  content_->instances.push_back(std::make_shared<InstanceContent>());
  return MutableInstance(content_->instances.back());
}

InstancesReply::InstancesReply() : content_(std::make_shared<ReplyContent>()) {}

std::vector<Instance> InstancesReply::GetResult() const {
  std::vector<Instance> result;
  result.reserve(content_->instances.size());
  for (const auto &instance : content_->instances) {
    result.push_back(Instance(instance));
  }
  return result;
}

bool InstancesReply::HasErrorMsg(int64_t *error_code, std::string *error_msg) const {
  return Tell(content_->error, error_code, error_msg);
}

}  // namespace mindspore::serving::client
