#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/async_unary_call.h>

#include <atomic>
#include <cstddef>
#include <memory>

#include "dispatch/dispatcher.h"
#include "grpc/live_calls.h"
#include "grpc/queue_event.h"

namespace mindspore::serving {

/// MSService with its one method registered for raw bytes.
class PredictService : public grpc::Service {
 public:
  PredictService();
  void Request(grpc::ServerContext *context, grpc::ByteBuffer *request,
               grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> *writer, grpc::ServerCompletionQueue *queue,
               void *tag);
};

/// The sum of the sizes of the messages whose requests have no answer yet.
using HeldBytes = std::atomic<size_t>;

/// What all calls of a server share.
struct PredictContext {
  Dispatcher *dispatcher;
  PredictService *service;
  RequestLimits limits;
  LiveCalls *live_calls;
  size_t max_held_bytes;  ///< a message beyond it is refused, unless it is the only one
  std::shared_ptr<HeldBytes> held_bytes = std::make_shared<HeldBytes>();  ///< requests may outlive the server
};

/// One unary call, from waiting for a client until both of its last events have come; deletes itself then. All events of a call come
/// through one completion queue with one thread; Complete comes from any thread.
class PredictCall : public CallSink {
 public:
  /// Waits for a client on `queue`.
  static void Await(PredictContext *context, grpc::ServerCompletionQueue *queue);
  void Complete(Reply reply) override;

 private:
  PredictCall(PredictContext *context, grpc::ServerCompletionQueue *queue);
  void OnRequest(bool ok);
  void OnFinished(bool ok);
  void OnDone(bool ok);
  void Submit();
  void DropOne();

  PredictContext *const context_;
  grpc::ServerCompletionQueue *const queue_;
  grpc::ServerContext grpc_context_;
  grpc::ByteBuffer message_;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> writer_;
  QueueEvent request_event_ = EventOf<&PredictCall::OnRequest>(this);
  QueueEvent finished_event_ = EventOf<&PredictCall::OnFinished>(this);
  QueueEvent done_event_ = EventOf<&PredictCall::OnDone>(this);
  std::shared_ptr<Call> call_;  // only touched by the queue's thread
  int events_left_ = 2;         // finished and done; only touched by the queue's thread
};

}  // namespace mindspore::serving
