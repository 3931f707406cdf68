#include "grpc/stream_calls.h"

#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>

#include "base/error.h"
#include "wire/descriptor_set.h"

namespace mindspore::serving {
namespace {

// To a server a unary method is a stream with one message each way.
enum Method { kCheck, kWatch, kList, kReflection, kReflectionAlpha, kMethods };
constexpr const char *kPaths[kMethods] = {
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/Watch",
  "/grpc.health.v1.Health/List",
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

class ReflectionCall : public StreamCall {
 public:
  ReflectionCall(StreamContext *context, const Reflection *reflection)
      : StreamCall(context, Stay::kLasting), reflection_(*reflection) {}

 private:
  void OnMessage(std::string_view message) override {
    try {
      Send(reflection_.Answer(message));
      ReadOn();
    } catch (const ServingError &) {
      End({grpc::StatusCode::INVALID_ARGUMENT, "The request is not a ServerReflectionRequest message"});
    }
  }

  void OnHalfClose() override { End(grpc::Status::OK); }

  const Reflection &reflection_;
};

}  // namespace

class StreamCalls::Service : public grpc::Service {
 public:
  Service() {
    for (int method = 0; method < kMethods; ++method) {
      AddMethod(
        new grpc::internal::RpcServiceMethod(kPaths[method], grpc::internal::RpcMethod::BIDI_STREAMING, nullptr));
      MarkMethodRaw(method);
    }
  }
  void Request(int method, grpc::ServerContext *context, StreamCall::Stream *stream, grpc::ServerCompletionQueue *queue,
               void *tag) {
    RequestAsyncBidiStreaming(method, context, stream, queue, queue, tag);
  }
};

StreamCalls::StreamCalls(Dispatcher *dispatcher, LiveCalls *live_calls)
    : dispatcher_(dispatcher),
      statuses_(dispatcher),
      reflection_(DescriptorSet()),
      service_(std::make_unique<Service>()) {
  context_.live_calls = live_calls;
}

StreamCalls::~StreamCalls() { dispatcher_->SetReadinessListener({}); }

grpc::Service *StreamCalls::service() { return service_.get(); }

void StreamCalls::Start(grpc::ServerCompletionQueue *queue) {
  queue_ = queue;
  dispatcher_->SetReadinessListener([this] { TellChange(); });
  TellChange();
  for (int method = 0; method < kMethods; ++method) {
    Await(method);
  }
}

void StreamCalls::Await(int method) {
  StreamCall *call = NewCall(method).release();
  call->WaitForClient([this, method](grpc::ServerContext *context, StreamCall::Stream *stream,
                                     void *tag) { service_->Request(method, context, stream, queue_, tag); },
                      [this, method] { Await(method); });
}

std::unique_ptr<StreamCall> StreamCalls::NewCall(int method) {
  switch (method) {
    case kCheck:
      return std::make_unique<HealthCheckCall>(&context_, &statuses_);
    case kWatch:
      return std::make_unique<HealthWatchCall>(&context_, &statuses_);
    case kList:
      return std::make_unique<HealthListCall>(&context_, &statuses_);
    default:
      return std::make_unique<ReflectionCall>(&context_, &reflection_);
  }
}

void StreamCalls::TellChange() {
  std::lock_guard lock(context_.mutex);
  statuses_.Refresh();
  for (StreamCall *call : context_.lasting) {
    call->Change();
  }
}

void StreamCalls::Stop() {
  dispatcher_->SetReadinessListener({});
  std::lock_guard lock(context_.mutex);
  context_.stopping = true;
  for (auto *calls : {&context_.brief, &context_.lasting}) {
    for (StreamCall *call : *calls) {
      call->Stop();
    }
  }
}

}  // namespace mindspore::serving
