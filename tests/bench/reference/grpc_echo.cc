// A bare echo on the C++ gRPC library: the raw asynchronous unary way, one completion queue, one thread. It answers the path
// of MSService.Predict with the request's own bytes, so the commands that load the server load it as well. What it manages is
// the most that any server on this library can do with one thread.
//
// Usage: grpc_echo [max message bytes]. Prints "listening on 127.0.0.1:<port>" and runs until its standard input ends.

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/async_unary_call.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

class EchoService : public grpc::Service {
 public:
  EchoService() {
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

// One place for a call; used again for the next one as soon as it is answered.
class Call {
 public:
  Call(EchoService *service, grpc::ServerCompletionQueue *queue) : service_(service), queue_(queue) { Arm(); }

  void Proceed(bool ok) {
    if (!ok && !answered_) {
      return;  // the server is stopping
    }
    if (answered_) {
      Arm();
      return;
    }
    answered_ = true;
    writer_->Finish(request_, grpc::Status::OK, this);
  }

 private:
  void Arm() {
    answered_ = false;
    request_.Clear();
    context_ = std::make_unique<grpc::ServerContext>();
    writer_ = std::make_unique<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>>(context_.get());
    service_->Request(context_.get(), &request_, writer_.get(), queue_, this);
  }

  EchoService *service_;
  grpc::ServerCompletionQueue *queue_;
  bool answered_ = false;
  grpc::ByteBuffer request_;
  std::unique_ptr<grpc::ServerContext> context_;
  std::unique_ptr<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> writer_;
};

}  // namespace

int main(int argc, char **argv) {
  constexpr int kCalls = 256;
  const int max_bytes = argc > 1 ? std::atoi(argv[1]) : 100 << 20;
  EchoService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(max_bytes);
  builder.SetMaxSendMessageSize(max_bytes);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  auto queue = builder.AddCompletionQueue();
  auto server = builder.BuildAndStart();
  if (!server || port == 0) {
    std::cerr << "cannot listen on 127.0.0.1\n";
    return 1;
  }
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(std::make_unique<Call>(&service, queue.get()));
  }
  std::thread worker([&queue] {
    void *tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) {
      static_cast<Call *>(tag)->Proceed(ok);
    }
  });
  std::cout << "listening on 127.0.0.1:" << port << std::endl;
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  server->Shutdown(std::chrono::system_clock::now());
  queue->Shutdown();
  worker.join();
  return 0;
}
