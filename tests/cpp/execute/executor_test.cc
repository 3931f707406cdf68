#include "execute/executor.h"

#include <gtest/gtest.h>

#include "execute/builtin.h"
#include "execute/fake_master.h"

namespace mindspore::serving::test {
namespace {

Plan PlanOf(std::vector<Method> methods) { return Plan{{}, std::move(methods)}; }

Plan EchoPlan(uint32_t batch_size = 1, bool per_instance = true) {
  return PlanOf({MakeMethod(1, {PythonStage({0}, 1, batch_size, per_instance)}, {1})});
}

std::vector<uint64_t> Tokens(const Batch &batch) {
  std::vector<uint64_t> tokens;
  for (const InstancePtr &instance : batch.instances) {
    tokens.push_back(instance->token);
  }
  return tokens;
}

using TokenList = std::vector<uint64_t>;

TEST(ExecutorTest, MethodWithoutStagesIsAnsweredAtOnce) {
  FakeMaster master;
  Executor executor(master.worker(), PlanOf({MakeMethod(2, {}, {1, 0, 1})}));
  master.SendInstance(0, 7, {Scalar(1), Floats({2}, {1.5F, 2})});
  Batch batch;
  EXPECT_FALSE(executor.TryNext(0, &batch));
  const auto result = master.Take();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->token, 7U);
  ASSERT_EQ(result->outputs.size(), 3U);
  EXPECT_EQ(Elements<float>(result->outputs[0].bytes), (std::vector<float>{1.5, 2}));
  EXPECT_EQ(Elements<int64_t>(result->outputs[1].bytes), std::vector<int64_t>{1});
  EXPECT_EQ(result->outputs[2].shape, Shape{2});
}

TEST(ExecutorTest, AnEchoCostsNoCopyAndGivesItsMemoryBack) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  master.SendInstance(0, 1, {Floats({2, 2}, {1, 2, 3, 4})});
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  ASSERT_EQ(Tokens(batch), TokenList{1});
  reinterpret_cast<float *>(batch.instances[0]->input(0).data)[0] = 9;
  Echo(&executor, &batch);
  const auto result = master.Take();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->segments[0], SegmentId::kRequest);
  EXPECT_EQ(Elements<float>(result->outputs[0].bytes), (std::vector<float>{9, 2, 3, 4}));
  EXPECT_FALSE(master.Take());  // carries out the releases
  EXPECT_EQ(master.channel().used_bytes(), 0U);
  EXPECT_FALSE(executor.TryNext(0, &batch));
  EXPECT_EQ(master.worker()->used_bytes(), 0U);
}

TEST(ExecutorTest, MemoryIsGivenBackWhenItsLastUserIsGone) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  master.SendInstance(0, 1, {Scalar(5)});
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  std::shared_ptr<Owner> kept = batch.instances[0]->input(0).owner;
  Echo(&executor, &batch);
  EXPECT_TRUE(master.Take());
  EXPECT_FALSE(master.Take());
  EXPECT_GT(master.channel().used_bytes(), 0U);
  kept.reset();
  EXPECT_FALSE(master.Take());
  EXPECT_EQ(master.channel().used_bytes(), 0U);
}

TEST(ExecutorTest, OutputsOfTheirOwnAreCopiedIntoTheReply) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  master.SendInstance(0, 1, {Scalar(5)});
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  std::vector<Value> outputs{MakeValue(DType::kInt64, Shape{}, 8)};
  std::memset(outputs[0].data, 1, 8);
  Bells bells;
  executor.Complete(std::move(batch.instances[0]), outputs, &bells);
  EXPECT_TRUE(bells.master);
  const auto result = master.Take();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->segments[0], SegmentId::kReply);
  EXPECT_EQ(Elements<int64_t>(result->outputs[0].bytes), std::vector<int64_t>{0x0101010101010101});
}

TEST(ExecutorTest, MethodsTakeTurnsAndLaterStagesGoFirst) {
  FakeMaster master;
  Executor executor(master.worker(), PlanOf({MakeMethod(1, {PythonStage({0}, 1), PythonStage({1}, 2)}, {2}),
                                             MakeMethod(1, {PythonStage({0}, 1)}, {1})}));
  master.SendInstance(0, 1, {Scalar(0)});
  master.SendInstance(0, 2, {Scalar(0)});
  master.SendInstance(1, 3, {Scalar(0)});
  std::vector<std::pair<uint64_t, size_t>> turns;
  Batch batch;
  while (executor.TryNext(0, &batch)) {
    ASSERT_EQ(batch.instances.size(), 1U);
    turns.emplace_back(batch.instances[0]->token, batch.stage_index);
    Echo(&executor, &batch);
  }
  EXPECT_EQ(turns, (std::vector<std::pair<uint64_t, size_t>>{{1, 0}, {3, 0}, {1, 1}, {2, 0}, {2, 1}}));
}

