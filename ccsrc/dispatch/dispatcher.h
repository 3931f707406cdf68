#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "dispatch/call.h"
#include "dispatch/routing_table.h"

namespace mindspore::serving {

/// What one worker is doing, for the supervisor.
struct WorkerLoad {
  uint64_t in_flight = 0;
  uint64_t completed = 0;
  double seconds_since_progress = 0;  ///< since it last completed an instance, or got work while it had none
};

/// The memory for inputs that a worker and the master share.
struct RequestMemory {
  uint64_t kept_bytes =
    0;  ///< in use for long by no instance that runs: user code keeps arrays, or clients do not read replies
  uint64_t total_bytes = 0;
};

/// Routes requests to workers: admits or refuses each, spreads its instances over the workers that have credit, puts the results together,
/// and runs instances again whose worker died. Every submitted call is completed exactly once.
///
/// Thread safety: every method may be called from any thread. No lock is held while tensors are copied, replies are read, or a sink is told.
/// Each worker has a reader thread here; it takes the worker's results and completes calls.
class Dispatcher {
 public:
  /// An instance whose worker died is run again this many times; the last time alone on a worker, so that one that kills
  /// its workers takes no others with it.
  static constexpr uint32_t kMaxRetries = 2;

  explicit Dispatcher(uint64_t max_enqueued_requests = 10000);
  ~Dispatcher();
  Dispatcher(const Dispatcher &) = delete;

  // --- front ends ---
  /// What can be said against a request before its content is known: too many are under way, or it names what is not there.
  Error CheckTarget(const Target &target);
  /// Starts a call. `sink` is told the answer, perhaps before this returns (a refused request). nullptr when it was refused.
  std::shared_ptr<Call> Submit(std::unique_ptr<Request> request, CallSink *sink);
  /// The caller has gone: completes the call as cancelled unless it is complete. What waits is dropped, what runs is let go.
  void Cancel(const std::shared_ptr<Call> &call);

  /// Of each servable by its name, whether every method of one of its versions has a worker that takes requests.
  std::vector<std::pair<std::string, bool>> Readiness() const;
  /// `listener` is called after whatever may have changed Readiness, from any thread and without a lock that Readiness needs. An
  /// empty one is none; when this returns the former one is not called any more.
  void SetReadinessListener(std::function<void()> listener);

  // --- supervisor ---
  /// A servable whose workers are going to start.
  void DeclareServable(const std::string &servable);
  /// `remote_methods`: the internal methods that the worker's kModelCall entries number. `process`: a pidfd of the worker, which is
  /// killed through it when its channel makes no sense any more; its death then goes the ordinary way.
  uint64_t AddWorker(std::shared_ptr<Channel> channel, const std::string &servable, uint64_t version,
                     std::vector<MethodInfo> methods, bool own_device, std::string label,
                     std::vector<std::string> remote_methods = {}, UniqueFd process = {});
  void DrainWorker(uint64_t worker);
  /// Ends the worker's channel, takes the results it had written, and runs the rest elsewhere. Until SetStarting says otherwise a
  /// replacement is taken to be starting. `end` says how its process ended, for errors; empty when that is not known.
  void RemoveWorker(uint64_t worker, std::string_view end = {});
  void SetStarting(const std::string &servable, uint64_t version, int workers);
  void FailWaiting(const std::string &servable, uint64_t version);
  /// Throws std::out_of_range for a worker that is not (any more) there.
  WorkerLoad Load(uint64_t worker) const;
  /// To be called at intervals: what is in use since the call before last counts as kept for long. Throws as Load does.
  RequestMemory LookAtMemory(uint64_t worker);
  /// Answers everything and refuses what comes later.
  void Stop();

  uint64_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  uint64_t max_enqueued_requests() const { return max_enqueued_requests_.load(std::memory_order_relaxed); }
  void set_max_enqueued_requests(uint64_t limit) { max_enqueued_requests_.store(limit, std::memory_order_relaxed); }

 private:
  struct Outgoing;
  using Entries = std::vector<QueueEntry>;

  Error Resolve(const Target &target, RoutingTable::Route *route);
  Error Enqueue(std::unique_ptr<Request> *request, CallSink *sink, const RoutingTable::Route &route,
                std::shared_ptr<Call> *call, std::vector<Outgoing> *outgoing);
  void TakeReady(Endpoint *endpoint, std::vector<Outgoing> *outgoing);
  void SendAll(std::vector<Outgoing> outgoing);
  bool SendInstance(Outgoing *outgoing);
  void ReturnUnsent(std::vector<Outgoing> unsent);
  void PumpEndpoint(Endpoint *endpoint);

  void ReadReplies(Endpoint *endpoint, const std::shared_ptr<WorkerLink> &link);
  void StartParkedCalls(Endpoint *endpoint, WorkerLink *link);
  bool StartModelCall(Endpoint *endpoint, WorkerLink *link, const RingEntry &entry);
  void SubmitModelCall(Endpoint *endpoint, const std::string &method, std::unique_ptr<Request> request, CallSink *sink);
  void HandleResults(Endpoint *endpoint, const std::shared_ptr<WorkerLink> &link, std::vector<RingEntry> *results);
  void RetireQueues(Endpoint *endpoint, Entries *orphans);
  struct Lost {
    Entries given_up;  ///< their workers died too often
    Entries orphans;   ///< their method is not there any more
  };
  void Requeue(WorkerLink *link, Lost *lost);

  void FinishInstance(const QueueEntry &entry, InstanceResult result);
  void FailEntries(Entries entries, const Error &error);
  Entries TakeWaiting(Endpoint *endpoint);
  void Complete(Call *call, Reply reply);

  void TellReadiness();

  std::mutex listener_mutex_;                 // taken before mutex_
  std::function<void()> readiness_listener_;  // guarded by listener_mutex_
  mutable std::mutex mutex_;
  RoutingTable routes_;                                                           // guarded by mutex_
  std::map<uint64_t, std::pair<Endpoint *, std::shared_ptr<WorkerLink>>> links_;  // guarded by mutex_
  std::map<uint64_t, std::thread> readers_;                                       // guarded by mutex_
  uint64_t next_worker_ = 1;                                                      // guarded by mutex_
  bool stopped_ = false;                                                          // guarded by mutex_
  std::atomic<uint64_t> in_flight_{0};
  std::atomic<uint64_t> max_enqueued_requests_;
};

}  // namespace mindspore::serving
