#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/call.h"
#include "dispatch/worker_link.h"

namespace mindspore::serving {

/// The instances of one method of one servable version that wait for a worker.
struct MethodQueue {
  std::shared_ptr<const MethodInfo> info;
  std::deque<QueueEntry> waiting;
  std::deque<QueueEntry> alone;  ///< suspected of killing workers: each runs on a worker that runs nothing else
  bool retired = false;          ///< no worker announces the method as it was: nothing may wait here any more

  bool empty() const { return waiting.empty() && alone.empty(); }
};

/// One servable version: its methods and the workers that serve it.
struct Endpoint {
  std::map<std::string, std::shared_ptr<MethodQueue>, std::less<>> methods;
  std::vector<std::shared_ptr<WorkerLink>> workers;
  int starting = 0;          ///< workers that may become ready soon: then requests wait for them
  uint64_t last_worker = 0;  ///< number of the one that got an instance last
};

bool CanServe(const WorkerLink &worker, const MethodInfo &method);
bool HasReadyWorker(const Endpoint &endpoint, const MethodQueue &queue);
/// Whether each method, those for extra workers included, has a worker that takes requests.
bool IsReady(const Endpoint &endpoint);

/// The worker with the most free credit for the queue's method, round robin among equals, and that method's number there; nullptr when
/// none has any.
struct WorkerChoice {
  std::shared_ptr<WorkerLink> worker;
  uint32_t method = 0;
};
WorkerChoice ChooseWorker(Endpoint *endpoint, const MethodQueue &queue);
/// For an instance that must run alone: a worker with nothing in flight. When there is none, one is reserved, so that it runs empty.
WorkerChoice ChooseIdleWorker(Endpoint *endpoint, const MethodQueue &queue);

/// Endpoints by servable and version. Not thread-safe.
class RoutingTable {
 public:
  struct Route {
    Endpoint *endpoint = nullptr;
    std::shared_ptr<MethodQueue> queue;
  };

  /// A servable that may have no endpoint yet.
  void Declare(const std::string &servable) { servables_[servable]; }
  /// The endpoint, created if needed. Endpoints are never removed.
  Endpoint *Add(const std::string &servable, uint64_t version);
  /// nullptr when there is none.
  Endpoint *Find(std::string_view servable, uint64_t version);
  /// Version 0: the newest version with a ready worker for the method; else the newest that waits for workers; else the newest. The
  /// route lacks the endpoint, or the queue, when the servable or its method is unknown.
  Route Resolve(std::string_view servable, uint64_t version, std::string_view method);

  /// Of each servable by its name, whether one of its versions is ready.
  std::vector<std::pair<std::string, bool>> Readiness() const;

  template <typename Visitor>
  void ForEach(Visitor visit) {
    for (auto &[servable, versions] : servables_) {
      for (auto &[version, endpoint] : versions) {
        visit(endpoint.get());
      }
    }
  }

 private:
  using Versions = std::map<uint64_t, std::unique_ptr<Endpoint>, std::greater<>>;
  std::map<std::string, Versions, std::less<>> servables_;
};

}  // namespace mindspore::serving
