#include "dispatch/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/peer.h"

namespace mindspore::serving {
namespace {

using ::testing::HasSubstr;

TEST(Dispatcher, AnswersFromWhereTheInputLies) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  Answer answer;
  dispatcher.Submit(FloatRequest(1), &answer);
  peer.Echo(peer.Take());
  {
    const Reply reply = answer.Get();
    ASSERT_FALSE(reply.error) << reply.error.text;
    EXPECT_EQ(reply.servable, "demo");
    EXPECT_EQ(reply.version, 0U);
    EXPECT_EQ(reply.instances.at(0).outputs.at(0).name, "y");
    EXPECT_EQ(FirstFloat(reply.instances.at(0)), 0.0F);
    EXPECT_GT(peer.master->used_bytes(), 0U) << "the reply points into the request's block";
  }
  EXPECT_EQ(dispatcher.in_flight(), 0U);
  peer.TakeNow();  // carries out the release of the result block
  EXPECT_EQ(peer.channel->used_bytes(), 0U);
}

TEST(Dispatcher, ZeroSizedShapesAreValidWhereverTheZeroStands) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  auto request = FloatRequest(1, 0);
  request->instances[0].items[0].shape = Shape{0, 3};
  Answer answer;
  dispatcher.Submit(std::move(request), &answer);
  peer.Echo(peer.Take());
  EXPECT_EQ(answer.Get().instances.at(0).outputs.at(0).shape, (Shape{0, 3}));
}

TEST(Dispatcher, TheLimitCountsRequestsInProgress) {
  Dispatcher dispatcher(1);
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  Answer first;
  Answer second;
  dispatcher.Submit(FloatRequest(1), &first);
  dispatcher.Submit(FloatRequest(1), &second);
  EXPECT_EQ(second.Get().error.text, "Serving Error: enqueued requests count exceeds the limit 1");
  auto request = FloatRequest(1);
  request->servable = "nobody";
  Answer unknown;
  dispatcher.Submit(std::move(request), &unknown);
  EXPECT_THAT(unknown.Get().error.text, HasSubstr("exceeds the limit 1"))
    << "the limit comes before what a request says";
  peer.Echo(peer.Take());
  first.Get();
  Answer third;
  dispatcher.Submit(FloatRequest(1), &third);
  peer.Echo(peer.Take());
  EXPECT_FALSE(third.Get().error);
}

TEST(Dispatcher, SendsNoMoreThanTheCredit) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod(2)}, true, "w");
  Answer answer;
  dispatcher.Submit(FloatRequest(3), &answer);
  const RingEntry first = peer.Take();
  const RingEntry second = peer.Take();
  EXPECT_FALSE(peer.TakeNow().has_value());
  peer.Echo(second);
  peer.Echo(peer.Take());
  peer.Echo(first);
  const Reply reply = answer.Get();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(FirstFloat(reply.instances.at(i)), static_cast<float>(i)) << "results keep the order of the request";
  }
}

TEST(Dispatcher, SpreadsARequestOverWorkers) {
  Dispatcher dispatcher;
  Peer a;
  Peer b;
  dispatcher.AddWorker(a.master, "demo", 1, {EchoMethod(2)}, true, "a");
  dispatcher.AddWorker(b.master, "demo", 1, {EchoMethod(2)}, true, "b");
  Answer answer;
  dispatcher.Submit(FloatRequest(4), &answer);
  for (Peer *peer : {&a, &b, &a, &b}) {
    peer->Echo(peer->Take());
  }
  const Reply reply = answer.Get();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(FirstFloat(reply.instances.at(i)), static_cast<float>(i));
  }
}

TEST(Dispatcher, OneFailedInstanceLeavesItsNeighbours) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  Answer answer;
  dispatcher.Submit(FloatRequest(3), &answer);
  peer.Echo(peer.Take());
  peer.Fail(peer.Take(), "broken");
  peer.Echo(peer.Take());
  const Reply reply = answer.Get();
  EXPECT_FALSE(reply.error);
  EXPECT_EQ(FirstFloat(reply.instances.at(0)), 0.0F);
  EXPECT_EQ(reply.instances.at(1).error.text, "broken");
  EXPECT_EQ(FirstFloat(reply.instances.at(2)), 2.0F);
}

TEST(Dispatcher, RunsTheInstancesOfADeadWorkerElsewhere) {
  Dispatcher dispatcher;
  Peer a;
  Peer b;
  const uint64_t first = dispatcher.AddWorker(a.master, "demo", 1, {EchoMethod()}, true, "a");
  Answer answer;
  dispatcher.Submit(FloatRequest(3), &answer);
  a.Echo(a.Take());
  a.Take();
  dispatcher.RemoveWorker(first);
  EXPECT_FALSE(answer.There()) << "two instances wait for the replacement";
  dispatcher.AddWorker(b.master, "demo", 1, {EchoMethod()}, true, "b");
  b.Echo(b.Take());
  b.Echo(b.Take());
  EXPECT_FALSE(b.TakeNow().has_value()) << "a result written before the death counts";
  const Reply reply = answer.Get();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(FirstFloat(reply.instances.at(i)), static_cast<float>(i));
  }
}

