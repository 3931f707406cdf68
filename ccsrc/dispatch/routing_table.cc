#include "dispatch/routing_table.h"

namespace mindspore::serving {
namespace {

// Rings hold 4,096 entries each way; a quarter of that in flight leaves room for releases and cancellations.
constexpr uint32_t kMaxInFlightPerWorker = 1024;

std::optional<uint32_t> MethodNumber(const WorkerLink &worker, const MethodQueue &queue) {
  for (uint32_t number = 0; number < worker.methods.size(); ++number) {
    if (worker.methods[number].queue.get() == &queue) {
      return number;
    }
  }
  return std::nullopt;
}

RoutingTable::Route RouteTo(Endpoint *endpoint, std::string_view method) {
  const auto found = endpoint->methods.find(method);
  return {endpoint, found == endpoint->methods.end() ? nullptr : found->second};
}

}  // namespace

bool CanServe(const WorkerLink &worker, const MethodInfo &method) {
  return !worker.gone && !worker.draining && (worker.own_device || !method.only_model_stages);
}

bool HasReadyWorker(const Endpoint &endpoint, const MethodQueue &queue) {
  return std::ranges::any_of(endpoint.workers, [&](const auto &worker) {
    return CanServe(*worker, *queue.info) && MethodNumber(*worker, queue).has_value();
  });
}

bool IsReady(const Endpoint &endpoint) {
  return !endpoint.methods.empty() && std::ranges::all_of(endpoint.methods, [&](const auto &named) {
    return HasReadyWorker(endpoint, *named.second);
  });
}

WorkerChoice ChooseWorker(Endpoint *endpoint, const MethodQueue &queue) {
  WorkerChoice best;
  uint32_t best_free = 0;
  bool best_is_later = false;
  for (const auto &worker : endpoint->workers) {
    if (!CanServe(*worker, *queue.info) || worker->space_refused || worker->reserved ||
        worker->in_flight >= kMaxInFlightPerWorker) {
      continue;
    }
    const auto number = MethodNumber(*worker, queue);
    if (!number.has_value()) {
      continue;
    }
    const auto &method = worker->methods[*number];
    const uint32_t free = method.credit > method.in_flight ? method.credit - method.in_flight : 0;
    // Workers are listed by number; the first one behind the last used is next in turn.
    const bool is_later = worker->number > endpoint->last_worker;
    if (free > best_free || (free == best_free && free > 0 && is_later && !best_is_later)) {
      best = {worker, *number};
      best_free = free;
      best_is_later = is_later;
    }
  }
  if (best.worker != nullptr) {
    endpoint->last_worker = best.worker->number;
  }
  return best;
}

WorkerChoice ChooseIdleWorker(Endpoint *endpoint, const MethodQueue &queue) {
  std::shared_ptr<WorkerLink> emptiest;
  for (const auto &worker : endpoint->workers) {
    if (!CanServe(*worker, *queue.info) || worker->space_refused) {
      continue;
    }
    const auto number = MethodNumber(*worker, queue);
    if (!number.has_value()) {
      continue;
    }
    if (worker->in_flight == 0) {
      worker->reserved = true;
      return {worker, *number};
    }
    if (worker->reserved) {
      return {};  // one is running empty already
    }
    if (emptiest == nullptr || worker->in_flight < emptiest->in_flight) {
      emptiest = worker;
    }
  }
  if (emptiest != nullptr) {
    emptiest->reserved = true;
  }
  return {};
}

Endpoint *RoutingTable::Add(const std::string &servable, uint64_t version) {
  auto &endpoint = servables_[servable][version];
  if (endpoint == nullptr) {
    endpoint = std::make_unique<Endpoint>();
  }
  return endpoint.get();
}

Endpoint *RoutingTable::Find(std::string_view servable, uint64_t version) {
  const auto versions = servables_.find(servable);
  if (versions == servables_.end()) {
    return nullptr;
  }
  const auto endpoint = versions->second.find(version);
  return endpoint == versions->second.end() ? nullptr : endpoint->second.get();
}

RoutingTable::Route RoutingTable::Resolve(std::string_view servable, uint64_t version, std::string_view method) {
  if (version > 0) {
    Endpoint *endpoint = Find(servable, version);
    return endpoint == nullptr ? Route{} : RouteTo(endpoint, method);
  }
  const auto versions = servables_.find(servable);
  if (versions == servables_.end()) {
    return {};
  }
  Route waiting;
  Route newest;
  for (auto &[number, endpoint] : versions->second) {
    Route route = RouteTo(endpoint.get(), method);
    if (route.queue != nullptr && HasReadyWorker(*endpoint, *route.queue)) {
      return route;
    }
    if (waiting.endpoint == nullptr && route.queue != nullptr && endpoint->starting > 0) {
      waiting = route;
    }
    if (newest.endpoint == nullptr) {
      newest = route;
    }
  }
  return waiting.endpoint != nullptr ? waiting : newest;
}

std::vector<std::pair<std::string, bool>> RoutingTable::Readiness() const {
  std::vector<std::pair<std::string, bool>> readiness;
  for (const auto &[servable, versions] : servables_) {
    readiness.emplace_back(servable,
                           std::ranges::any_of(versions, [](const auto &version) { return IsReady(*version.second); }));
  }
  return readiness;
}

}  // namespace mindspore::serving
