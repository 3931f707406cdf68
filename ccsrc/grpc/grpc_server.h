#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "dispatch/dispatcher.h"

namespace mindspore::serving {

/// What a server needs to speak TLS (1.2 and newer), each in PEM form and checked before.
struct TlsOptions {
  std::string certificate;  ///< the server's chain
  std::string private_key;
  std::string client_ca;  ///< clients must show a certificate signed by one of these; empty: they show none
};

struct GrpcServerOptions {
  std::string address;                           ///< host:port, where port 0 lets the system choose, or unix:path
  size_t max_message_bytes = size_t{100} << 20;  ///< of a request and of a reply
  std::optional<TlsOptions> tls;
  size_t max_buffered_bytes =
    size_t{1} << 30;  ///< messages of all clients together, complete or not, until they are answered
  RequestLimits limits{};
  int max_metadata_bytes = 8192;      ///< of a call, headers and trailers each
  int handshake_timeout_ms = 30'000;  ///< for a new connection to speak HTTP/2
  int idle_timeout_ms = 100'000;      ///< after which a connection without traffic is asked for a sign of life
  int threads = 0;                    ///< completion queue threads; 0: one for every four cores, at most 4
};

/// The public gRPC end point, `mindspore.serving.proto.MSService`. Takes messages as raw bytes, so tensors stay where gRPC received them until
/// they are copied into a worker's memory, and replies leave from the worker's memory.
class GrpcServer {
 public:
  /// Listens when this returns. Throws std::runtime_error when the address cannot be listened on. The dispatcher must outlive it.
  GrpcServer(Dispatcher *dispatcher, const GrpcServerOptions &options);
  ~GrpcServer();
  GrpcServer(const GrpcServer &) = delete;

  /// The port listened on; 0 for a unix socket.
  int port() const;
  /// Stops accepting, gives calls in flight `grace_s` seconds, cancels the rest, and returns when no call is left. Idempotent.
  void Stop(double grace_s);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mindspore::serving
