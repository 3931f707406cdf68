#include "dispatch/json_front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/peer.h"
#include "wire/json_codec.h"

namespace mindspore::serving {
namespace {

using ::testing::HasSubstr;

std::vector<JsonFront::Completion> WaitForCompletions(JsonFront *front, size_t count) {
  std::vector<JsonFront::Completion> all;
  const auto end = Clock::now() + kPatience;
  while (all.size() < count && Clock::now() < end) {
    for (auto &completion : front->TakeCompletions()) {
      all.push_back(std::move(completion));
    }
    std::this_thread::yield();
  }
  return all;
}

ByteSpan Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(JsonFront, AnswersCallsByNumber) {
  Dispatcher dispatcher;
  JsonFront front(&dispatcher);
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  const uint64_t good = front.Submit({"demo", "echo", 0}, Bytes(R"({"instances":{"x":[1,2]}})"));
  const uint64_t bad = front.Submit({"demo", "echo", 0}, Bytes("{"));
  peer.Echo(peer.Take());
  auto completions = WaitForCompletions(&front, 2);
  ASSERT_EQ(completions.size(), 2U);
  std::ranges::sort(completions, {}, &JsonFront::Completion::call);
  EXPECT_EQ(completions[0].call, good);
  EXPECT_EQ(completions[0].http_status, 200);
  EXPECT_EQ(completions[0].body, R"({"instances":[{"y":[1,2]}]})");
  EXPECT_EQ(completions[1].call, bad);
  EXPECT_EQ(completions[1].http_status, 400);
  EXPECT_THAT(completions[1].body, HasSubstr("Illegal JSON format"));
  dispatcher.Stop();
}

TEST(JsonFront, AnswersWithoutTheBodyWhatItsContentCannotChange) {
  Dispatcher dispatcher(1);
  JsonFront front(&dispatcher);
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  const std::string no_json(JsonFront::kDecodeInlineBytes + 1, '{');
  for (const Target &unknown : {Target{"nobody", "echo", 0}, Target{"demo", "echo", 2}, Target{"demo", "other", 0}}) {
    const Error refusal = dispatcher.CheckTarget(unknown);
    EXPECT_EQ(refusal.kind, ErrorKind::kUnknownServable);
    for (const size_t size : {size_t{1}, no_json.size()}) {
      front.Submit(unknown, Bytes(no_json).first(size));
      const auto completions = front.TakeCompletions();  // at once, since nothing is decoded
      ASSERT_EQ(completions.size(), 1U);
      EXPECT_EQ(completions[0].http_status, 404);
      EXPECT_EQ(completions[0].body, EncodeJsonError(refusal));
    }
  }
  const Target echo = {"demo", "echo", 0};
  EXPECT_FALSE(dispatcher.CheckTarget(echo));
  front.Submit(echo, Bytes(R"({"instances":{"x":1}})"));
  EXPECT_EQ(dispatcher.CheckTarget(echo).kind, ErrorKind::kQueueFull);
  peer.Take();
  dispatcher.Stop();
  dispatcher.set_max_enqueued_requests(2);
  EXPECT_EQ(dispatcher.CheckTarget(echo).kind, ErrorKind::kNoWorker);
}

TEST(JsonFront, DecodesLargeBodiesAsideAndForgetsCancelledCalls) {
  Dispatcher dispatcher;
  JsonFront front(&dispatcher);
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  const std::string body = R"({"instances":{"x":")" + std::string(JsonFront::kDecodeInlineBytes, 'a') + "\"}}";
  const uint64_t dropped = front.Submit({"demo", "echo", 0}, Bytes(body));
  front.Cancel(dropped);
  const uint64_t kept = front.Submit({"demo", "echo", 0}, Bytes(body));
  std::thread worker([&peer] {
    while (!peer.channel->closed()) {
      if (const auto entry = peer.TakeNow()) {
        peer.Echo(*entry);
      }
      std::this_thread::yield();
    }
  });
  const auto completions = WaitForCompletions(&front, 1);
  ASSERT_EQ(completions.size(), 1U);
  EXPECT_EQ(completions[0].call, kept);
  EXPECT_EQ(completions[0].http_status, 200);
  peer.channel->Close();
  worker.join();
  dispatcher.Stop();
}

}  // namespace
}  // namespace mindspore::serving
