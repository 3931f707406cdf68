#include <utility>

#include "dispatch/dispatcher.h"

namespace mindspore::serving {

std::vector<std::pair<std::string, bool>> Dispatcher::Readiness() const {
  std::lock_guard lock(mutex_);
  auto readiness = routes_.Readiness();
  if (stopped_) {
    for (auto &[servable, ready] : readiness) {
      ready = false;
    }
  }
  return readiness;
}

void Dispatcher::SetReadinessListener(std::function<void()> listener) {
  std::lock_guard lock(listener_mutex_);
  readiness_listener_ = std::move(listener);
}

// The lock is held meanwhile: whoever is told last sees what is true last.
void Dispatcher::TellReadiness() {
  std::lock_guard lock(listener_mutex_);
  if (readiness_listener_) {
    readiness_listener_();
  }
}

void Dispatcher::DeclareServable(const std::string &servable) {
  {
    std::lock_guard lock(mutex_);
    routes_.Declare(servable);
  }
  TellReadiness();
}

}  // namespace mindspore::serving
