#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "dispatch/method_info.h"
#include "wire/reply.h"
#include "wire/request.h"

namespace mindspore::serving {

struct MethodQueue;

/// Where the answer to a call goes: a front end's side of it. Complete is called exactly once, from any thread and without
/// any lock held; the sink may destroy itself in it.
class CallSink {
 public:
  virtual ~CallSink() = default;
  virtual void Complete(Reply reply) = 0;
};

/// One admitted request on its way. Shared by its queue entries, the instances in flight and the front end.
struct Call {
  Call(std::unique_ptr<Request> call_request, std::shared_ptr<const MethodInfo> call_method,
       std::shared_ptr<MethodQueue> call_queue, CallSink *call_sink, bool call_is_public)
      : request(std::move(call_request)),
        method(std::move(call_method)),
        queue(std::move(call_queue)),
        sink(call_sink),
        is_public(call_is_public) {
    pending = static_cast<uint32_t>(request->instances.size());
    reply.servable = request->servable;
    reply.method = request->method;
    reply.version = request->version;
    reply.instances.resize(request->instances.size());
  }

  const std::unique_ptr<Request> request;  ///< kept until the end: a retry starts from what arrived
  const std::shared_ptr<const MethodInfo> method;
  const std::shared_ptr<MethodQueue> queue;  ///< where its instances wait
  /// Each entry of `reply.instances` is written once, by whoever finishes that instance; the last one to count
  /// `pending` down reads them all.
  Reply reply;
  std::atomic<uint32_t> pending{0};
  std::atomic<bool> completed{false};  ///< whoever sets it first gives the answer
  CallSink *const sink;                ///< touched only by whoever set `completed`
  const bool is_public;                ///< counts among the requests in progress; a worker's model call does not
};

/// One instance that waits, or runs on a worker.
struct QueueEntry {
  std::shared_ptr<Call> call;
  uint32_t index = 0;   ///< of the instance in the request
  uint32_t deaths = 0;  ///< workers that died while they had it
};

}  // namespace mindspore::serving
