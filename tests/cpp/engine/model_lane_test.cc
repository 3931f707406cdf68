#include "engine/model_lane.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "execute/builtin.h"
#include "execute/fake_master.h"

namespace mindspore::serving::test {
namespace {

constexpr int kLane = 1;
constexpr float kUnlucky = 13;

/// Stands for an engine: its first input plus one. Fails where that holds 13.
class PlusOne : public Graph {
 public:
  std::vector<Value> Run(std::span<const Value> inputs) override {
    shapes.push_back(inputs[0].shape);
    addresses.push_back(inputs[0].data);
    Value output = MakeValue(DType::kFloat32, inputs[0].shape, inputs[0].size_bytes);
    for (size_t i = 0; i < output.size_bytes / sizeof(float); ++i) {
      const float number = reinterpret_cast<const float *>(inputs[0].data)[i];
      if (number == kUnlucky) {
        throw std::runtime_error("no");
      }
      reinterpret_cast<float *>(output.data)[i] = number + 1;
    }
    return {output};
  }

  // Of each run, in the lane's thread.
  std::vector<Shape> shapes;
  std::vector<const std::byte *> addresses;
};

/// The same for one row; fails with more.
class OneRow : public PlusOne {
 public:
  std::vector<Value> Run(std::span<const Value> inputs) override {
    if (inputs[0].shape[0] > 1) {
      throw std::runtime_error("too many rows");
    }
    return PlusOne::Run(inputs);
  }
};

/// A graph without outputs, where the plan says one.
class Nothing : public Graph {
 public:
  std::vector<Value> Run(std::span<const Value>) override { return {}; }
};

Plan OneModel(bool pad) {
  const TensorSpec spec{DType::kFloat32, Shape{2}, true, false, 0};
  Model model;
  model.key = "model";
  model.batch_size = 4;
  model.pad = pad;
  model.subgraphs.push_back(Subgraph{{spec}, {spec}});
  return Plan{{std::move(model)}, {MakeMethod(1, {ModelStage({0}, 1)}, {1})}};
}

/// A lane whose turns are taken once there is work, until `stop`.
class Lane {
 public:
  explicit Lane(std::shared_ptr<Graph> graph, bool pad = false) : executor_(master.worker(), OneModel(pad)) {
    auto on_error = [this](uint32_t model, uint32_t subgraph, const std::string &text) {
      errors.push_back(std::to_string(model) + " " + std::to_string(subgraph) + " " + text);
    };
    auto on_run = [this](uint32_t, uint32_t, size_t instances, std::chrono::duration<double>) {
      runs.push_back(instances);
    };
    lane_ = std::make_unique<ModelLane>(&executor_, kLane, std::map<uint32_t, ModelLane::Graphs>{{0, {graph}}},
                                        on_error, on_run);
  }
  ~Lane() { Stop(); }

