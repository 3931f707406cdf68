#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/async_unary_call.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

/// A server with nothing but the C++ gRPC library: the raw asynchronous unary way, one completion queue, one thread. It takes the
/// path of MSService.Predict, so the commands that load the server load it as well.
class BareService : public grpc::Service {
 public:
  BareService() {
    AddMethod(new grpc::internal::RpcServiceMethod("/mindspore.serving.proto.MSService/Predict",
                                                   grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
    MarkMethodRaw(0);
  }

  void Request(grpc::ServerContext *context, grpc::ByteBuffer *request,
               grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> *writer, grpc::ServerCompletionQueue *queue,
               void *tag) {
    RequestAsyncUnary(0, context, request, writer, queue, queue, tag);
  }
};

/// One place for a call; used again for the next one as soon as it is answered.
class BareCall {
 public:
  using Handler = std::function<void(BareCall *)>;

  /// `handler` sees to it that each call gets its Answer, from any thread.
  BareCall(BareService *service, grpc::ServerCompletionQueue *queue, Handler handler)
      : service_(service), queue_(queue), handler_(std::move(handler)) {
    Arm();
  }

  const grpc::ByteBuffer &message() const { return message_; }

  void Answer(const grpc::ByteBuffer &reply) {
    answered_ = true;
    writer_->Finish(reply, grpc::Status::OK, this);
  }

  void Proceed(bool ok) {
    if (answered_) {
      Arm();
    } else if (ok) {  // else the server is stopping
      handler_(this);
    }
  }

 private:
  void Arm() {
    answered_ = false;
    message_.Clear();
    context_ = std::make_unique<grpc::ServerContext>();
    writer_ = std::make_unique<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>>(context_.get());
    service_->Request(context_.get(), &message_, writer_.get(), queue_, this);
  }

  BareService *service_;
  grpc::ServerCompletionQueue *queue_;
  Handler handler_;
  bool answered_ = false;
  grpc::ByteBuffer message_;
  std::unique_ptr<grpc::ServerContext> context_;
  std::unique_ptr<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> writer_;
};

/// Prints "listening on 127.0.0.1:<port>" and serves until standard input ends. The process's exit code.
inline int ServeBare(int max_message_bytes, const BareCall::Handler &handler) {
  constexpr int kCalls = 256;
  BareService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(max_message_bytes);
  builder.SetMaxSendMessageSize(max_message_bytes);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  auto queue = builder.AddCompletionQueue();
  auto server = builder.BuildAndStart();
  if (!server || port == 0) {
    std::cerr << "cannot listen on 127.0.0.1\n";
    return 1;
  }
  std::vector<std::unique_ptr<BareCall>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<BareCall>(&service, queue.get(), handler));
  }
  std::thread thread([&queue] {
    void *tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) {
      static_cast<BareCall *>(tag)->Proceed(ok);
    }
  });
  std::cout << "listening on 127.0.0.1:" << port << std::endl;
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  server->Shutdown(std::chrono::system_clock::now());
  queue->Shutdown();
  thread.join();
  return 0;
}