TEST(Dispatcher, IsolatesAnInstanceThatKillsWorkers) {
  Dispatcher dispatcher;
  Answer poison;
  Answer neighbour;
  {
    Peer peer;
    const uint64_t worker = dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "1");
    dispatcher.Submit(FloatRequest(1, 7), &poison);
    dispatcher.Submit(FloatRequest(1, 4), &neighbour);
    peer.Take();
    peer.Take();
    dispatcher.RemoveWorker(worker);
  }
  {
    Peer peer;
    const uint64_t worker = dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "2");
    peer.Take();
    peer.Take();
    dispatcher.RemoveWorker(worker);
  }
  Peer peer;
  uint64_t worker = dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "3");
  const RingEntry alone = peer.Take();
  EXPECT_FALSE(peer.TakeNow().has_value()) << "the last try runs alone";
  if (peer.Inputs(alone).tensors.at(0).size_bytes == 4 * sizeof(float)) {
    peer.Echo(alone);
    peer.Take();
    dispatcher.RemoveWorker(worker, "exit code 1");
  } else {
    dispatcher.RemoveWorker(worker, "exit code 1");
    Peer last;
    worker = dispatcher.AddWorker(last.master, "demo", 1, {EchoMethod()}, true, "4");
    last.Echo(last.Take());
    EXPECT_FALSE(neighbour.Get().error);
  }
  const Reply reply = poison.Get();
  EXPECT_EQ(reply.error.kind, ErrorKind::kInternal);
  EXPECT_EQ(reply.error.text,
            "Serving Error: 3 workers died while they ran this instance of servable demo, method echo, it is not "
            "tried again; the last worker: exit code 1");
}

TEST(Dispatcher, AnswersAtOnceWhenNoWorkerIsToBeExpected) {
  Dispatcher dispatcher;
  Peer peer;
  const uint64_t worker = dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  Answer waiting;
  dispatcher.Submit(FloatRequest(1), &waiting);
  peer.Take();
  dispatcher.RemoveWorker(worker);
  EXPECT_FALSE(waiting.There());
  dispatcher.SetStarting("demo", 1, 0);
  EXPECT_EQ(waiting.Get().error.code, ErrorCode::kServableUnavailable);
  Answer late;
  EXPECT_EQ(dispatcher.Submit(FloatRequest(1), &late), nullptr);
  EXPECT_EQ(late.Get().error.code, ErrorCode::kServableUnavailable);
  auto request = FloatRequest(1);
  request->instances[0].items.clear();
  Answer wrong;
  dispatcher.Submit(std::move(request), &wrong);
  EXPECT_THAT(wrong.Get().error.text, HasSubstr("Cannot find input")) << "what is wrong with a request comes first";
}

TEST(Dispatcher, VersionZeroIsTheNewestWithAWorker) {
  Dispatcher dispatcher;
  Peer older;
  Peer newer;
  dispatcher.AddWorker(older.master, "demo", 2, {EchoMethod()}, true, "2");
  const uint64_t worker = dispatcher.AddWorker(newer.master, "demo", 10, {EchoMethod()}, true, "10");
  Answer first;
  dispatcher.Submit(FloatRequest(1), &first);
  newer.Echo(newer.Take());
  first.Get();
  dispatcher.RemoveWorker(worker);
  Answer second;
  dispatcher.Submit(FloatRequest(1), &second);
  older.Echo(older.Take());
  EXPECT_FALSE(second.Get().error);
}

TEST(Dispatcher, CancelAnswersOnceAndTellsTheWorker) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod(1)}, true, "w");
  Answer answer;
  const auto call = dispatcher.Submit(FloatRequest(2), &answer);
  const RingEntry running = peer.Take();
  dispatcher.Cancel(call);
  dispatcher.Cancel(call);
  EXPECT_EQ(answer.Get().error.kind, ErrorKind::kCancelled);
  peer.Echo(running);
  Answer next;
  dispatcher.Submit(FloatRequest(1, 9), &next);
  const RingEntry entry = peer.Take();
  EXPECT_EQ(peer.Inputs(entry).tensors.at(0).size_bytes, 36U) << "the cancelled call's second instance is dropped";
  EXPECT_EQ(peer.cancelled, std::vector<uint64_t>{running.token});
  peer.Echo(entry);
  EXPECT_FALSE(next.Get().error);
}

TEST(Dispatcher, DistrustsWhatAWorkerSends) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  ASSERT_TRUE(peer.channel->Send({EntryKind::kResult, 0, 12345, 0, 64, {}}, 0)) << "an unknown token is passed over";
  for (const auto &[offset, bytes] : {std::pair<uint64_t, uint64_t>{UINT64_MAX, 64}, {0, UINT64_MAX}, {1 << 20, 1}}) {
    Answer answer;
    dispatcher.Submit(FloatRequest(1), &answer);
    const RingEntry entry = peer.Take();
    ASSERT_TRUE(peer.channel->Send({EntryKind::kResult, 0, entry.token, offset, bytes, {}}, 0));
    EXPECT_EQ(answer.Get().error.kind, ErrorKind::kInternal);
    ASSERT_TRUE(peer.channel->Send({EntryKind::kResult, 0, entry.token, offset, bytes, {}}, 0))
      << "a second result is passed over";
  }
  Answer answer;
  dispatcher.Submit(FloatRequest(1), &answer);
  const RingEntry entry = peer.Take();
  peer.Send(entry.token, {});
  EXPECT_THAT(answer.Get().error.text, HasSubstr("it has 0 tensors, the method has 1 outputs"));
}

