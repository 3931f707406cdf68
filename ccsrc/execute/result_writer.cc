#include "execute/result_writer.h"

#include <cstring>
#include <string>
#include <utility>

#include "base/log.h"

namespace mindspore::serving {
namespace {

TensorPlan PlanOutput(const Instance &instance, const Value &value) {
  TensorPlan plan{value.dtype, &value.shape, value.size_bytes};
  if (instance.lease && instance.lease->Holds(value)) {
    plan.in_block = false;
    plan.segment = SegmentId::kRequest;
    plan.offset = instance.lease->OffsetOf(value);
  }
  return plan;
}

}  // namespace

void ResultWriter::Write(InstancePtr instance, const Error &error) {
  {
    // One lock over the refusal and the list: room that comes after the refusal is seen by a Flush that finds the
    // instance there.
    std::lock_guard lock(mutex_);
    if (!pending_.empty() || !TryWrite(*instance, error)) {
      pending_.push_back(Pending{std::move(instance), error});
      pending_count_.store(pending_.size());
      return;
    }
  }
  // The instance ends without the lock: its memory may belong to Python, which has a lock of its own.
}

bool ResultWriter::Flush() {
  if (!has_pending()) {
    return false;
  }
  std::vector<Pending> sent;  // ends without the lock, as in Write
  std::unique_lock lock(mutex_);
  if (!channel_->TakeSpaceFreed()) {
    return false;
  }
  while (!pending_.empty() && TryWrite(*pending_.front().instance, pending_.front().error)) {
    sent.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  pending_count_.store(pending_.size());
  lock.unlock();
  return !sent.empty();
}

bool ResultWriter::TryWrite(const Instance &instance, const Error &error) {
  return error ? TryWriteError(instance, error) : TryWriteOutputs(instance);
}

bool ResultWriter::TryWriteOutputs(const Instance &instance) {
  const std::vector<uint32_t> &returns = instance.method->returns;
  std::vector<TensorPlan> plans;
  plans.reserve(returns.size());
  for (uint32_t slot : returns) {
    plans.push_back(PlanOutput(instance, instance.values[slot]));
  }
  const uint64_t size_bytes = BlockBytes(plans);
  if (size_bytes > channel_->max_block_bytes()) {
    const Error error = MakeError(ErrorKind::kTooLarge,
                                  "The result of one instance takes " + std::to_string(size_bytes) +
                                    " bytes, more than the limit of " + std::to_string(channel_->max_block_bytes()));
    Log(LogLevel::kWarning, error.text);
    return TryWriteError(instance, error);
  }
  const auto offset = channel_->Allocate(size_bytes);
  if (!offset) {
    return false;
  }
  const std::span<std::byte> block = channel_->Bytes(SegmentId::kReply, *offset, size_bytes);
  std::vector<std::byte *> data(plans.size());
  WriteBlock(plans, SegmentId::kReply, *offset, block, data);
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].in_block && plans[i].size_bytes > 0) {
      std::memcpy(data[i], instance.values[returns[i]].data, plans[i].size_bytes);
    }
  }
  return Send(instance, *offset, size_bytes);
}

bool ResultWriter::TryWriteError(const Instance &instance, const Error &error) {
  const uint64_t size_bytes = ErrorBlockBytes(error);
  const auto offset = channel_->Allocate(size_bytes);
  if (!offset) {
    return false;
  }
  WriteErrorBlock(error, channel_->Bytes(SegmentId::kReply, *offset, size_bytes));
  return Send(instance, *offset, size_bytes);
}

bool ResultWriter::Send(const Instance &instance, uint64_t offset, uint64_t size_bytes) {
  const bool sent = channel_->Send(RingEntry{EntryKind::kResult, 0, instance.token, offset, size_bytes, {}}, kNoBell);
  if (!sent) {
    channel_->DropReference(offset);
  }
  return sent;
}

}  // namespace mindspore::serving
