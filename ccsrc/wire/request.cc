#include "wire/request.h"

namespace mindspore::serving {

const InputTensor *InputInstance::Find(std::string_view name) const {
  for (auto item = items.rbegin(); item != items.rend(); ++item) {
    if (item->name == name) {
      return &*item;
    }
  }
  return nullptr;
}

}  // namespace mindspore::serving
