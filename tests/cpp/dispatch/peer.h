#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/dispatcher.h"
#include "shm/block.h"
#include "shm/channel.h"

namespace mindspore::serving {

inline constexpr std::chrono::seconds kPatience{20};

/// A worker of the tests' own: the other end of a channel, driven step by step.
class Peer {
 public:
  explicit Peer(const ChannelOptions &options = {.request_bytes = 1 << 20, .reply_bytes = 1 << 20, .ring_entries = 256})
      : master(Channel::Create(options)) {
    std::vector<int> fds;
    for (int fd : master->peer_fds()) {
      fds.push_back(::dup(fd));
    }
    channel = Channel::Attach(fds);
  }

  /// The next instance; waits for it.
  RingEntry Take() {
    for (;;) {
      if (const auto entry = TakeNow()) {
        return *entry;
      }
      channel->PrepareSleep(0);
      if (const auto entry = TakeNow()) {
        channel->CancelSleep(0);
        return *entry;
      }
      channel->Sleep(0);
    }
  }
  /// What is there now, cancellations apart.
  std::optional<RingEntry> TakeNow() {
    for (auto entry = channel->Receive(); entry.has_value(); entry = channel->Receive()) {
      if (entry->kind == EntryKind::kInstance) {
        return entry;
      }
      cancelled.push_back(entry->token);
    }
    return std::nullopt;
  }

  BlockContents Inputs(const RingEntry &entry) {
    BlockContents contents;
    ReadBlock(channel->Bytes(SegmentId::kRequest, entry.offset, entry.size_bytes), SegmentId::kRequest, entry.offset, 0,
              0, &contents);
    return contents;
  }

  /// Answers with the instance's first input, from where it lies, and gives the block back.
  void Echo(const RingEntry &entry) {
    const BlockTensor input = Inputs(entry).tensors.at(0);
    const TensorPlan plan = {.dtype = input.dtype,
                             .shape = &input.shape,
                             .size_bytes = input.size_bytes,
                             .in_block = false,
                             .segment = SegmentId::kRequest,
                             .offset = input.offset};
    Send(entry.token, std::span(&plan, 1));
    channel->Release(entry.offset);
  }
  void Send(uint64_t token, std::span<const TensorPlan> plans) {
    const uint64_t bytes = BlockBytes(plans);
    const uint64_t offset = channel->Allocate(bytes).value();
    std::vector<std::byte *> data(plans.size());
    WriteBlock(plans, SegmentId::kReply, offset, channel->Bytes(SegmentId::kReply, offset, bytes), data);
    ASSERT_TRUE(channel->Send({EntryKind::kResult, 0, token, offset, bytes, {}}, 0));
  }
  void Fail(const RingEntry &entry, const std::string &text) {
    const Error error = MakeError(ErrorKind::kStageFailed, text);
    const uint64_t bytes = ErrorBlockBytes(error);
    const uint64_t offset = channel->Allocate(bytes).value();
    WriteErrorBlock(error, channel->Bytes(SegmentId::kReply, offset, bytes));
    ASSERT_TRUE(channel->Send({EntryKind::kResult, 0, entry.token, offset, bytes, {}}, 0));
    channel->Release(entry.offset);
  }

  std::shared_ptr<Channel> master;
  std::unique_ptr<Channel> channel;
  std::vector<uint64_t> cancelled;
};

/// Takes one answer and hands it out; a second one is a failure.
class Answer : public CallSink {
 public:
  void Complete(Reply reply) override { promise_.set_value(std::move(reply)); }
  bool There() { return future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  Reply Get() {
    if (future_.wait_for(kPatience) != std::future_status::ready) {
      throw std::runtime_error("no answer came");
    }
    return future_.get();
  }

 private:
  std::promise<Reply> promise_;
  std::future<Reply> future_ = promise_.get_future();
};

inline MethodInfo EchoMethod(uint32_t credit = 8) { return {"echo", {"x"}, {"y"}, 0, credit, false}; }

/// One float32 vector per instance, all of the given length, with its number as every element.
inline std::unique_ptr<Request> FloatRequest(size_t instances, size_t length = 4, uint64_t version = 0) {
  auto request = std::make_unique<Request>(nullptr);
  request->servable = "demo";
  request->method = "echo";
  request->version = version;
  for (size_t i = 0; i < instances; ++i) {
    auto *data = static_cast<float *>(request->memory()->allocate(length * sizeof(float), alignof(float)));
    std::fill_n(data, length, static_cast<float>(i));
    InputTensor tensor;
    tensor.name = "x";
    tensor.dtype = DType::kFloat32;
    tensor.wire_dtype = 11;
    tensor.shape = Shape{static_cast<int64_t>(length)};
    tensor.data = ByteRope(std::as_bytes(std::span(data, length)));
    InputInstance instance{std::pmr::vector<InputTensor>(request->memory())};
    instance.items.push_back(tensor);
    request->instances.push_back(std::move(instance));
  }
  return request;
}

inline float FirstFloat(const InstanceResult &result) {
  EXPECT_FALSE(result.error) << result.error.text;
  float value = -1;
  std::memcpy(&value, result.outputs.at(0).data.data(), sizeof(value));
  return value;
}

}  // namespace mindspore::serving
