#include "execute/stage_queues.h"

#include <algorithm>
#include <utility>

#include "execute/model_batch.h"

namespace mindspore::serving {
namespace {

// Below this a turn of several instances costs less than the bells and locks of one turn each.
constexpr double kFastInstanceUs = 50;
constexpr size_t kFastTurn = 8;
// Below this, waiting for the next ones costs an instance little beside what a model saves by running several at once.
constexpr double kHoldableInstanceUs = 250;
// Weight of the newest turn in the running average.
constexpr double kNewest = 0.2;

constexpr int kPythonLane = 0;

void Average(double *average, double newest) {
  *average = *average < 0 ? newest : *average + kNewest * (newest - *average);
}

}  // namespace

StageQueues::StageQueues(const Plan &plan) : plan_(plan) {
  for (const Method &method : plan.methods) {
    methods_.emplace_back(method.stages.size());
  }
  for (const Model &model : plan.models) {
    for (uint32_t i = 0; i < model.subgraphs.size(); ++i) {
      lanes_[static_cast<size_t>(model.lane)].queues.push_back(SubgraphQueue{&model, i, {}});
    }
  }
}

int StageQueues::Push(InstancePtr instance) {
  const Stage &stage = instance->stage();
  int lane = kPythonLane;
  if (stage.kind == StageKind::kModel) {
    const Model *model = &plan_.models[stage.model];
    lane = model->lane;
    auto &queues = lanes_[static_cast<size_t>(lane)].queues;
    auto queue =
      std::ranges::find_if(queues, [&](const auto &q) { return q.model == model && q.subgraph == stage.subgraph; });
    queue->waiting.push_back(std::move(instance));
  } else {
    const auto method = static_cast<size_t>(instance->method - plan_.methods.data());
    methods_[method][instance->next_stage].waiting.push_back(std::move(instance));
  }
  ++waiting_[static_cast<size_t>(lane)];
  return lane;
}

bool StageQueues::Pop(int lane, Batch *batch) {
  batch->instances.clear();
  const auto index = static_cast<size_t>(lane);
  if (waiting_[index] == 0) {
    return false;
  }
  const bool found = lane == kPythonLane ? PopPython(batch) : PopModel(&lanes_[index], batch);
  waiting_[index] -= batch->instances.size();
  return found;
}

bool StageQueues::PopPython(Batch *batch) {
  for (size_t tried = 0; tried < methods_.size(); ++tried) {
    const size_t number = next_method_;
    next_method_ = (next_method_ + 1) % methods_.size();
    auto &stages = methods_[number];
    auto latest =
      std::find_if(stages.rbegin(), stages.rend(), [](const StageQueue &queue) { return !queue.waiting.empty(); });
    if (latest == stages.rend()) {
      continue;
    }
    batch->method = &plan_.methods[number];
    batch->stage_index = static_cast<size_t>(stages.rend() - latest) - 1;
    batch->model = nullptr;
    batch->fast = latest->average_us >= 0 && latest->average_us < kFastInstanceUs;
    batch->may_hold = latest->average_us >= 0 && latest->average_us < kHoldableInstanceUs;
    const Stage &stage = batch->method->stages[batch->stage_index];
    size_t limit = stage.batch_size;
    if (stage.per_instance && batch->fast) {
      limit = std::max(limit, kFastTurn);
    }
    limit = std::min(limit, latest->waiting.size());
    for (size_t i = 0; i < limit; ++i) {
      batch->instances.push_back(std::move(latest->waiting.front()));
      latest->waiting.pop_front();
    }
    return true;
  }
  return false;
}

bool StageQueues::PopModel(ModelLane *lane, Batch *batch) {
  for (size_t tried = 0; tried < lane->queues.size(); ++tried) {
    SubgraphQueue &queue = lane->queues[lane->next];
    lane->next = (lane->next + 1) % lane->queues.size();
    if (queue.waiting.empty()) {
      continue;
    }
    batch->method = nullptr;
    batch->model = queue.model;
    batch->subgraph = queue.subgraph;
    batch->fast = batch->may_hold = true;
    const Subgraph &subgraph = queue.model->subgraphs[queue.subgraph];
    std::deque<InstancePtr> rest;
    for (InstancePtr &instance : queue.waiting) {
      const bool room = batch->instances.size() < queue.model->batch_size;
      if (room && (batch->instances.empty() || CanShareRun(subgraph, *batch->instances.front(), *instance))) {
        batch->instances.push_back(std::move(instance));
      } else {
        rest.push_back(std::move(instance));
      }
    }
    queue.waiting = std::move(rest);
    return true;
  }
  return false;
}

InstancePtr StageQueues::Remove(uint64_t token) {
  // Instances of a Model.call are not the master's: their token means nothing.
  auto take = [&](std::deque<InstancePtr> *waiting) -> InstancePtr {
    auto it = std::ranges::find_if(*waiting, [&](const InstancePtr &i) { return i->token == token && !i->call; });
    if (it == waiting->end()) {
      return nullptr;
    }
    InstancePtr instance = std::move(*it);
    waiting->erase(it);
    return instance;
  };
  for (auto &stages : methods_) {
    for (StageQueue &queue : stages) {
      if (InstancePtr instance = take(&queue.waiting)) {
        --waiting_[kPythonLane];
        return instance;
      }
    }
  }
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    for (SubgraphQueue &queue : lanes_[lane].queues) {
      if (InstancePtr instance = take(&queue.waiting)) {
        --waiting_[lane];
        return instance;
      }
    }
  }
  return nullptr;
}

void StageQueues::NoteTime(const Method &method, size_t stage_index, double instance_us) {
  Average(&methods_[static_cast<size_t>(&method - plan_.methods.data())][stage_index].average_us, instance_us);
}

}  // namespace mindspore::serving
