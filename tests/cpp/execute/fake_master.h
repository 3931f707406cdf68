#pragma once

#include <fcntl.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "execute/executor.h"
#include "shm/block.h"
#include "shm/channel.h"

namespace mindspore::serving::test {

/// A tensor with bytes of its own.
struct Tensor {
  DType dtype;
  Shape shape;
  std::vector<std::byte> bytes;
};

template <typename T>
Tensor MakeTensor(DType dtype, Shape shape, const std::vector<T> &elements) {
  const auto bytes = std::as_bytes(std::span(elements));
  return Tensor{dtype, shape, {bytes.begin(), bytes.end()}};
}

inline Tensor Floats(Shape shape, const std::vector<float> &elements) {
  return MakeTensor(DType::kFloat32, shape, elements);
}

inline Tensor Scalar(int64_t number) { return MakeTensor<int64_t>(DType::kInt64, {}, {number}); }

template <typename T>
std::vector<T> Elements(std::span<const std::byte> bytes) {
  std::vector<T> elements(bytes.size() / sizeof(T));
  if (!elements.empty()) {
    std::memcpy(elements.data(), bytes.data(), elements.size() * sizeof(T));
  }
  return elements;
}

/// One kResult as the master sees it; its memory is given back already.
struct Result {
  uint64_t token = 0;
  Error error;
  std::vector<Tensor> outputs;
  std::vector<SegmentId> segments;  ///< where each output lay
};

/// The master's end of a channel, and the worker's end in the same process.
class FakeMaster {
 public:
  explicit FakeMaster(ChannelOptions options = {size_t{1} << 20, size_t{1} << 20, 256})
      : channel_(Channel::Create(options)) {
    std::vector<int> fds;
    for (int fd : channel_->peer_fds()) {
      fds.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    }
    worker_ = Channel::Attach(fds);
  }

  Channel &channel() { return *channel_; }
  std::shared_ptr<Channel> worker() { return worker_; }

  void SendInstance(uint32_t method, uint64_t token, const std::vector<Tensor> &inputs, int lane = 0) {
    std::vector<TensorPlan> plans;
    for (const Tensor &input : inputs) {
      plans.push_back(TensorPlan{input.dtype, &input.shape, input.bytes.size()});
    }
    const uint64_t size_bytes = BlockBytes(plans);
    const uint64_t offset = channel_->Allocate(size_bytes).value();
    std::vector<std::byte *> data(inputs.size());
    WriteBlock(plans, SegmentId::kRequest, offset, channel_->Bytes(SegmentId::kRequest, offset, size_bytes), data);
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::ranges::copy(inputs[i].bytes, data[i]);
    }
    blocks_.emplace_back(token, std::pair(offset, size_bytes));
    SendEntry(RingEntry{EntryKind::kInstance, method, token, offset, size_bytes, {}}, lane);
  }
  void SendEntry(const RingEntry &entry, int lane = 0) {
    if (!channel_->Send(entry, lane)) {
      throw std::runtime_error("the request ring is full");
    }
  }

  /// The next result that is there; nothing when there is none.
  std::optional<Result> Take(bool release = true) {
    const auto entry = channel_->Receive();
    if (!entry) {
      return std::nullopt;
    }
    Result result;
    result.token = entry->token;
    std::pair<uint64_t, uint64_t> inputs{0, 0};
    for (const auto &[token, block] : blocks_) {
      inputs = token == entry->token ? block : inputs;
    }
    BlockContents contents;
    const auto block = channel_->Bytes(SegmentId::kReply, entry->offset, entry->size_bytes);
    ReadBlock(block, SegmentId::kReply, entry->offset, inputs.first, inputs.second, &contents);
    result.error = contents.error;
    for (const BlockTensor &tensor : contents.tensors) {
      const auto bytes = channel_->Bytes(tensor.segment, tensor.offset, tensor.size_bytes);
      result.outputs.push_back(Tensor{tensor.dtype, tensor.shape, {bytes.begin(), bytes.end()}});
      result.segments.push_back(tensor.segment);
    }
    if (release) {
      channel_->Release(entry->offset);
    } else {
      kept_.push_back(entry->offset);
    }
    return result;
  }
  /// Sleeps until there is a result.
  Result Wait() {
    for (;;) {
      if (auto result = Take()) {
        return std::move(*result);
      }
      channel_->PrepareSleep(0);
      if (auto result = Take()) {
        channel_->CancelSleep(0);
        return std::move(*result);
      }
      channel_->Sleep(0);
    }
  }
  /// Gives back what Take kept.
  void ReleaseKept() {
    for (uint64_t offset : kept_) {
      channel_->Release(offset);
    }
    kept_.clear();
  }

 private:
  std::unique_ptr<Channel> channel_;
  std::shared_ptr<Channel> worker_;
  std::vector<std::pair<uint64_t, std::pair<uint64_t, uint64_t>>> blocks_;  ///< token, offset and size
  std::vector<uint64_t> kept_;
};

inline Stage PythonStage(std::vector<uint32_t> inputs, uint32_t first_output, uint32_t batch_size = 1,
                         bool per_instance = true) {
  Stage stage;
  stage.inputs = std::move(inputs);
  stage.first_output = first_output;
  stage.outputs_count = 1;
  stage.batch_size = batch_size;
  stage.per_instance = per_instance;
  return stage;
}

inline Stage ModelStage(std::vector<uint32_t> inputs, uint32_t first_output, uint32_t model = 0) {
  Stage stage;
  stage.kind = StageKind::kModel;
  stage.inputs = std::move(inputs);
  stage.first_output = first_output;
  stage.outputs_count = 1;
  stage.model = model;
  return stage;
}

inline Method MakeMethod(uint32_t inputs_count, std::vector<Stage> stages, std::vector<uint32_t> returns) {
  Method method;
  method.name = "method";
  method.inputs_count = inputs_count;
  method.stages = std::move(stages);
  method.returns = std::move(returns);
  return method;
}

/// The first input of each instance is its stage's output.
inline void Echo(Executor *executor, Batch *batch) {
  Bells bells;
  for (InstancePtr &instance : batch->instances) {
    std::vector<Value> outputs{instance->input(0)};
    executor->Complete(std::move(instance), outputs, &bells);
  }
  executor->Ring(&bells);
}

}  // namespace mindspore::serving::test
