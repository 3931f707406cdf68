#include "execute/remote_models.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/log.h"

namespace mindspore::serving {
namespace {

// Entries that wait for an answer; with the instances of the master (1,024 at most) they fit the ring of 4,096.
constexpr size_t kMaxSent = 512;
// Room for a short error text where a result is smaller than that.
constexpr size_t kErrorTextBytes = 512;

uint64_t ReserveBytes(const Subgraph &subgraph) {
  std::vector<TensorPlan> plans;
  for (const TensorSpec &spec : subgraph.outputs) {
    if (!spec.fixed) {
      return 0;
    }
    plans.push_back(TensorPlan{spec.dtype, &spec.shape, spec.size_bytes});
  }
  const Error error = MakeError(ErrorKind::kModelFailed, std::string(kErrorTextBytes, 'x'));
  return std::max(BlockBytes(plans), ErrorBlockBytes(error));
}

std::vector<TensorPlan> PlanInputs(const Instance &instance) {
  std::vector<TensorPlan> plans;
  for (size_t i = 0; i < instance.stage().inputs.size(); ++i) {
    const Value &value = instance.input(i);
    plans.push_back(TensorPlan{value.dtype, &value.shape, value.size_bytes});
  }
  return plans;
}

// What the user's code, or the client, is told of an error that happened elsewhere.
Error RemoteError(const Error &error) {
  if (error.kind == ErrorKind::kNoWorker) {
    return MakeError(ErrorKind::kModelFailed, "There are no available inference processes that occupy devices");
  }
  return MakeError(ErrorKind::kModelFailed, "Remote call model failed: " + error.text);
}

}  // namespace

RemoteModels::RemoteModels(std::shared_ptr<Channel> channel, const Plan &plan) : channel_(std::move(channel)) {
  uint32_t number = 0;
  for (const Model &model : plan.models) {
    auto &targets = targets_.emplace_back();
    for (const Subgraph &subgraph : model.subgraphs) {
      targets.push_back(Target{number++, model.remote ? ReserveBytes(subgraph) : 0});
    }
  }
}

std::optional<RemoteModels::Refused> RemoteModels::Start(InstancePtr instance) {
  const uint64_t size_bytes = BlockBytes(PlanInputs(*instance));
  if (size_bytes > channel_->max_block_bytes()) {
    const auto text = "The inputs of the model take " + std::to_string(size_bytes) + " bytes, more than the limit of " +
                      std::to_string(channel_->max_block_bytes());
    Log(LogLevel::kWarning, text);
    return Refused{std::move(instance), MakeError(ErrorKind::kTooLarge, text)};
  }
  if (!waiting_.empty() || !TrySend(&instance)) {
    waiting_.push_back(std::move(instance));
  }
  return std::nullopt;
}

bool RemoteModels::Flush() {
  bool any = false;
  while (!waiting_.empty() && TrySend(&waiting_.front())) {
    waiting_.pop_front();
    any = true;
  }
  return any;
}

bool RemoteModels::TrySend(InstancePtr *instance) {
  if (sent_.size() >= kMaxSent) {
    return false;
  }
  const Stage &stage = (*instance)->stage();
  const std::vector<TensorPlan> plans = PlanInputs(**instance);
  const uint64_t size_bytes = BlockBytes(plans);
  const auto offset = channel_->Allocate(size_bytes);
  if (!offset) {
    return false;
  }
  std::vector<std::byte *> data(plans.size());
  WriteBlock(plans, SegmentId::kReply, *offset, channel_->Bytes(SegmentId::kReply, *offset, size_bytes), data);
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].size_bytes > 0) {
      std::memcpy(data[i], (*instance)->input(i).data, plans[i].size_bytes);
    }
  }
  const Target &target = targets_[stage.model][stage.subgraph];
  RingEntry entry{EntryKind::kModelCall, target.number, next_token_, *offset, size_bytes};
  entry.reserve_bytes = target.reserve_bytes;
  entry.bell = (*instance)->call ? kCallLane : kStageLane;
  if (!channel_->Send(entry, kNoBell)) {
    channel_->DropReference(*offset);
    return false;
  }
  sent_.emplace(next_token_++, std::move(*instance));
  return true;
}

std::optional<RemoteModels::Returned> RemoteModels::Take(const RingEntry &entry) {
  const auto found = sent_.find(entry.token);
  if (found == sent_.end()) {
    Log(LogLevel::kWarning, "The master sent a model's result that nobody waits for");
    channel_->Release(entry.offset);
    return std::nullopt;
  }
  Returned returned;
  returned.instance = std::move(found->second);
  sent_.erase(found);
  returned.outputs = ReadOutputs(entry, returned.instance->stage().outputs_count, &returned.error);
  return returned;
}

std::vector<Value> RemoteModels::ReadOutputs(const RingEntry &entry, size_t count, Error *error) {
  std::vector<Value> outputs;
  try {
    const auto block = channel_->Bytes(SegmentId::kRequest, entry.offset, entry.size_bytes);
    const auto lease = std::make_shared<RequestLease>(channel_, entry.offset, block);
    ReadBlock(block, SegmentId::kRequest, entry.offset, 0, 0, &contents_);
    if (contents_.error) {
      *error = RemoteError(contents_.error);
      return {};
    }
    if (contents_.tensors.size() != count) {
      throw std::out_of_range("the model has another number of outputs");
    }
    for (const BlockTensor &tensor : contents_.tensors) {
      std::byte *data = block.data() + (tensor.offset - entry.offset);
      outputs.push_back(Value{tensor.dtype, tensor.shape, data, tensor.size_bytes, false, lease});
    }
  } catch (const std::exception &exception) {
    *error =
      MakeError(ErrorKind::kInternal, std::string("The worker cannot read a model's result: ") + exception.what());
    Log(LogLevel::kError, error->text);
    outputs.clear();
  }
  return outputs;
}

}  // namespace mindspore::serving
