#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/dispatcher.h"
#include "dispatch/peer.h"

namespace mindspore::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

MethodInfo ModelMethod(const std::string &name) { return {name, {"x"}, {"y"}, 0, 8, true}; }

TEST(Readiness, FollowsTheWorkers) {
  Dispatcher dispatcher;
  EXPECT_THAT(dispatcher.Readiness(), IsEmpty());
  dispatcher.DeclareServable("demo");
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", false)));
  Peer first;
  Peer second;
  const uint64_t one = dispatcher.AddWorker(first.master, "demo", 1, {EchoMethod()}, true, "w1");
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", true)));
  const uint64_t two = dispatcher.AddWorker(second.master, "demo", 1, {EchoMethod()}, true, "w2");
  dispatcher.RemoveWorker(one);
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", true)));
  dispatcher.DrainWorker(two);
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", false)));
}

TEST(Readiness, OneVersionIsEnough) {
  Dispatcher dispatcher;
  Peer old_version;
  Peer new_version;
  dispatcher.AddWorker(old_version.master, "demo", 1, {EchoMethod()}, true, "w1");
  dispatcher.RemoveWorker(dispatcher.AddWorker(new_version.master, "demo", 2, {EchoMethod()}, true, "w2"));
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", true)));
}

TEST(Readiness, NeedsAWorkerForEveryMethod) {
  Dispatcher dispatcher;
  Peer extra;
  Peer device;
  // A worker without device runs none of the methods that consist of model stages, nor what others ask of the models.
  dispatcher.AddWorker(extra.master, "demo", 1, {EchoMethod(), ModelMethod("infer")}, false, "extra");
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", false)));
  const uint64_t number = dispatcher.AddWorker(
    device.master, "demo", 1, {EchoMethod(), ModelMethod("infer"), ModelMethod("@call_m_0")}, true, "device");
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", true)));
  dispatcher.RemoveWorker(number);
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", false)));
}

TEST(Readiness, NothingIsReadyOnceTheServerStops) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  dispatcher.Stop();
  EXPECT_THAT(dispatcher.Readiness(), ElementsAre(Pair("demo", false)));
}

TEST(Readiness, EachChangeIsToldWhenItIsThere) {
  Dispatcher dispatcher;
  std::vector<bool> told;
  dispatcher.SetReadinessListener([&] { told.push_back(dispatcher.Readiness().at(0).second); });
  Peer first;
  Peer second;
  dispatcher.DeclareServable("demo");
  dispatcher.DrainWorker(dispatcher.AddWorker(first.master, "demo", 1, {EchoMethod()}, true, "w1"));
  const uint64_t worker = dispatcher.AddWorker(second.master, "demo", 1, {EchoMethod()}, true, "w2");
  dispatcher.RemoveWorker(worker);
  EXPECT_THAT(told, ElementsAre(false, true, false, true, false));
  dispatcher.SetReadinessListener({});
  dispatcher.Stop();
  EXPECT_EQ(told.size(), 5U);
}

}  // namespace
}  // namespace mindspore::serving