TEST(ExecutorTest, ABatchTakesWhatIsThereUpToItsSize) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan(4, false));
  for (uint64_t token = 1; token <= 6; ++token) {
    master.SendInstance(0, token, {Scalar(0)});
  }
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  EXPECT_EQ(Tokens(batch), (TokenList{1, 2, 3, 4}));
  ASSERT_TRUE(executor.TryNext(0, &batch));
  EXPECT_EQ(Tokens(batch), (TokenList{5, 6}));
}

TEST(ExecutorTest, OnlyWhatShortCallsGaveMayBeHeldBack) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  auto next_turn = [&, token = uint64_t{0}](std::chrono::microseconds spent) mutable {
    master.SendInstance(0, ++token, {Scalar(0)});
    master.SendInstance(0, ++token, {Scalar(0)});
    Batch batch;
    EXPECT_TRUE(executor.TryNext(0, &batch));
    for (int i = 0; i < 50; ++i) {
      executor.NoteTime(batch, spent);
    }
    while (executor.TryNext(0, &batch)) {
    }
    return batch.may_hold;
  };
  Batch first;
  master.SendInstance(0, 100, {Scalar(0)});
  ASSERT_TRUE(executor.TryNext(0, &first));
  EXPECT_FALSE(first.may_hold) << "nobody knows yet how long its function takes";
  EXPECT_FALSE(next_turn(std::chrono::milliseconds(5)));
  EXPECT_TRUE(next_turn(std::chrono::microseconds(100)));
}

TEST(ExecutorTest, OnlyFastFunctionsGetMoreThanTheirBatchSizeInATurn) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  auto turn_after = [&](std::chrono::microseconds spent) {
    for (uint64_t token = 1; token <= 3; ++token) {
      master.SendInstance(0, token, {Scalar(0)});
    }
    Batch batch;
    EXPECT_TRUE(executor.TryNext(0, &batch));
    for (int i = 0; i < 50; ++i) {
      executor.NoteTime(batch, spent);
    }
    Batch next;
    EXPECT_TRUE(executor.TryNext(0, &next));
    const size_t size = next.instances.size();
    while (executor.TryNext(0, &batch)) {
    }
    return size;
  };
  EXPECT_EQ(turn_after(std::chrono::milliseconds(5)), 1U);
  EXPECT_EQ(turn_after(std::chrono::microseconds(5)), 2U);
}

TEST(ExecutorTest, AFailedInstanceIsAnsweredWithItsErrorAlone) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan(2, false));
  master.SendInstance(0, 1, {Scalar(0)});
  master.SendInstance(0, 2, {Scalar(0)});
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  Bells bells;
  executor.Fail(std::move(batch.instances[0]), MakeError(ErrorKind::kStageFailed, "no luck"), &bells);
  std::vector<Value> outputs{batch.instances[1]->input(0)};
  executor.Complete(std::move(batch.instances[1]), outputs, &bells);
  EXPECT_EQ(master.Take()->error, MakeError(ErrorKind::kStageFailed, "no luck"));
  EXPECT_FALSE(master.Take()->error);
}

TEST(ExecutorTest, CancelledInstancesAreDroppedWhileTheyWait) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  master.SendInstance(0, 1, {Scalar(0)});
  master.SendInstance(0, 2, {Scalar(0)});
  master.SendEntry(RingEntry{EntryKind::kCancel, 0, 1, 0, 0, {}});
  master.SendEntry(RingEntry{EntryKind::kCancel, 0, 99, 0, 0, {}});
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  EXPECT_EQ(Tokens(batch), TokenList{2});
  const auto result = master.Take();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->token, 1U);
  EXPECT_EQ(result->error.kind, ErrorKind::kCancelled);
  EXPECT_FALSE(executor.TryNext(0, &batch));
}

TEST(ExecutorTest, EntriesThatCannotBeReadAreAnswered) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  master.SendEntry(RingEntry{EntryKind::kInstance, 0, 1, uint64_t{1} << 40, 64, {}});
  master.SendInstance(5, 2, {Scalar(0)});
  master.SendInstance(0, 3, {Scalar(0), Scalar(0)});
  Batch batch;
  EXPECT_FALSE(executor.TryNext(0, &batch));
  for (uint64_t token = 1; token <= 3; ++token) {
    const auto result = master.Take();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->token, token);
    EXPECT_EQ(result->error.kind, ErrorKind::kInternal);
  }
  EXPECT_FALSE(master.Take());
  EXPECT_EQ(master.channel().used_bytes(), 0U);
}

TEST(ExecutorTest, ResultsThatCanNeverFitBecomeErrors) {
  FakeMaster master(ChannelOptions{size_t{1} << 20, size_t{1} << 16, 64});
  Executor executor(master.worker(), EchoPlan());
  master.SendInstance(0, 1, {Scalar(0)});
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  std::vector<Value> outputs{MakeValue(DType::kUint8, Shape{1 << 20}, size_t{1} << 20)};
  Bells bells;
  executor.Complete(std::move(batch.instances[0]), outputs, &bells);
  const auto result = master.Take();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->error.kind, ErrorKind::kTooLarge);
  EXPECT_NE(result->error.text.find(std::to_string(master.worker()->max_block_bytes())), std::string::npos);
}