TEST(Dispatcher, AStringOutputMustBeUtf8) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  Answer answer;
  dispatcher.Submit(FloatRequest(1), &answer);
  const RingEntry entry = peer.Take();
  const Shape scalar;
  const TensorPlan plan = {.dtype = DType::kString, .shape = &scalar, .size_bytes = 1};
  const uint64_t bytes = BlockBytes(std::span(&plan, 1));
  const uint64_t offset = peer.channel->Allocate(bytes).value();
  std::byte *data = nullptr;
  WriteBlock(std::span(&plan, 1), SegmentId::kReply, offset, peer.channel->Bytes(SegmentId::kReply, offset, bytes),
             std::span(&data, 1));
  *data = std::byte{0xFF};
  ASSERT_TRUE(peer.channel->Send({EntryKind::kResult, 0, entry.token, offset, bytes, {}}, 0));
  EXPECT_THAT(answer.Get().error.text, HasSubstr("UTF-8"));
}

TEST(Dispatcher, WaitsForMemoryAndRefusesWhatNeverFits) {
  Dispatcher dispatcher;
  Peer peer({.request_bytes = 1 << 20, .reply_bytes = 1 << 20, .ring_entries = 256});
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  Answer huge;
  dispatcher.Submit(FloatRequest(1, 1 << 19), &huge);
  const Reply refused = huge.Get();
  EXPECT_EQ(refused.error.kind, ErrorKind::kTooLarge);
  EXPECT_THAT(refused.error.text, HasSubstr("more than the limit of"));

  constexpr size_t kThreeFit = 70'000;  // floats
  std::vector<Answer> answers(8);
  for (auto &answer : answers) {
    dispatcher.Submit(FloatRequest(1, kThreeFit), &answer);
  }
  for (size_t i = 0; i < answers.size(); ++i) {
    peer.Echo(peer.Take());
    EXPECT_FALSE(answers[i].Get().error);
  }
  // Releases ring no bell: the last large block is back when the next result has been read.
  Answer small;
  dispatcher.Submit(FloatRequest(1), &small);
  peer.Echo(peer.Take());
  EXPECT_FALSE(small.Get().error);
  EXPECT_LT(peer.master->used_bytes(), 4096U);
}

TEST(Dispatcher, StopAnswersEverything) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod(1)}, true, "w");
  std::vector<Answer> answers(3);
  for (auto &answer : answers) {
    dispatcher.Submit(FloatRequest(1), &answer);
  }
  const RingEntry running = peer.Take();
  dispatcher.Stop();
  for (auto &answer : answers) {
    EXPECT_THAT(answer.Get().error.text, HasSubstr("servable is not available"));
  }
  peer.Echo(running);
  Answer late;
  dispatcher.Submit(FloatRequest(1), &late);
  EXPECT_THAT(late.Get().error.text, HasSubstr("servable is not available"));
}

TEST(Dispatcher, ManyThreadsGetTheirOwnAnswers) {
  Dispatcher dispatcher;
  Peer a;
  Peer b;
  dispatcher.AddWorker(a.master, "demo", 1, {EchoMethod()}, true, "a");
  dispatcher.AddWorker(b.master, "demo", 1, {EchoMethod()}, true, "b");
  constexpr int kThreads = 4;
  constexpr int kCalls = 200;
  std::vector<std::thread> clients;
  for (int t = 0; t < kThreads; ++t) {
    clients.emplace_back([&dispatcher, t] {
      for (int i = 0; i < kCalls; ++i) {
        const size_t length = static_cast<size_t>(t * kCalls + i + 1);
        Answer answer;
        dispatcher.Submit(FloatRequest(2, length), &answer);
        const Reply reply = answer.Get();
        EXPECT_EQ(reply.instances.at(1).outputs.at(0).shape, (Shape{static_cast<int64_t>(length)}));
        EXPECT_EQ(FirstFloat(reply.instances.at(1)), 1.0F);
      }
    });
  }
  std::atomic<int> left{kThreads * kCalls * 2};
  std::vector<std::thread> workers;
  for (Peer *peer : {&a, &b}) {
    workers.emplace_back([peer, &left] {
      while (left > 0 && !peer->channel->closed()) {
        if (const auto entry = peer->TakeNow()) {
          peer->Echo(*entry);
          --left;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  for (auto *threads : {&clients, &workers}) {
    for (auto &thread : *threads) {
      thread.join();
    }
  }
  EXPECT_EQ(dispatcher.in_flight(), 0U);
}

}  // namespace
}  // namespace mindspore::serving
