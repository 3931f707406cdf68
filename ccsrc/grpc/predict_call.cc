#include "grpc/predict_call.h"

#include <utility>
#include <vector>

#include "base/log.h"
#include "grpc/message_bytes.h"
#include "wire/protobuf_codec.h"

namespace mindspore::serving {
namespace {

constexpr char kPredictPath[] = "/mindspore.serving.proto.MSService/Predict";

/// A message and its bytes, for as long as the request may need them. The gRPC object is to go last: only with it does the library (1.51) take
/// the memory back in a way that is right on any thread. A slice that goes last gives its memory back without the context that the bookkeeping
/// of a strained quota needs, and the process dies.
class Message {
 public:
  Message(grpc::ByteBuffer *buffer, std::shared_ptr<HeldBytes> held) : held_(std::move(held)) {
    buffer_.Swap(buffer);
    read_ = buffer_.Dump(&slices_);
    size_ = buffer_.Length();
    held_before_ = held_->fetch_add(size_);
  }
  ~Message() { held_->fetch_sub(size_); }
  Message(const Message &) = delete;

  const grpc::Status &read() const { return read_; }
  const std::vector<grpc::Slice> &slices() const { return slices_; }
  bool Exceeds(size_t max_held_bytes) const { return held_before_ > 0 && held_before_ + size_ > max_held_bytes; }

 private:
  const std::shared_ptr<HeldBytes> held_;
  grpc::ByteBuffer buffer_;
  std::vector<grpc::Slice> slices_;
  grpc::Status read_;
  size_t size_ = 0;
  size_t held_before_ = 0;
};

Error TooMuchHeld(size_t limit_bytes) {
  return MakeError(ErrorKind::kQueueFull,
                   "Serving Error: the requests that wait for their answers would take more than the limit of " +
                     std::to_string(limit_bytes) + " bytes (max_buffered_mb), try again later");
}

ByteSpan Bytes(const grpc::Slice &slice) { return {reinterpret_cast<const std::byte *>(slice.begin()), slice.size()}; }

// Errors travel inside the reply with status OK, except where nobody is left to read one.
grpc::Status StatusOf(const Reply &reply) {
  return reply.error.kind == ErrorKind::kCancelled ? grpc::Status(grpc::StatusCode::CANCELLED, reply.error.text)
                                                   : grpc::Status::OK;
}

}  // namespace

PredictService::PredictService() {
  AddMethod(new grpc::internal::RpcServiceMethod(kPredictPath, grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
  MarkMethodRaw(0);
}

void PredictService::Request(grpc::ServerContext *context, grpc::ByteBuffer *request,
                             grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> *writer,
                             grpc::ServerCompletionQueue *queue, void *tag) {
  RequestAsyncUnary(0, context, request, writer, queue, queue, tag);
}

PredictCall::PredictCall(PredictContext *context, grpc::ServerCompletionQueue *queue)
    : context_(context), queue_(queue), writer_(&grpc_context_) {}

void PredictCall::Await(PredictContext *context, grpc::ServerCompletionQueue *queue) {
  context->live_calls->Add();
  auto *call = new PredictCall(context, queue);
  call->grpc_context_.AsyncNotifyWhenDone(&call->done_event_);
  context->service->Request(&call->grpc_context_, &call->message_, &call->writer_, queue, &call->request_event_);
}

void PredictCall::OnRequest(bool ok) {
  if (!ok) {
    events_left_ = 1;  // the server stops; such a call gets no other event
    DropOne();
    return;
  }
  if (!context_->live_calls->stopping()) {
    Await(context_, queue_);
  }
  Submit();
}

void PredictCall::Submit() {
  auto message = std::make_shared<Message>(&message_, context_->held_bytes);
  std::unique_ptr<Request> request;
  try {
    if (!message->read().ok()) {
      throw ServingError(ErrorKind::kBadInput, "The message cannot be read: " + message->read().error_message());
    }
    if (message->Exceeds(context_->max_held_bytes)) {
      throw ServingError(TooMuchHeld(context_->max_held_bytes));
    }
    std::vector<ByteSpan> pieces;
    pieces.reserve(message->slices().size());
    for (const auto &slice : message->slices()) {
      pieces.push_back(Bytes(slice));
    }
    request = DecodePredictRequest(pieces, std::move(message), context_->limits);
  } catch (const ServingError &error) {
    Log(LogLevel::kDebug, error.what());
    Reply reply;
    reply.error = error.error();
    Complete(std::move(reply));
    return;
  }
  call_ = context_->dispatcher->Submit(std::move(request), this);
}

void PredictCall::Complete(Reply reply) {
  // Nothing of this object may be touched after Finish: the queue's thread may delete it at any time.
  const grpc::Status status = StatusOf(reply);
  if (status.ok()) {
    writer_.Finish(ToByteBuffer(EncodePredictReply(reply)), status, &finished_event_);
  } else {
    writer_.FinishWithError(status, &finished_event_);
  }
}

void PredictCall::OnFinished(bool) { DropOne(); }

void PredictCall::OnDone(bool) {
  if (call_ != nullptr && grpc_context_.IsCancelled()) {
    context_->dispatcher->Cancel(call_);  // completes it unless it is complete, so OnFinished comes in any case
  }
  DropOne();
}

void PredictCall::DropOne() {
  if (--events_left_ == 0) {
    LiveCalls *live_calls = context_->live_calls;
    delete this;
    live_calls->Remove();
  }
}

}  // namespace mindspore::serving
