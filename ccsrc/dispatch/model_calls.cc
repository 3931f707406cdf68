#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/log.h"
#include "dispatch/admission.h"
#include "dispatch/outgoing.h"
#include "shm/block.h"

// Model stages of workers without a device: their inputs come as blocks in the worker's reply segment, run as instances of an
// internal method of the device workers, together with everybody else's, and go back as blocks in the worker's request segment.

namespace mindspore::serving {
namespace {

// Gives the block with a call's inputs back to the worker that made it.
class InputsLease {
 public:
  InputsLease(std::shared_ptr<Channel> channel, uint64_t offset) : channel_(std::move(channel)), offset_(offset) {}
  InputsLease(const InputsLease &) = delete;
  ~InputsLease() { channel_->Release(offset_); }

 private:
  const std::shared_ptr<Channel> channel_;
  const uint64_t offset_;
};

/// The worker that waits for a model's answer. Room for it was reserved before the call began, so that it never waits for memory.
/// Deletes itself when it is told.
class ModelCallSink : public CallSink {
 public:
  ModelCallSink(std::shared_ptr<Channel> channel, const RingEntry &call, uint64_t reserved_offset,
                uint64_t reserved_bytes)
      : channel_(std::move(channel)), call_(call), offset_(reserved_offset), bytes_(reserved_bytes) {}

  void Complete(Reply reply) override {
    Error error = reply.error ? std::move(reply.error) : std::move(reply.instances.at(0).error);
    if (error || !WriteOutputs(reply.instances.at(0).outputs, &error)) {
      WriteError(std::move(error));
    }
    RingEntry answer{EntryKind::kModelResult, 0, call_.token, offset_, bytes_};
    const int bell = call_.bell < kMaxLanes ? static_cast<int>(call_.bell) : 0;
    if (!channel_->Send(answer, bell)) {
      // Its ring holds more than all that it may wait for: it has gone, or it has lost its way.
      if (!channel_->closed()) {
        Log(LogLevel::kError, "A worker takes no more answers to its model calls, its channel is closed");
      }
      channel_->Close();
    }
    delete this;
  }

 private:
  bool WriteOutputs(const std::vector<OutputTensor> &outputs, Error *error) {
    std::vector<TensorPlan> plans;
    for (const auto &output : outputs) {
      plans.push_back({.dtype = output.dtype, .shape = &output.shape, .size_bytes = output.data.size()});
    }
    const uint64_t needed = BlockBytes(plans);
    if (needed > bytes_ && !Reserve(needed)) {
      *error = MakeError(ErrorKind::kTooLarge,
                         "There is no room for the model's result of " + std::to_string(needed) + " bytes");
      Log(LogLevel::kWarning, error->text);
      return false;
    }
    std::vector<std::byte *> data(plans.size());
    WriteBlock(plans, channel_->own_segment(), offset_, channel_->Bytes(channel_->own_segment(), offset_, bytes_),
               data);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].data.empty()) {
        std::memcpy(data[i], outputs[i].data.data(), outputs[i].data.size());
      }
    }
    return true;
  }

  void WriteError(Error error) {
    if (ErrorBlockBytes(error) > bytes_ && !Reserve(ErrorBlockBytes(error))) {
      const uint64_t around = ErrorBlockBytes(error) - error.text.size();
      error.text = LimitUtf8(error.text, bytes_ > around ? bytes_ - around : 0);
    }
    WriteErrorBlock(error, channel_->Bytes(channel_->own_segment(), offset_, bytes_));
  }

  // Another block in place of the reserved one, if there is room now.
  bool Reserve(uint64_t bytes) {
    const auto offset = channel_->Allocate(bytes);
    if (!offset.has_value()) {
      return false;
    }
    channel_->DropReference(offset_);
    offset_ = *offset;
    bytes_ = bytes;
    return true;
  }

  const std::shared_ptr<Channel> channel_;
  const RingEntry call_;
  uint64_t offset_;
  uint64_t bytes_;
};

