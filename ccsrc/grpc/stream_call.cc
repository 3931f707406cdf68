#include "grpc/stream_call.h"

#include <utility>

#include "grpc/message_bytes.h"

namespace mindspore::serving {
namespace {

// Of either kind: far more than anybody needs.
constexpr size_t kMaxCalls = 1000;
constexpr size_t kMaxMessageBytes = 64 << 10;

}  // namespace

// Handles an event, starts what follows, and deletes the call after its last event.
template <void (StreamCall::*kHandle)(bool)>
void StreamCall::Locked(bool ok) {
  bool over;
  {
    std::lock_guard lock(context_->mutex);
    (this->*kHandle)(ok);
    Proceed();
    over = done_ && operations_ == 0;
    if (over) {
      Leave();
    }
  }
  if (over) {
    LiveCalls *live_calls = context_->live_calls;
    delete this;
    live_calls->Remove();
  }
}

StreamCall::StreamCall(StreamContext *context, Stay stay)
    : context_(context),
      stay_(stay),
      kin_(stay == Stay::kBrief ? context->brief : context->lasting),
      stream_(&grpc_context_) {}

void StreamCall::WaitForClient(const Request &request, std::function<void()> await_next) {
  context_->live_calls->Add();
  await_next_ = std::move(await_next);
  grpc_context_.AsyncNotifyWhenDone(&done_event_);
  request(&grpc_context_, &stream_, &request_event_);
}

void StreamCall::Change() {
  OnChange();
  Proceed();
}

void StreamCall::Stop() {
  OnStop();
  End({grpc::StatusCode::UNAVAILABLE, "The server is stopping"});
  Proceed();
}

void StreamCall::End(grpc::Status status) {
  if (!end_.has_value()) {
    end_ = std::move(status);
  }
}

void StreamCall::OnRequest(bool ok) {
  if (!ok) {
    LiveCalls *live_calls = context_->live_calls;
    delete this;  // the server stops; such a call gets no other event
    live_calls->Remove();
    return;
  }
  if (!context_->live_calls->stopping()) {
    await_next_();
  }
  Locked<&StreamCall::OnMatched>(true);
}

void StreamCall::OnMatched(bool) {
  place_ = kin_.insert(kin_.end(), this);
  if (context_->stopping) {
    Stop();
  } else if (kin_.size() > kMaxCalls && stay_ == Stay::kLasting) {
    Leave();
    End({grpc::StatusCode::RESOURCE_EXHAUSTED,
         "There are " + std::to_string(kMaxCalls) + " calls that watch or reflect, which is the limit"});
  } else if (kin_.size() > kMaxCalls) {
    // The oldest is answered at once, unless its client sends nothing or reads nothing.
    StreamCall *oldest = kin_.front();
    oldest->Leave();
    oldest->grpc_context_.TryCancel();
  }
}

void StreamCall::Leave() {
  if (place_.has_value()) {
    kin_.erase(*place_);
    place_.reset();
  }
}

void StreamCall::OnRead(bool ok) {
  --operations_;
  reading_ = false;
  if (!ok) {
    OnHalfClose();
  } else if (message_.Length() > kMaxMessageBytes) {
    End({grpc::StatusCode::RESOURCE_EXHAUSTED,
         "The message has more than " + std::to_string(kMaxMessageBytes) + " bytes"});
  } else {
    std::string text;
    const grpc::Status read = ToText(message_, &text);
    if (read.ok()) {
      OnMessage(text);
    } else {
      End({grpc::StatusCode::INVALID_ARGUMENT, "The message cannot be read: " + read.error_message()});
    }
  }
  message_.Clear();
}

void StreamCall::OnWritten(bool) {
  --operations_;
  writing_ = false;
}

void StreamCall::OnFinished(bool) { --operations_; }

void StreamCall::OnDone(bool) { done_ = true; }

void StreamCall::Proceed() {
  if (done_ || finishing_ || writing_) {
    return;
  }
  if (unsent_.has_value()) {
    grpc::Slice slice(*unsent_);
    unsent_.reset();
    writing_ = true;
    ++operations_;
    stream_.Write(grpc::ByteBuffer(&slice, 1), &written_event_);
  } else if (end_.has_value()) {
    finishing_ = true;
    ++operations_;
    stream_.Finish(*end_, &finished_event_);
  } else if (reads_on_ && !reading_) {
    reads_on_ = false;
    reading_ = true;
    ++operations_;
    stream_.Read(&message_, &read_event_);
  }
}

}  // namespace mindspore::serving
