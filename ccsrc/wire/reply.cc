#include "wire/reply.h"

#include <algorithm>
#include <utility>

namespace mindspore::serving {

std::string_view TextOf(const Error &error) {
  return error.text.empty() ? std::string_view("Predict failed") : std::string_view(error.text);
}

void MergeEqualErrors(Reply *reply) {
  auto &instances = reply->instances;
  if (reply->error || instances.empty() || !instances.front().error) {
    return;
  }
  const Error &first = instances.front().error;
  const bool all_equal = std::ranges::all_of(instances, [&](const InstanceResult &instance) {
    return instance.error && instance.error.code == first.code && instance.error.text == first.text;
  });
  if (all_equal) {
    reply->error = std::move(instances.front().error);
    instances.clear();
  }
}

}  // namespace mindspore::serving
