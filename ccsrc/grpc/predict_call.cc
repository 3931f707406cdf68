#include "grpc/predict_call.h"

#include <utility>
#include <vector>

#include "base/log.h"
#include "grpc/message_bytes.h"
#include "wire/protobuf_codec.h"

namespace mindspore::serving {
namespace {

constexpr char kPredictPath[] = "/mindspore.serving.proto.MSService/Predict";

/// A message and its bytes. The message is to go last: only with it does gRPC (1.51) take the memory back in a way that is right on any thread.
/// A slice that goes last gives its memory back without the context that the bookkeeping of a strained quota needs, and the process dies.
struct Message {
  grpc::ByteBuffer buffer;
  std::vector<grpc::Slice> slices;
};

ByteSpan Bytes(const grpc::Slice &slice) { return {reinterpret_cast<const std::byte *>(slice.begin()), slice.size()}; }

// Errors travel inside the reply with status OK, except where nobody is left to read one.
grpc::Status StatusOf(const Reply &reply) {
  return reply.error.kind == ErrorKind::kCancelled ? grpc::Status(grpc::StatusCode::CANCELLED, reply.error.text) : grpc::Status::OK;
}

}  // namespace

PredictService::PredictService() {
  AddMethod(new grpc::internal::RpcServiceMethod(kPredictPath, grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
  MarkMethodRaw(0);
}

void PredictService::Request(grpc::ServerContext *context, grpc::ByteBuffer *request,
                             grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> *writer, grpc::ServerCompletionQueue *queue, void *tag) {
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
  auto message = std::make_shared<Message>();
  message->buffer.Swap(&message_);
  const grpc::Status dumped = message->buffer.Dump(&message->slices);
  std::unique_ptr<Request> request;
  try {
    if (!dumped.ok()) {
      throw ServingError(ErrorKind::kBadInput, "The message cannot be read: " + dumped.error_message());
    }
    std::vector<ByteSpan> pieces;
    pieces.reserve(message->slices.size());
    for (const auto &slice : message->slices) {
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
