#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "grpc/live_calls.h"
#include "grpc/queue_event.h"

namespace mindspore::serving {

class StreamCall;

/// What the stream calls of a server share. One lock guards all their state: they are few, and asked seldom.
struct StreamContext {
  std::mutex mutex;
  std::list<StreamCall *>
    brief;  ///< matched to a client, oldest first; where there is one too many, the oldest is cancelled
  std::list<StreamCall *> lasting;  ///< the same, but it is the newest that is refused
  bool stopping = false;
  LiveCalls *live_calls = nullptr;
};

/// How long calls of a method stay: those with one answer are over at once, others as long as their clients like. They are limited apart, so
/// that clients who watch cannot keep others from checking.
enum class Stay { kBrief, kLasting };

/// One call of a method beside Predict, whatever streams that has: it reads a message, answers with any number of messages, now or later,
/// perhaps reads on, and ends. Deletes itself when all its events have come. The lock is held while virtual functions are called.
class StreamCall {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;
  /// Asks gRPC for the next call of the method.
  using Request = std::function<void(grpc::ServerContext *context, Stream *stream, void *tag)>;

  StreamCall(StreamContext *context, Stay stay);
  virtual ~StreamCall() = default;
  StreamCall(const StreamCall &) = delete;

  /// Waits for a client; calls `await_next` when there is one.
  void WaitForClient(const Request &request, std::function<void()> await_next);
  /// Something changed that answers depend on. REQUIRES: the lock.
  void Change();
  /// The server stops. REQUIRES: the lock.
  void Stop();

 protected:
  virtual void OnMessage(std::string_view message) = 0;
  /// The client sends nothing more.
  virtual void OnHalfClose() { End({grpc::StatusCode::INVALID_ARGUMENT, "A message was expected"}); }
  virtual void OnChange() {}
  virtual void OnStop() {}

  // What the virtual functions may ask for. It is done in this order, each when the one before it is over.
  /// Sends a message; replaces one that waits to be sent.
  void Send(std::string message) { unsent_ = std::move(message); }
  /// Ends the call; the first status counts.
  void End(grpc::Status status);
  /// Reads another message.
  void ReadOn() { reads_on_ = true; }

 private:
  template <void (StreamCall::*kHandle)(bool)>
  void Locked(bool ok);
  void OnRequest(bool ok);
  void OnMatched(bool ok);
  void OnRead(bool ok);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void OnDone(bool ok);
  void Proceed();
  void Leave();

  StreamContext *const context_;
  const Stay stay_;
  std::list<StreamCall *> &kin_;                            ///< those it is counted with
  std::optional<std::list<StreamCall *>::iterator> place_;  ///< among them
  std::function<void()> await_next_;
  grpc::ServerContext grpc_context_;
  Stream stream_;
  grpc::ByteBuffer message_;
  std::optional<std::string> unsent_;
  std::optional<grpc::Status> end_;
  bool reads_on_ = true;
  bool reading_ = false;
  bool writing_ = false;
  bool finishing_ = false;  ///< the last operation has been started
  bool done_ = false;       ///< gRPC says that nobody waits for this call any more
  int operations_ = 0;      ///< started and not over
  QueueEvent request_event_ = EventOf<&StreamCall::OnRequest>(this);
  QueueEvent read_event_ = EventOf<&StreamCall::Locked<&StreamCall::OnRead>>(this);
  QueueEvent written_event_ = EventOf<&StreamCall::Locked<&StreamCall::OnWritten>>(this);
  QueueEvent finished_event_ = EventOf<&StreamCall::Locked<&StreamCall::OnFinished>>(this);
  QueueEvent done_event_ = EventOf<&StreamCall::Locked<&StreamCall::OnDone>>(this);
};

}  // namespace mindspore::serving
