#include "wire/request.h"

#include <string>

#include "base/error.h"

namespace mindspore::serving {

const InputTensor *InputInstance::Find(std::string_view name) const {
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    if (item->name == name) {
      return &*item;
    }
  }
  return nullptr;
}

void CheckName(std::string_view what, std::string_view name, const RequestLimits &limits) {
  if (name.size() > limits.max_name_bytes) {
    throw ServingError(ErrorKind::kBadInput, std::string(what) + " has " + std::to_string(name.size()) +
                                               " bytes, more than the limit of " +
                                               std::to_string(limits.max_name_bytes));
  }
}

void CheckInstanceCount(size_t count, const RequestLimits &limits) {
  if (count > limits.max_instances) {
    throw ServingError(ErrorKind::kTooLarge,
                       "The request has more instances than the limit of " + std::to_string(limits.max_instances));
  }
}

}  // namespace mindspore::serving