// The call's one instance, its tensors pointing into the worker's block.
std::unique_ptr<Request> ReadModelCall(const std::shared_ptr<Channel> &channel, const RingEntry &entry) {
  const auto block = channel->Bytes(SegmentId::kReply, entry.offset, entry.size_bytes);
  auto request = std::make_unique<Request>(std::make_shared<InputsLease>(channel, entry.offset));
  BlockContents contents;
  ReadBlock(block, SegmentId::kReply, entry.offset, 0, 0, &contents);
  InputInstance instance{std::pmr::vector<InputTensor>(request->memory())};
  for (size_t i = 0; i < contents.tensors.size(); ++i) {
    const BlockTensor &from = contents.tensors[i];
    std::string name(1, 'x');
    name += std::to_string(i);
    auto *kept_name = static_cast<char *>(request->memory()->allocate(name.size(), 1));
    std::memcpy(kept_name, name.data(), name.size());
    InputTensor tensor;
    tensor.name = {kept_name, name.size()};
    tensor.dtype = from.dtype;
    tensor.wire_dtype = static_cast<int32_t>(from.dtype);
    tensor.shape = from.shape;
    tensor.data = ByteRope(channel->Bytes(from.segment, from.offset, from.size_bytes));
    tensor.text_count = IsText(from.dtype) ? 1 : 0;
    instance.items.push_back(tensor);
  }
  request->instances.push_back(std::move(instance));
  return request;
}

// What the answer takes at least: a short error.
uint64_t ReservedBytes(const Channel &channel, const RingEntry &entry) {
  const uint64_t least = ErrorBlockBytes(MakeError(ErrorKind::kInternal, std::string(256, 'x')));
  return std::clamp<uint64_t>(entry.reserve_bytes, least, channel.max_block_bytes());
}

}  // namespace

void Dispatcher::StartParkedCalls(Endpoint *endpoint, WorkerLink *link) {
  while (!link->parked_calls.empty() && StartModelCall(endpoint, link, link->parked_calls.front())) {
    link->parked_calls.pop_front();
  }
}

// False when there is no room for the result now.
bool Dispatcher::StartModelCall(Endpoint *endpoint, WorkerLink *link, const RingEntry &entry) {
  const uint64_t reserved_bytes = ReservedBytes(*link->channel, entry);
  const auto reserved = link->channel->Allocate(reserved_bytes);
  if (!reserved.has_value()) {
    return false;
  }
  auto *sink = new ModelCallSink(link->channel, entry, *reserved, reserved_bytes);
  try {
    SubmitModelCall(endpoint, link->remote_methods.at(entry.method), ReadModelCall(link->channel, entry), sink);
  } catch (const std::exception &error) {
    Log(LogLevel::kError, "Worker " + link->label + " sent a malformed model call: " + error.what());
    Reply reply;
    reply.error = MakeError(ErrorKind::kInternal,
                            std::string("Serving Error: a worker sent a malformed model call: ") + error.what());
    sink->Complete(std::move(reply));
  }
  return true;
}

void Dispatcher::SubmitModelCall(Endpoint *endpoint, const std::string &method, std::unique_ptr<Request> request,
                                 CallSink *sink) {
  std::vector<Outgoing> outgoing;
  Error refusal;
  {
    std::lock_guard lock(mutex_);
    const auto found = endpoint->methods.find(method);
    if (stopped_ || found == endpoint->methods.end() ||
        (endpoint->starting == 0 && !HasReadyWorker(*endpoint, *found->second))) {
      refusal = MakeError(ErrorKind::kNoWorker, "servable is not available");
    } else if (!(refusal = CheckInstances(*request, *found->second->info))) {
      MethodQueue *queue = found->second.get();
      queue->waiting.push_back(
        {std::make_shared<Call>(std::move(request), queue->info, found->second, sink, false), 0, 0});
      TakeReady(endpoint, &outgoing);
    }
  }
  if (refusal) {
    Reply reply;
    reply.error = std::move(refusal);
    sink->Complete(std::move(reply));
    return;
  }
  SendAll(std::move(outgoing));
}

}  // namespace mindspore::serving
