#include <gtest/gtest.h>

#include <thread>

#include "execute/builtin.h"
#include "execute/executor.h"
#include "execute/fake_master.h"
#include "execute/model_batch.h"

namespace mindspore::serving::test {
namespace {

constexpr int kModelLane = 1;

TensorSpec Spec(Shape shape, bool batched = true) { return TensorSpec{DType::kFloat32, shape, batched, false, 0}; }

Model MakeModel(std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs, uint32_t batch_size, bool pad) {
  Model model;
  model.key = "model";
  model.batch_size = batch_size;
  model.pad = pad;
  model.subgraphs.push_back(Subgraph{std::move(inputs), std::move(outputs)});
  return model;
}

Plan OneModel(Model model) {
  const auto inputs = static_cast<uint32_t>(model.subgraphs[0].inputs.size());
  std::vector<uint32_t> slots;
  for (uint32_t i = 0; i < inputs; ++i) {
    slots.push_back(i);
  }
  return Plan{{std::move(model)}, {MakeMethod(inputs, {ModelStage(slots, inputs)}, {inputs})}};
}

/// Runs the model of one turn as "first input plus one", over the whole batch.
void AddOne(Executor *executor, Batch *batch) {
  const size_t rows = RowsToRun(*batch->model, batch->instances.size());
  const TensorSpec &spec = batch->model->subgraphs[batch->subgraph].inputs[0];
  const Value &first = batch->instances[0]->input(0);
  Value output = MakeValue(DType::kFloat32, RunShape(spec, first, rows), first.size_bytes * rows);
  CopyRows(*batch, 0, rows, output.data);
  for (size_t i = 0; i < output.size_bytes / sizeof(float); ++i) {
    reinterpret_cast<float *>(output.data)[i] += 1;
  }
  auto outputs = SplitOutputs(*batch, rows, std::span(&output, 1));
  Bells bells;
  for (size_t i = 0; i < batch->instances.size(); ++i) {
    executor->Complete(std::move(batch->instances[i]), outputs[i], &bells);
  }
  executor->Ring(&bells);
}

TEST(ModelStageTest, RowsAreGatheredPaddedAndSplit) {
  FakeMaster master;
  Executor executor(master.worker(), OneModel(MakeModel({Spec({2})}, {Spec({2})}, 4, true)));
  master.SendInstance(0, 1, {Floats({2}, {1, 2})}, kModelLane);
  master.SendInstance(0, 2, {Floats({1, 2}, {3, 4})}, kModelLane);
  Batch batch;
  EXPECT_FALSE(executor.TryNext(0, &batch));
  ASSERT_TRUE(executor.TryNext(kModelLane, &batch));
  ASSERT_EQ(batch.instances.size(), 2U);
  EXPECT_EQ(RowsToRun(*batch.model, 2), 4U);
  std::vector<float> rows(8);
  CopyRows(batch, 0, 4, reinterpret_cast<std::byte *>(rows.data()));
  EXPECT_EQ(rows, (std::vector<float>{1, 2, 3, 4, 1, 2, 1, 2}));
  AddOne(&executor, &batch);
  EXPECT_EQ(Elements<float>(master.Take()->outputs[0].bytes), (std::vector<float>{2, 3}));
  const auto second = master.Take();
  EXPECT_EQ(Elements<float>(second->outputs[0].bytes), (std::vector<float>{4, 5}));
  EXPECT_EQ(second->outputs[0].shape, Shape{2});
}

TEST(ModelStageTest, ADynamicBatchIsNotPaddedAndTakesEqualShapesOnly) {
  FakeMaster master;
  Executor executor(master.worker(), OneModel(MakeModel({Spec({-1})}, {Spec({-1})}, 32, false)));
  master.SendInstance(0, 1, {Floats({2}, {1, 2})}, kModelLane);
  master.SendInstance(0, 2, {Floats({3}, {1, 2, 3})}, kModelLane);
  master.SendInstance(0, 3, {Floats({1, 2}, {5, 6})}, kModelLane);
  Batch batch;
  ASSERT_TRUE(executor.TryNext(kModelLane, &batch));
  ASSERT_EQ(batch.instances.size(), 2U);
  EXPECT_EQ(batch.instances[1]->token, 3U);
  EXPECT_EQ(RowsToRun(*batch.model, 2), 2U);
  EXPECT_EQ(RunShape(batch.model->subgraphs[0].inputs[0], batch.instances[0]->input(0), 2), (Shape{2, 2}));
  AddOne(&executor, &batch);
  ASSERT_TRUE(executor.TryNext(kModelLane, &batch));
  ASSERT_EQ(batch.instances.size(), 1U);
  EXPECT_TRUE(IsView(*batch.model, batch.model->subgraphs[0].inputs[0], 1));
}

TEST(ModelStageTest, WhatOneTurnOfAFunctionGaveComesToTheModelTogether) {
  FakeMaster master;
  Plan plan{{MakeModel({Spec({1})}, {Spec({1})}, 4, false)},
            {MakeMethod(1, {PythonStage({0}, 1), ModelStage({1}, 2)}, {2})}};
  Executor executor(master.worker(), std::move(plan));
  Bells bells;
  for (uint64_t token = 1; token <= 2; ++token) {
    master.SendInstance(0, token, {Floats({1}, {1})});
    Batch batch;
    ASSERT_TRUE(executor.TryNext(0, &batch));
    std::vector<Value> outputs{batch.instances[0]->input(0)};
    executor.Complete(std::move(batch.instances[0]), outputs, &bells);
    EXPECT_FALSE(executor.TryNext(kModelLane, &batch)) << "it is held until the bells ring";
  }
  executor.RingMaster(&bells);
  Batch batch;
  EXPECT_FALSE(executor.TryNext(kModelLane, &batch)) << "the master's bell tells the model nothing";
  executor.Ring(&bells);
  ASSERT_TRUE(executor.TryNext(kModelLane, &batch));
  EXPECT_EQ(batch.instances.size(), 2U);
}

TEST(ModelStageTest, InputsWithoutBatchDimensionMustBeEqualInABatch) {
  FakeMaster master;
  Executor executor(master.worker(), OneModel(MakeModel({Spec({1}), Spec({1}, false)}, {Spec({1})}, 4, true)));
  master.SendInstance(0, 1, {Floats({1}, {1}), Floats({1}, {10})}, kModelLane);
  master.SendInstance(0, 2, {Floats({1}, {2}), Floats({1}, {20})}, kModelLane);
  master.SendInstance(0, 3, {Floats({1}, {3}), Floats({1}, {10})}, kModelLane);
  Batch batch;
  ASSERT_TRUE(executor.TryNext(kModelLane, &batch));
  ASSERT_EQ(batch.instances.size(), 2U);
  EXPECT_EQ(batch.instances[1]->token, 3U);
  EXPECT_EQ(RunShape(batch.model->subgraphs[0].inputs[1], batch.instances[0]->input(1), 4), Shape{1});
  ASSERT_TRUE(executor.TryNext(kModelLane, &batch));
  EXPECT_EQ(batch.instances[0]->token, 2U);
}

struct WrongInput {
  Tensor tensor;
  std::string text;
};

TEST(ModelStageTest, InputsThatDoNotFitFailTheirInstanceAlone) {
  FakeMaster master;
  Executor executor(master.worker(), OneModel(MakeModel({Spec({2, 2})}, {Spec({2, 2})}, 1, true)));
  const std::vector<WrongInput> cases = {
    {Floats({2}, {1, 2}),
     "Given model input 0 size 8 not match the size 16 defined in model: given kMSI_Float32 [2], the model takes "
     "kMSI_Float32 [2, 2]"},
    {MakeTensor<int32_t>(DType::kInt32, {2, 2}, {1, 2, 3, 4}),
     "Given model input 0 data type kMSI_Int32 not match the data type kMSI_Float32 defined in model: given kMSI_Int32 "
     "[2, 2], the model takes kMSI_Float32 [2, 2]"},
    {MakeTensor<double>(DType::kFloat64, {2, 2}, {1, 2, 3, 4}),
     "Given model input 0 size 32 not match the size 16 defined in model: given kMSI_Float64 [2, 2], the model takes "
     "kMSI_Float32 [2, 2]"},
    {MakeTensor<char>(DType::kString, {}, std::vector<char>(16, 'a')),
     "Given model input 0 size 0 not match the size 16 defined in model: given kMSI_String [], the model takes "
     "kMSI_Float32 [2, 2]"},
  };
  for (const WrongInput &wrong : cases) {
    master.SendInstance(0, 1, {wrong.tensor}, kModelLane);
    master.SendInstance(0, 2, {Floats({4}, {1, 2, 3, 4})}, kModelLane);
    Batch batch;
    ASSERT_TRUE(executor.TryNext(kModelLane, &batch));
    AddOne(&executor, &batch);
    EXPECT_EQ(master.Take()->error, MakeError(ErrorKind::kBadInput, wrong.text));
    EXPECT_EQ(master.Take()->outputs.at(0).shape, (Shape{2, 2}));
  }
}

TEST(ModelStageTest, OpenDimensionsLeaveTheOthersChecked) {
  FakeMaster master;
  Executor executor(master.worker(), OneModel(MakeModel({Spec({-1, 3})}, {Spec({-1, 3})}, 4, false)));
  master.SendInstance(0, 1, {Floats({3, 2}, {1, 2, 3, 4, 5, 6})}, kModelLane);
  Batch batch;
  EXPECT_FALSE(executor.TryNext(kModelLane, &batch));
  EXPECT_EQ(master.Take()->error,
            MakeError(ErrorKind::kBadInput,
                      "Given model input 0 shape [3, 2] not match the shape [-1, 3] defined in model: given "
                      "kMSI_Float32 [3, 2], the model takes kMSI_Float32 [-1, 3]"));
}

TEST(ModelStageTest, OutputsMustFitTheRowsThatRan) {
  FakeMaster master;
  Executor executor(master.worker(), OneModel(MakeModel({Spec({2})}, {Spec({2})}, 2, true)));
  master.SendInstance(0, 1, {Floats({2}, {1, 2})}, kModelLane);
  Batch batch;
  ASSERT_TRUE(executor.TryNext(kModelLane, &batch));
  const Value short_output = MakeValue(DType::kFloat32, Shape{1, 2}, 8);
  EXPECT_THROW(SplitOutputs(batch, 2, std::span(&short_output, 1)), ServingError);
  const Value wide_output = MakeValue(DType::kFloat32, Shape{2, 3}, 24);
  EXPECT_THROW(SplitOutputs(batch, 2, std::span(&wide_output, 1)), ServingError);
  EXPECT_THROW(SplitOutputs(batch, 2, {}), ServingError);
}

std::vector<std::vector<Value>> CallInputs(std::vector<float> numbers) {
  std::vector<std::vector<Value>> instances;
  for (float number : numbers) {
    Value value = MakeValue(DType::kFloat32, Shape{1}, sizeof(float));
    std::memcpy(value.data, &number, sizeof(float));
    instances.push_back({value});
  }
  return instances;
}

class ModelCallTest : public testing::Test {
 protected:
  FakeMaster master;
  Executor executor{master.worker(), OneModel(MakeModel({Spec({1})}, {Spec({1})}, 2, true))};
};

TEST_F(ModelCallTest, CallsWaitForTheModelThread) {
  std::thread model([&] {
    Batch batch;
    while (executor.WaitNext(kModelLane, &batch)) {
      AddOne(&executor, &batch);
    }
  });
  const auto results = executor.CallModel(0, 0, CallInputs({1, 2, 3}));
  ASSERT_EQ(results.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(Elements<float>(results[i].at(0).bytes()), std::vector<float>{static_cast<float>(i) + 2});
  }
  auto wrong = CallInputs({1, 2});
  wrong[1][0].dtype = DType::kInt32;
  EXPECT_THROW(executor.CallModel(0, 0, std::move(wrong)), ServingError);
  executor.Stop();
  model.join();
  EXPECT_THROW(executor.CallModel(0, 0, CallInputs({1})), ServingError);
}

TEST_F(ModelCallTest, StopEndsCallsThatWait) {
  std::thread caller([&] { EXPECT_THROW(executor.CallModel(0, 0, CallInputs({1})), ServingError); });
  Batch batch;
  while (!executor.TryNext(kModelLane, &batch)) {
    std::this_thread::yield();
  }
  executor.Stop();
  caller.join();
}

TEST_F(ModelCallTest, TheModelsOwnThreadCannotCallIt) {
  Batch batch;
  EXPECT_FALSE(executor.TryNext(kModelLane, &batch));
  EXPECT_THROW(executor.CallModel(0, 0, CallInputs({1})), ServingError);
}

TEST(ExecutorThreadsTest, ManyInstancesThroughBothLanes) {
  FakeMaster master;
  Plan plan = OneModel(MakeModel({Spec({1})}, {Spec({1})}, 4, true));
  plan.methods.push_back(
    MakeMethod(1, {PythonStage({0}, 1), ModelStage({1}, 2), PythonStage({2}, 3, 4, false)}, {3, 0}));
  Executor executor(master.worker(), std::move(plan));
  std::thread python([&] {
    Batch batch;
    while (executor.WaitNext(0, &batch)) {
      Echo(&executor, &batch);
    }
  });
  std::thread model([&] {
    Batch batch;
    while (executor.WaitNext(kModelLane, &batch)) {
      AddOne(&executor, &batch);
    }
  });
  constexpr uint64_t kInstances = 3000;
  uint64_t sent = 0;
  for (uint64_t received = 0; received < kInstances; ++received) {
    for (; sent < kInstances && sent - received < 24; ++sent) {
      const auto method = static_cast<uint32_t>(sent % 2);
      master.SendInstance(method, sent, {Floats({1}, {static_cast<float>(sent)})}, method == 0 ? kModelLane : 0);
    }
    const Result result = master.Wait();
    ASSERT_FALSE(result.error);
    ASSERT_EQ(Elements<float>(result.outputs[0].bytes), std::vector<float>{static_cast<float>(result.token) + 1});
  }
  executor.Stop();
  python.join();
  model.join();
  while (master.Take()) {
  }
  EXPECT_EQ(master.channel().used_bytes(), 0U);
}

}  // namespace
}  // namespace mindspore::serving::test
