#include "dispatch/json_front.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "dispatch/admission.h"
#include "wire/json_codec.h"

namespace mindspore::serving {
namespace {

UniqueFd MakeEvent() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  return event;
}

// Texts about the content of a body carry this prefix, those about its syntax do not.
Error AsBodyError(const Error &error) {
  if (error.text.starts_with("Illegal JSON format")) {
    return error;
  }
  return MakeError(error.kind, error.code, "Parser request failed, " + error.text);
}

}  // namespace

/// One call's answer on its way to the queue. Deletes itself when it is told.
class JsonFront::Sink : public CallSink {
 public:
  Sink(JsonFront *front, uint64_t call) : front_(front), call_(call) {}
  void Complete(Reply reply) override {
    front_->Report(call_, HttpStatusOf(reply), EncodeJsonReply(reply));
    delete this;
  }

 private:
  JsonFront *const front_;
  const uint64_t call_;
};

JsonFront::JsonFront(Dispatcher *dispatcher)
    : dispatcher_(dispatcher), event_(MakeEvent()), decoder_([this] { DecodeLoop(); }) {}

JsonFront::~JsonFront() { Stop(); }

uint64_t JsonFront::Submit(Target target, ByteSpan body) {
  // Before the body is looked at: decoding a large one would be in vain.
  Error refusal = dispatcher_->CheckTarget(target);
  uint64_t call;
  RequestLimits limits;
  {
    std::lock_guard lock(mutex_);
    limits = limits_;
    call = next_call_++;
    calls_.emplace(call, nullptr);
    const bool aside = body.size() > kDecodeInlineBytes && !stopping_ && !refusal;
    if (aside && undecoded_.size() >= dispatcher_->max_enqueued_requests()) {
      refusal = QueueFull(dispatcher_->max_enqueued_requests());
    } else if (aside) {
      undecoded_.push_back({call, std::move(target), {reinterpret_cast<const char *>(body.data()), body.size()}});
      decode_wanted_.notify_one();
      return call;
    }
  }
  if (refusal) {
    LogRefusal(refusal);
    Report(call, HttpStatus(refusal.kind), EncodeJsonError(refusal));
  } else {
    Start(call, std::move(target), body, limits);
  }
  return call;
}

void JsonFront::set_limits(const RequestLimits &limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
}

void JsonFront::Start(uint64_t call, Target target, ByteSpan body, const RequestLimits &limits) {
  std::unique_ptr<Request> request;
  try {
    request = DecodeJsonRequest(body, std::move(target.servable), std::move(target.method), target.version, limits);
  } catch (const ServingError &error) {
    Report(call, HttpStatus(error.error().kind), EncodeJsonError(AsBodyError(error.error())));
    return;
  }
  std::shared_ptr<Call> started = dispatcher_->Submit(std::move(request), new Sink(this, call));
  if (started == nullptr) {
    return;
  }
  {
    std::lock_guard lock(mutex_);
    const auto found = calls_.find(call);
    if (found != calls_.end()) {
      found->second = std::move(started);
      return;
    }
  }
  // It is complete, or it was cancelled while it was being decoded; cancelling a complete call does nothing.
  dispatcher_->Cancel(started);
}

void JsonFront::Cancel(uint64_t call) {
  std::shared_ptr<Call> started;
  {
    std::lock_guard lock(mutex_);
    const auto found = calls_.find(call);
    if (found == calls_.end()) {
      return;
    }
    started = std::move(found->second);
    calls_.erase(found);
    std::erase_if(undecoded_, [call](const Undecoded &waiting) { return waiting.call == call; });
  }
  if (started != nullptr) {
    dispatcher_->Cancel(started);
  }
}

std::vector<JsonFront::Completion> JsonFront::TakeCompletions() {
  uint64_t count;
  (void)!::read(event_.get(), &count, sizeof(count));
  std::vector<Completion> taken;
  std::lock_guard lock(mutex_);
  taken.swap(completions_);
  return taken;
}

void JsonFront::Report(uint64_t call, int http_status, std::string body) {
  bool first;
  {
    std::lock_guard lock(mutex_);
    if (calls_.erase(call) == 0) {
      return;  // cancelled
    }
    first = completions_.empty();
    completions_.push_back({call, http_status, std::move(body)});
  }
  if (first) {
    const uint64_t one = 1;
    (void)!::write(event_.get(), &one, sizeof(one));
  }
}

void JsonFront::DecodeLoop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    decode_wanted_.wait(lock, [this] { return stopping_ || !undecoded_.empty(); });
    if (undecoded_.empty()) {
      return;
    }
    Undecoded next = std::move(undecoded_.front());
    undecoded_.pop_front();
    const bool cancelled = !calls_.contains(next.call);
    const RequestLimits limits = limits_;
    lock.unlock();
    if (!cancelled) {
      Start(next.call, std::move(next.target), std::as_bytes(std::span(next.body)), limits);
    }
    lock.lock();
  }
}

void JsonFront::Stop() {
  std::thread decoder;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    decode_wanted_.notify_all();
    std::swap(decoder, decoder_);
  }
  if (decoder.joinable()) {
    decoder.join();
  }
}

}  // namespace mindspore::serving
