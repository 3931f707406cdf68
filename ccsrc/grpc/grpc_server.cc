#include "grpc/grpc_server.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/log.h"
#include "grpc/library.h"
#include "grpc/predict_call.h"
#include "grpc/stream_calls.h"

namespace mindspore::serving {
namespace {

// Calls that wait for a client, per queue: enough that a burst finds one ready, few enough to cost nothing.
constexpr int kAwaitedCalls = 64;

// Messages arrive in blocks from the heap. By default each large one is given back to the system as it is freed and
// faulted in again with the next, which costs a fifth of the time of a request of 600 kB.
constexpr int kKeptHeapBytes = 64 << 20;

std::shared_ptr<grpc::ServerCredentials> Credentials(const std::optional<TlsOptions> &tls) {
  if (!tls.has_value()) {
    return grpc::InsecureServerCredentials();
  }
  grpc::SslServerCredentialsOptions options(tls->client_ca.empty()
                                              ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                              : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_key_cert_pairs.push_back({tls->private_key, tls->certificate});
  options.pem_root_certs = tls->client_ca;
  return grpc::SslServerCredentials(options);
}

// Calls of a connection that have begun, each of which costs 12 kB before its message is there. Far more than clients have at once on purpose:
// grpcio (1.85) forgets, now and then, a call whose deadline passes while it waits for its turn.
constexpr int kMaxStreams = 10'000;

// What clients may cost: how much they may say besides their messages, how long they may stay without saying anything, and what they may have
// begun and not ended. A message that is on its way is nothing that we see before it is complete: beyond the quota gRPC ends calls, and closes
// connections that have none, whoever's they are. So messages that are complete get an answer before they fill the quota.
void LimitClients(const GrpcServerOptions &options, grpc::ServerBuilder *builder) {
  grpc::ResourceQuota quota("messages");
  quota.Resize(options.max_buffered_bytes);
  builder->SetResourceQuota(quota);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, options.max_metadata_bytes);
  builder->AddChannelArgument("grpc.absolute_max_metadata_size",
                              options.max_metadata_bytes);  // newer libraries tell two limits apart
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, options.handshake_timeout_ms);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, options.idle_timeout_ms);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.handshake_timeout_ms);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

// gRPC would unpack a message before it compares the size with the limit.
void RefuseCompression(grpc::ServerBuilder *builder) {
  for (int algorithm = GRPC_COMPRESS_NONE + 1; algorithm < GRPC_COMPRESS_ALGORITHMS_COUNT; ++algorithm) {
    builder->SetCompressionAlgorithmSupportStatus(static_cast<grpc_compression_algorithm>(algorithm), false);
  }
}

int DefaultThreads() { return std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 4, 1, 4); }

}  // namespace

class GrpcServer::Impl {
 public:
  Impl(Dispatcher *dispatcher, const GrpcServerOptions &options) : stream_calls_(dispatcher, &live_calls_) {
    ::mallopt(M_TRIM_THRESHOLD, kKeptHeapBytes);
    SetUpGrpcLibrary();
    grpc::ServerBuilder builder;
    const int message_bytes = static_cast<int>(std::min<size_t>(options.max_message_bytes, INT32_MAX));
    builder.SetMaxReceiveMessageSize(message_bytes);
    builder.SetMaxSendMessageSize(message_bytes);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    LimitClients(options, &builder);
    RefuseCompression(&builder);
    builder.AddListeningPort(options.address, Credentials(options.tls), &port_);
    builder.RegisterService(&service_);
    builder.RegisterService(stream_calls_.service());
    const int threads = options.threads > 0 ? options.threads : DefaultThreads();
    for (int i = 0; i < threads; ++i) {
      queues_.push_back(builder.AddCompletionQueue());
    }
    server_ = builder.BuildAndStart();
    const bool is_unix = options.address.starts_with("unix:");
    if (server_ == nullptr || (port_ == 0 && !is_unix)) {
      EndQueues();
      throw std::runtime_error("cannot listen on " + options.address);
    }
    if (is_unix) {
      port_ = 0;
    }
    context_ = {dispatcher, &service_, options.limits, &live_calls_, options.max_buffered_bytes / 8 * 7};
    stream_calls_.Start(queues_.front().get());
    for (auto &queue : queues_) {
      for (int i = 0; i < kAwaitedCalls; ++i) {
        PredictCall::Await(&context_, queue.get());
      }
      threads_.emplace_back([queue = queue.get()] { Run(queue); });
    }
    Log(LogLevel::kInfo, "gRPC serves " + options.address + (is_unix ? "" : ", port " + std::to_string(port_)) +
                           ", with " + std::to_string(threads) + " threads and messages of up to " +
                           std::to_string(message_bytes) + " bytes");
  }

  ~Impl() { Stop(0); }

  int port() const { return port_; }

  void Stop(double grace_s) {
    if (server_ == nullptr) {
      return;
    }
    live_calls_.Stop();
    stream_calls_.Stop();
    const auto grace =
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::duration<double>(grace_s));
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    // Every call has been cancelled, finished or given back unmatched, and its events are in the queues or on their way through another
    // thread: a queue must not be shut down before the last operation was started on it.
    live_calls_.WaitForNone();
    EndQueues();
    server_.reset();
  }

 private:
  static void Run(grpc::ServerCompletionQueue *queue) {
    void *tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) {
      const auto *event = static_cast<const QueueEvent *>(tag);
      event->handle(event->call, ok);
    }
  }

  void EndQueues() {
    for (auto &queue : queues_) {
      queue->Shutdown();
    }
    for (auto &thread : threads_) {
      thread.join();
    }
    threads_.clear();
    queues_.clear();
  }

  LiveCalls live_calls_;
  PredictService service_;
  PredictContext context_{};
  StreamCalls stream_calls_;
  int port_ = 0;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::thread> threads_;
};

GrpcServer::GrpcServer(Dispatcher *dispatcher, const GrpcServerOptions &options)
    : impl_(std::make_unique<Impl>(dispatcher, options)) {}

GrpcServer::~GrpcServer() = default;

int GrpcServer::port() const { return impl_->port(); }

void GrpcServer::Stop(double grace_s) { impl_->Stop(grace_s); }

}  // namespace mindspore::serving