TEST(ExecutorTest, ResultsWaitForRoomWithoutBlockingAnyone) {
  FakeMaster master(ChannelOptions{size_t{1} << 20, size_t{1} << 16, 64});
  Executor executor(master.worker(), EchoPlan());
  const size_t half = master.worker()->max_block_bytes() / 2;
  std::thread worker([&] {
    Batch batch;
    while (executor.WaitNext(0, &batch)) {
      std::vector<Value> outputs{MakeValue(DType::kUint8, Shape{static_cast<int64_t>(half)}, half)};
      Bells bells;
      executor.Complete(std::move(batch.instances[0]), outputs, &bells);
      executor.Ring(&bells);
    }
  });
  for (uint64_t token = 1; token <= 8; ++token) {
    master.SendInstance(0, token, {Scalar(0)});
  }
  std::vector<uint64_t> tokens;
  while (tokens.size() < 8) {
    tokens.push_back(master.Wait().token);
  }
  EXPECT_EQ(tokens, (TokenList{1, 2, 3, 4, 5, 6, 7, 8}));
  executor.Stop();
  worker.join();
}

TEST(ExecutorTest, BuiltinStagesRunOnTheWay) {
  FakeMaster master;
  Stage stage;
  stage.kind = StageKind::kBuiltin;
  stage.inputs = {0};
  stage.first_output = 1;
  stage.outputs_count = 1;
  stage.builtin = FindBuiltin("argmax_cpp");
  Executor executor(master.worker(),
                    PlanOf({MakeMethod(1, {stage, PythonStage({1}, 2)}, {2}), MakeMethod(1, {stage}, {1})}));
  master.SendInstance(0, 1, {Floats({2, 2}, {1, 4, 3, 4})});
  master.SendInstance(1, 2, {MakeTensor<int8_t>(DType::kBool, {1}, {1})});
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  Echo(&executor, &batch);
  auto result = master.Take();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->error,
            MakeError(ErrorKind::kStageFailed, ErrorCode::kFailed, "Argmax not support data type kMSI_Bool"));
  result = master.Take();
  ASSERT_TRUE(result);
  EXPECT_EQ(Elements<int64_t>(result->outputs.at(0).bytes), std::vector<int64_t>{1});
}

TEST(ExecutorTest, AnUnsoundPlanIsRefused) {
  FakeMaster master;
  EXPECT_THROW(Executor(master.worker(), PlanOf({MakeMethod(1, {}, {1})})), std::invalid_argument);
  EXPECT_THROW(Executor(master.worker(), PlanOf({MakeMethod(1, {PythonStage({1}, 1)}, {1})})), std::invalid_argument);
  EXPECT_THROW(Executor(master.worker(), PlanOf({MakeMethod(1, {PythonStage({0}, 2)}, {1})})), std::invalid_argument);
  EXPECT_THROW(Executor(master.worker(), PlanOf({MakeMethod(1, {ModelStage({0}, 1)}, {1})})), std::invalid_argument);
  EXPECT_THROW(Executor(master.worker(), EchoPlan(0)), std::invalid_argument);
}

TEST(ExecutorTest, StopEndsEveryWait) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  std::thread worker([&] {
    Batch batch;
    EXPECT_FALSE(executor.WaitNext(0, &batch));
  });
  executor.Stop();
  worker.join();
  Batch batch;
  EXPECT_FALSE(executor.TryNext(0, &batch));
}

TEST(ExecutorTest, WhatFailsAfterStopIsLeftToOtherWorkers) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan(2, false));
  master.SendInstance(0, 1, {Scalar(0)});
  master.SendInstance(0, 2, {Scalar(0)});
  Batch batch;
  ASSERT_TRUE(executor.TryNext(0, &batch));
  executor.Stop();
  Bells bells;
  executor.Fail(std::move(batch.instances[0]), MakeError(ErrorKind::kStageFailed, "cut off"), &bells);
  std::vector<Value> outputs{batch.instances[1]->input(0)};
  executor.Complete(std::move(batch.instances[1]), outputs, &bells);
  const auto result = master.Take();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->token, 2U);
  EXPECT_FALSE(master.Take());
}

TEST(ExecutorTest, AClosedChannelEndsEveryWait) {
  FakeMaster master;
  Executor executor(master.worker(), EchoPlan());
  std::thread worker([&] {
    Batch batch;
    EXPECT_FALSE(executor.WaitNext(0, &batch));
  });
  master.worker()->Close();
  worker.join();
}

}  // namespace
}  // namespace mindspore::serving::test
