#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/dispatcher.h"
#include "dispatch/peer.h"

namespace mindspore::serving {
namespace {

using ::testing::HasSubstr;

MethodInfo OtherMethod() { return {"another", {"x"}, {"y"}, 0, 2, false}; }

std::unique_ptr<Request> OtherRequest() {
  auto request = FloatRequest(1);
  request->method = "another";
  return request;
}

TEST(ChangedMethods, AMethodThatARestartDropsIsAnsweredNotAvailable) {
  Dispatcher dispatcher;
  Answer waiting;
  {
    Peer peer;
    const uint64_t worker = dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "1");
    dispatcher.Submit(FloatRequest(1), &waiting);
    peer.Take();
    dispatcher.RemoveWorker(worker);
  }
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {OtherMethod()}, true, "2");
  EXPECT_THAT(waiting.Get().error.text, HasSubstr("method is not available"));
  Answer late;
  dispatcher.Submit(FloatRequest(1), &late);
  EXPECT_THAT(late.Get().error.text, HasSubstr("method is not available"));
  EXPECT_EQ(dispatcher.in_flight(), 0U);
}

TEST(ChangedMethods, NothingIsLostWhenAWorkerWithTheOldSignatureDies) {
  Dispatcher dispatcher;
  Peer old_a;
  Peer old_b;
  const uint64_t a = dispatcher.AddWorker(old_a.master, "demo", 1, {EchoMethod()}, true, "a");
  const uint64_t b = dispatcher.AddWorker(old_b.master, "demo", 1, {EchoMethod()}, true, "b");
  Answer answer;
  dispatcher.Submit(FloatRequest(2), &answer);
  old_a.Echo(old_a.Take());
  old_b.Take();
  dispatcher.RemoveWorker(a);
  Peer changed;
  MethodInfo method = EchoMethod();
  method.inputs = {"x", "z"};
  dispatcher.AddWorker(changed.master, "demo", 1, {method}, true, "c");
  dispatcher.RemoveWorker(b);
  const Reply reply = answer.Get();
  EXPECT_FALSE(reply.instances.at(0).error);
  EXPECT_THAT(reply.instances.at(1).error.text, HasSubstr("method is not available"));
  EXPECT_EQ(dispatcher.in_flight(), 0U);
}

TEST(FullMemory, AnotherWorkerTakesWhatOneHasNoRoomFor) {
  Dispatcher dispatcher;
  Peer full;
  Peer empty;
  dispatcher.AddWorker(full.master, "demo", 1, {EchoMethod(8)}, true, "full");
  dispatcher.AddWorker(empty.master, "demo", 1, {EchoMethod(7)}, true, "empty");
  const auto kept = full.master->Allocate(full.master->max_block_bytes() - 4096);
  ASSERT_TRUE(kept.has_value());
  Answer answer;
  dispatcher.Submit(FloatRequest(1, 10'000), &answer);
  empty.Echo(empty.Take());
  EXPECT_FALSE(answer.Get().error);
}

TEST(KeptMemory, IsWhatNoInstanceThatRunsNeeds) {
  Dispatcher dispatcher;
  Peer peer;
  const uint64_t worker = dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  Answer answer;
  dispatcher.Submit(FloatRequest(1, 1000), &answer);
  const RingEntry entry = peer.Take();
  for (int look = 0; look < 5; ++look) {
    EXPECT_EQ(dispatcher.LookAtMemory(worker).kept_bytes, 0U) << "it runs";
  }
  peer.Send(entry.token, {});  // a result that is refused, which ends the instance too
  EXPECT_TRUE(answer.Get().error);
  const RequestMemory memory = dispatcher.LookAtMemory(worker);
  EXPECT_GE(memory.kept_bytes, 4000U) << "the worker still holds its inputs";
  EXPECT_LT(memory.kept_bytes, 8000U);
  EXPECT_EQ(memory.total_bytes, 1U << 20);
  peer.channel->Release(entry.offset);  // rings no bell
  const auto deadline = Clock::now() + kPatience;
  while (dispatcher.LookAtMemory(worker).kept_bytes > 0) {
    ASSERT_LT(Clock::now(), deadline);
    std::this_thread::yield();
  }
  dispatcher.RemoveWorker(worker);
  EXPECT_THROW(dispatcher.LookAtMemory(worker), std::out_of_range);
}

TEST(Isolation, OtherMethodsCannotStarveAnInstanceThatMustRunAlone) {
  Dispatcher dispatcher;
  Answer suspect;
  for (int death = 0; death < 2; ++death) {
    Peer peer;
    const uint64_t worker = dispatcher.AddWorker(peer.master, "demo", 1, {OtherMethod(), EchoMethod()}, true, "w");
    if (death == 0) {
      dispatcher.Submit(FloatRequest(1, 7), &suspect);
    }
    peer.Take();
    dispatcher.RemoveWorker(worker);
  }
  std::vector<Answer> others(6);
  for (auto &other : others) {
    dispatcher.Submit(OtherRequest(), &other);
  }
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {OtherMethod(), EchoMethod()}, true, "w");
  const RingEntry alone = peer.Take();
  EXPECT_EQ(alone.method, 1U) << "it goes before all that waits";
  EXPECT_FALSE(peer.TakeNow().has_value());
  peer.Echo(alone);
  EXPECT_FALSE(suspect.Get().error);
  for (auto &other : others) {
    peer.Echo(peer.Take());
    EXPECT_FALSE(other.Get().error);
  }
}

TEST(Cancelled, CallsLeaveTheQueueAtOnce) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod(1)}, true, "w");
  Answer running;
  dispatcher.Submit(FloatRequest(1), &running);
  Answer blocked;
  dispatcher.Submit(FloatRequest(1), &blocked);
  std::weak_ptr<Call> watched;
  Answer cancelled;
  {
    auto call = dispatcher.Submit(FloatRequest(1), &cancelled);
    dispatcher.Cancel(call);
    watched = call;
  }
  cancelled.Get();
  EXPECT_TRUE(watched.expired()) << "a cancelled call holds no memory behind one that waits";
  for (Answer *answer : {&running, &blocked}) {
    peer.Echo(peer.Take());
    EXPECT_FALSE(answer->Get().error);
  }
}

}  // namespace
}  // namespace mindspore::serving