  void Send(uint64_t token, float first, float second) {
    master.SendInstance(0, token, {Floats({2}, {first, second})}, kLane);
  }
  void Start() {
    thread_ = std::thread([this] { lane_->Serve(); });
  }
  void Stop() {
    executor_.Stop();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  FakeMaster master;
  std::vector<std::string> errors;  ///< to be read after Stop
  std::vector<size_t> runs;

 private:
  Executor executor_;
  std::unique_ptr<ModelLane> lane_;
  std::thread thread_;
};

std::vector<float> Numbers(const Result &result) { return Elements<float>(result.outputs.at(0).bytes); }

TEST(ModelLaneTest, RowsAreGatheredAndSplit) {
  const auto graph = std::make_shared<PlusOne>();
  Lane lane(graph);
  for (uint64_t token = 1; token <= 6; ++token) {
    lane.Send(token, static_cast<float>(token), 0);
  }
  lane.Start();
  for (uint64_t token = 1; token <= 6; ++token) {
    const Result result = lane.master.Wait();
    EXPECT_EQ(result.token, token);
    EXPECT_FALSE(result.error);
    EXPECT_EQ(result.outputs.at(0).shape, Shape{2});
    EXPECT_EQ(Numbers(result), (std::vector<float>{static_cast<float>(token) + 1, 1}));
  }
  lane.Stop();
  EXPECT_EQ(graph->shapes, (std::vector<Shape>{{4, 2}, {2, 2}}));
  EXPECT_EQ(lane.runs, (std::vector<size_t>{4, 2}));
  EXPECT_TRUE(lane.errors.empty());
}

TEST(ModelLaneTest, RunsOfAFixedSizeAreFilledUp) {
  const auto graph = std::make_shared<PlusOne>();
  Lane lane(graph, true);
  lane.Send(1, 1, 2);
  lane.Start();
  EXPECT_EQ(Numbers(lane.master.Wait()), (std::vector<float>{2, 3}));
  lane.Stop();
  EXPECT_EQ(graph->shapes, (std::vector<Shape>{{4, 2}}));
  EXPECT_EQ(lane.runs, (std::vector<size_t>{1}));
}

TEST(ModelLaneTest, OneRowIsNotCopied) {
  const auto graph = std::make_shared<PlusOne>();
  Lane lane(graph);
  lane.Send(1, 1, 2);
  lane.Start();
  EXPECT_EQ(Numbers(lane.master.Wait()), (std::vector<float>{2, 3}));
  lane.Stop();
  const auto segment =
    lane.master.worker()->Bytes(SegmentId::kRequest, 0, lane.master.worker()->segment_bytes(SegmentId::kRequest));
  ASSERT_EQ(graph->addresses.size(), 1U);
  EXPECT_GE(graph->addresses[0], segment.data());
  EXPECT_LT(graph->addresses[0], segment.data() + segment.size());
}

TEST(ModelLaneTest, OnlyTheInstancesThatFailGetTheError) {
  for (const bool pad : {false, true}) {
    Lane lane(std::make_shared<PlusOne>(), pad);
    for (uint64_t token = 1; token <= 5; ++token) {
      lane.Send(token, token == 2 ? kUnlucky : static_cast<float>(token), 0);
    }
    lane.Start();
    for (uint64_t answers = 1; answers <= 5; ++answers) {
      const Result result = lane.master.Wait();
      EXPECT_EQ(result.error.text, result.token == 2 ? "Predict Failed, no" : "");
      if (!result.error) {
        EXPECT_EQ(Numbers(result), (std::vector<float>{static_cast<float>(result.token) + 1, 1}));
      }
    }
    lane.Stop();
    EXPECT_EQ(lane.errors, (std::vector<std::string>{"0 0 Predict Failed, no"}));
    EXPECT_EQ(lane.runs, (std::vector<size_t>{4, 2, 1, 1, 2, 1}));
  }
}

TEST(ModelLaneTest, AllInstancesMayFail) {
  Lane lane(std::make_shared<PlusOne>());
  for (uint64_t token = 1; token <= 3; ++token) {
    lane.Send(token, kUnlucky, 0);
  }
  lane.Start();
  for (uint64_t token = 1; token <= 3; ++token) {
    EXPECT_EQ(lane.master.Wait().error.text, "Predict Failed, no");
  }
  lane.Stop();
  EXPECT_EQ(lane.errors.size(), 3U);
}

TEST(ModelLaneTest, ARunThatIsTooLargeIsTold) {
  Lane lane(std::make_shared<OneRow>());
  lane.Send(1, 1, 2);
  lane.Send(2, 3, 4);
  lane.Start();
  EXPECT_EQ(Numbers(lane.master.Wait()), (std::vector<float>{2, 3}));
  EXPECT_EQ(Numbers(lane.master.Wait()), (std::vector<float>{4, 5}));
  lane.Stop();
  EXPECT_EQ(lane.errors, (std::vector<std::string>{"0 0 Predict Failed, too many rows"}));
}

TEST(ModelLaneTest, OutputsThatDoNotFitAreAnError) {
  Lane lane(std::make_shared<Nothing>());
  lane.Send(1, 1, 2);
  lane.Send(2, 1, 2);
  lane.Start();
  for (int answers = 0; answers < 2; ++answers) {
    EXPECT_EQ(lane.master.Wait().error.text, "Predict Failed, the model gave 0 outputs instead of 1");
  }
  lane.Stop();
  EXPECT_EQ(lane.runs, (std::vector<size_t>{2}));
  EXPECT_EQ(lane.errors.size(), 1U);
}

TEST(ModelLaneTest, WorkThatComesWhileItSleepsIsTaken) {
  Lane lane(std::make_shared<PlusOne>());
  lane.Start();
  for (uint64_t token = 1; token <= 200; ++token) {
    lane.Send(token, 0, 0);
    EXPECT_EQ(lane.master.Wait().token, token);
  }
}

}  // namespace
}  // namespace mindspore::serving::test
