#pragma once

#include <memory>

#include "dispatch/dispatcher.h"
#include "grpc/health_calls.h"
#include "grpc/stream_call.h"
#include "wire/reflection.h"

namespace mindspore::serving {

/// The methods beside Predict: gRPC's health checks, and server reflection in both its versions. They run on a completion queue of
/// Predict's. gRPC's own services would bring threads of their own, which take part in reading every connection: measured, a sixth of
/// the rate of small requests.
class StreamCalls {
 public:
  /// Both must outlive this object.
  StreamCalls(Dispatcher *dispatcher, LiveCalls *live_calls);
  ~StreamCalls();
  StreamCalls(const StreamCalls &) = delete;

  grpc::Service *service();
  /// Waits for clients on `queue`.
  void Start(grpc::ServerCompletionQueue *queue);
  /// Ends all calls; who watches is told NOT_SERVING before.
  void Stop();

 private:
  class Service;
  void Await(int method);
  std::unique_ptr<StreamCall> NewCall(int method);
  void TellChange();

  Dispatcher *const dispatcher_;
  StreamContext context_;
  HealthStatuses statuses_;
  const Reflection reflection_;
  std::unique_ptr<Service> service_;
  grpc::ServerCompletionQueue *queue_ = nullptr;
};

}  // namespace mindspore::serving
