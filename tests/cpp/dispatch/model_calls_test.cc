#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/dispatcher.h"
#include "dispatch/peer.h"

namespace mindspore::serving {
namespace {

using ::testing::HasSubstr;

const MethodInfo kModel = {"@call_m_0", {"x0"}, {"y0"}, 0, 8, true};

/// A worker without a device, which has its model stages run elsewhere.
class ExtraPeer : public Peer {
 public:
  using Peer::Peer;

  void Call(uint64_t token, std::vector<float> values, uint32_t method = 0, uint64_t reserve_bytes = 256) {
    const Shape shape{static_cast<int64_t>(values.size())};
    const TensorPlan plan = {.dtype = DType::kFloat32, .shape = &shape, .size_bytes = values.size() * sizeof(float)};
    const uint64_t bytes = BlockBytes(std::span(&plan, 1));
    const uint64_t offset = channel->Allocate(bytes).value();
    std::byte *data = nullptr;
    WriteBlock(std::span(&plan, 1), SegmentId::kReply, offset, channel->Bytes(SegmentId::kReply, offset, bytes),
               std::span(&data, 1));
    std::memcpy(data, values.data(), plan.size_bytes);
    RingEntry entry{EntryKind::kModelCall, method, token, offset, bytes};
    entry.reserve_bytes = reserve_bytes;
    ASSERT_TRUE(channel->Send(entry, 0));
  }

  struct ModelResult {
    uint64_t token;
    std::vector<float> values;
    Error error;
  };
  ModelResult TakeResult() {
    const RingEntry entry = Next();
    EXPECT_EQ(entry.kind, EntryKind::kModelResult);
    const auto block = channel->Bytes(SegmentId::kRequest, entry.offset, entry.size_bytes);
    BlockContents contents;
    ReadBlock(block, SegmentId::kRequest, entry.offset, 0, 0, &contents);
    ModelResult result{entry.token, {}, contents.error};
    if (!contents.error) {
      const BlockTensor &tensor = contents.tensors.at(0);
      const auto *values =
        reinterpret_cast<const float *>(channel->Bytes(tensor.segment, tensor.offset, tensor.size_bytes).data());
      result.values.assign(values, values + tensor.size_bytes / sizeof(float));
    }
    channel->Release(entry.offset);
    return result;
  }

 private:
  RingEntry Next() {
    for (;;) {
      if (const auto entry = channel->Receive()) {
        return *entry;
      }
      channel->PrepareSleep(0);
      if (const auto entry = channel->Receive()) {
        channel->CancelSleep(0);
        return *entry;
      }
      channel->Sleep(0);
    }
  }
};

class ModelCalls : public ::testing::Test {
 protected:
  uint64_t AddDevice(Peer *peer) {
    return dispatcher_.AddWorker(peer->master, "demo", 1, {EchoMethod(), kModel}, true, "device");
  }
  void AddExtra(ExtraPeer *peer) {
    dispatcher_.AddWorker(peer->master, "demo", 1, {EchoMethod()}, false, "extra", {"@call_m_0"});
  }

  Dispatcher dispatcher_;
};

TEST_F(ModelCalls, RunOnADeviceWorkerAndComeBack) {
  Peer device;
  ExtraPeer extra;
  AddDevice(&device);
  AddExtra(&extra);
  extra.Call(7, {1, 2, 3});
  const RingEntry entry = device.Take();
  EXPECT_EQ(entry.method, 1U);
  device.Echo(entry);
  const auto result = extra.TakeResult();
  EXPECT_EQ(result.token, 7U);
  EXPECT_FALSE(result.error) << result.error.text;
  EXPECT_EQ(result.values, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(dispatcher_.in_flight(), 0U) << "model calls do not count as requests";
}

TEST_F(ModelCalls, DoNotCountAgainstTheRequestLimit) {
  dispatcher_.set_max_enqueued_requests(1);
  Peer device;
  ExtraPeer extra;
  AddDevice(&device);
  AddExtra(&extra);
  for (uint64_t token = 1; token <= 20; ++token) {
    extra.Call(token, {static_cast<float>(token)});
  }
  for (uint64_t token = 1; token <= 20; ++token) {
    device.Echo(device.Take());
    EXPECT_EQ(extra.TakeResult().values.size(), 1U);
  }
}

TEST_F(ModelCalls, AResultThatOutgrowsItsReservationGetsAnotherBlock) {
  Peer device;
  ExtraPeer extra;
  AddDevice(&device);
  AddExtra(&extra);
  extra.Call(1, std::vector<float>(5000, 2.0F), 0, 0);
  device.Echo(device.Take());
  EXPECT_EQ(extra.TakeResult().values, std::vector<float>(5000, 2.0F));
}

TEST_F(ModelCalls, AnErrorComesBackWithItsText) {
  Peer device;
  ExtraPeer extra;
  AddDevice(&device);
  AddExtra(&extra);
  extra.Call(1, {1});
  device.Fail(device.Take(), "Predict Failed");
  EXPECT_EQ(extra.TakeResult().error.text, "Predict Failed");
  extra.Call(2, {1});
  device.Fail(device.Take(), std::string(4000, 'x'));
  EXPECT_THAT(extra.TakeResult().error.text, HasSubstr("xxx"));
}

TEST_F(ModelCalls, WithoutADeviceWorkerFailAtOnceUnlessOneIsStarting) {
  ExtraPeer extra;
  AddExtra(&extra);
  extra.Call(1, {1});
  EXPECT_EQ(extra.TakeResult().error.kind, ErrorKind::kNoWorker);
  Peer device;
  const uint64_t worker = AddDevice(&device);
  extra.Call(2, {2});
  device.Take();
  dispatcher_.RemoveWorker(worker);
  Peer replacement;
  AddDevice(&replacement);
  replacement.Echo(replacement.Take());
  EXPECT_EQ(extra.TakeResult().values, std::vector<float>{2});
}

TEST_F(ModelCalls, AreNotBelievedWhenMalformed) {
  Peer device;
  ExtraPeer extra;
  AddDevice(&device);
  AddExtra(&extra);
  extra.Call(1, {1}, 99);
  EXPECT_THAT(extra.TakeResult().error.text, HasSubstr("malformed"));
  ASSERT_TRUE(extra.channel->Send(RingEntry{EntryKind::kModelCall, 0, 2, UINT64_MAX - 8, 64}, 0));
  EXPECT_THAT(extra.TakeResult().error.text, HasSubstr("malformed"));
  extra.Call(3, {3}, 0, UINT64_MAX);
  device.Echo(device.Take());
  EXPECT_EQ(extra.TakeResult().values, std::vector<float>{3});
}

TEST_F(ModelCalls, AreOutOfReachForClients) {
  Peer device;
  AddDevice(&device);
  auto request = FloatRequest(1);
  request->method = "@call_m_0";
  request->instances[0].items[0].name = "x0";
  Answer answer;
  dispatcher_.Submit(std::move(request), &answer);
  EXPECT_THAT(answer.Get().error.text, HasSubstr("method is not available"));
}

}  // namespace
}  // namespace mindspore::serving
