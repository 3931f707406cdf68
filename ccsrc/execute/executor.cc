#include "execute/executor.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/log.h"
#include "execute/model_batch.h"

namespace mindspore::serving {
namespace {

constexpr int kMasterLane = 0;

uint32_t LaneBit(int lane) { return uint32_t{1} << lane; }

// The method of one stage that CallModel's instances go through.
Method CallMethod(uint32_t model, uint32_t number, const Subgraph &subgraph) {
  Stage stage;
  stage.kind = StageKind::kModel;
  stage.model = model;
  stage.subgraph = number;
  stage.inputs.resize(subgraph.inputs.size());
  std::iota(stage.inputs.begin(), stage.inputs.end(), 0);
  stage.first_output = static_cast<uint32_t>(subgraph.inputs.size());
  stage.outputs_count = static_cast<uint32_t>(subgraph.outputs.size());
  Method method;
  method.inputs_count = stage.first_output;
  method.returns.resize(stage.outputs_count);
  std::iota(method.returns.begin(), method.returns.end(), stage.first_output);
  method.stages.push_back(std::move(stage));
  return method;
}

Plan Completed(Plan plan) {
  for (uint32_t m = 0; m < plan.models.size(); ++m) {
    auto &subgraphs = plan.models[m].subgraphs;
    for (uint32_t s = 0; s < subgraphs.size(); ++s) {
      subgraphs[s].call_method = plan.methods.size();
      plan.methods.push_back(CallMethod(m, s, subgraphs[s]));
    }
  }
  plan.Check();
  return plan;
}

Error StoppedError() { return MakeError(ErrorKind::kNoWorker, "Servable stopped"); }

}  // namespace

Executor::Executor(std::shared_ptr<Channel> channel, Plan plan)
    : channel_(std::move(channel)),
      plan_(Completed(std::move(plan))),
      writer_(channel_),
      queues_(plan_),
      remote_(channel_, plan_) {}

Executor::~Executor() { Stop(); }

bool Executor::TryNext(int lane, Batch *batch) {
  std::vector<Answer> answers;
  Bells bells;
  bool found = false;
  {
    std::lock_guard lock(mutex_);
    if (stopped_.load()) {
      return false;
    }
    lane_threads_[static_cast<size_t>(lane)] = std::this_thread::get_id();
    Drain(&answers, &bells);
    found = queues_.Pop(lane, batch);
  }
  for (Answer &answer : answers) {
    Finish(std::move(answer.instance), answer.error, &bells);
  }
  bells.master |= writer_.Flush();
  bells.lanes &= ~LaneBit(lane);
  Ring(&bells);
  return found;
}

bool Executor::WaitNext(int lane, Batch *batch) {
  while (!stopped_.load() && !channel_->closed()) {
    if (TryNext(lane, batch)) {
      return true;
    }
    channel_->PrepareSleep(lane);
    if (TryNext(lane, batch)) {
      channel_->CancelSleep(lane);
      return true;
    }
    if (stopped_.load()) {
      channel_->CancelSleep(lane);
      return false;
    }
    channel_->Sleep(lane);
  }
  return false;
}

void Executor::Drain(std::vector<Answer> *answers, Bells *bells) {
  while (const auto entry = channel_->Receive()) {
    if (entry->kind == EntryKind::kInstance) {
      Accept(*entry, answers, bells);
    } else if (entry->kind == EntryKind::kCancel) {
      if (InstancePtr instance = queues_.Remove(entry->token)) {
        answers->push_back(Answer{std::move(instance), MakeError(ErrorKind::kCancelled, "The caller has gone")});
      }
    } else if (entry->kind == EntryKind::kModelResult) {
      if (auto returned = remote_.Take(*entry)) {
        Resume(std::move(*returned), answers, bells);
      }
    } else {
      Log(LogLevel::kWarning, "The master sent an entry of unknown kind " +
                                std::to_string(static_cast<uint32_t>(entry->kind)) + ", which is dropped");
    }
  }
  bells->master |= remote_.Flush();
}

// Files the instance for its next stage, which a thread here or another worker will run.
void Executor::Enqueue(InstancePtr instance, std::vector<Answer> *answers, Bells *bells) {
  if (instance->stage().kind != StageKind::kModel || IsForModelHere(*instance)) {
    bells->lanes |= LaneBit(queues_.Push(std::move(instance)));
  } else if (auto refused = remote_.Start(std::move(instance))) {
    answers->push_back(Answer{std::move(refused->instance), refused->error});
  } else {
    bells->master = true;
  }
}

// Another worker has run the instance's model stage.
void Executor::Resume(RemoteModels::Returned returned, std::vector<Answer> *answers, Bells *bells) {
  InstancePtr &instance = returned.instance;
  Error error = std::move(returned.error);
  if (!error) {
    std::ranges::move(returned.outputs, instance->values.begin() + instance->stage().first_output);
    ++instance->next_stage;
    if (Route(instance.get(), &error)) {
      Enqueue(std::move(instance), answers, bells);
      return;
    }
  }
  answers->push_back(Answer{std::move(instance), std::move(error)});
}

void Executor::Accept(const RingEntry &entry, std::vector<Answer> *answers, Bells *bells) {
  auto instance = std::make_unique<Instance>();
  instance->token = entry.token;
  Error error;
  try {
    const auto block = channel_->Bytes(SegmentId::kRequest, entry.offset, entry.size_bytes);
    instance->lease = std::make_shared<RequestLease>(channel_, entry.offset, block);
    if (entry.method >= plan_.methods.size()) {
      throw std::out_of_range("there is no method of number " + std::to_string(entry.method));
    }
    const Method &method = plan_.methods[entry.method];
    ReadBlock(block, SegmentId::kRequest, entry.offset, 0, 0, &contents_);
    if (contents_.tensors.size() != method.inputs_count) {
      throw std::out_of_range("the method has another number of inputs");
    }
    instance->method = &method;
    instance->values.resize(method.slots_count);
    for (size_t i = 0; i < contents_.tensors.size(); ++i) {
      const BlockTensor &tensor = contents_.tensors[i];
      std::byte *data = block.data() + (tensor.offset - entry.offset);
      instance->values[i] = Value{tensor.dtype, tensor.shape, data, tensor.size_bytes, false, instance->lease};
    }
  } catch (const std::exception &exception) {
    error = MakeError(ErrorKind::kInternal, std::string("The worker cannot read an instance: ") + exception.what());
    Log(LogLevel::kError, error.text);
  }
  if (error || !Route(instance.get(), &error)) {
    answers->push_back(Answer{std::move(instance), error});
  } else {
    Enqueue(std::move(instance), answers, bells);
  }
}

// Takes the instance to its next stage that needs a thread's turn; false when it is finished or has failed.
bool Executor::Route(Instance *instance, Error *error) const {
  for (; instance->next_stage < instance->method->stages.size(); ++instance->next_stage) {
    const Stage &stage = instance->stage();
    if (stage.kind == StageKind::kPython) {
      return true;
    }
    if (stage.kind == StageKind::kModel) {
      if (auto wrong = CheckModelInputs(plan_.models[stage.model], *instance)) {
        *error = *wrong;
        return false;
      }
      return true;
    }
    std::vector<const Value *> inputs;
    std::ranges::transform(stage.inputs, std::back_inserter(inputs),
                           [&](uint32_t slot) { return &instance->values[slot]; });
    try {
      instance->values[stage.first_output] = stage.builtin(inputs);
    } catch (const ServingError &failure) {
      *error = failure.error();
      return false;
    }
  }
  return false;
}

void Executor::Complete(InstancePtr instance, std::span<Value> outputs, Bells *bells) {
  std::ranges::move(outputs, instance->values.begin() + instance->stage().first_output);
  ++instance->next_stage;
  Error error;
  if (!Route(instance.get(), &error)) {
    Finish(std::move(instance), error, bells);
  } else if (IsForModelHere(*instance)) {
    bells->held.push_back(std::move(instance));
  } else {
    File(std::move(instance), bells);
  }
}

bool Executor::IsForModelHere(const Instance &instance) const {
  const Stage &stage = instance.stage();
  return stage.kind == StageKind::kModel && !plan_.models[stage.model].remote;
}

void Executor::FileHeld(Bells *bells) {
  if (bells->held.empty()) {
    return;
  }
  std::lock_guard lock(mutex_);
  for (InstancePtr &instance : bells->held) {
    bells->lanes |= LaneBit(queues_.Push(std::move(instance)));
  }
  bells->held.clear();
}

void Executor::File(InstancePtr instance, Bells *bells) {
  std::vector<Answer> answers;
  {
    std::lock_guard lock(mutex_);
    Enqueue(std::move(instance), &answers, bells);
  }
  for (Answer &answer : answers) {
    Finish(std::move(answer.instance), answer.error, bells);
  }
}

void Executor::Fail(InstancePtr instance, const Error &error, Bells *bells) {
  // After Stop, it may have failed only because of that, such as in a Model.call that was cut off: another worker's turn.
  if (!stopped_.load()) {
    Finish(std::move(instance), error, bells);
  } else if (LogIsOn(LogLevel::kDebug)) {
    Log(LogLevel::kDebug, "An instance that was cut off is left to other workers: " + error.text);
  }
}

void Executor::Finish(InstancePtr instance, const Error &error, Bells *bells) {
  if (!instance->call) {
    writer_.Write(std::move(instance), error);
    bells->master = true;
    return;
  }
  std::vector<Value> outputs;
  if (!error) {
    for (uint32_t slot : instance->method->returns) {
      outputs.push_back(std::move(instance->values[slot]));
    }
  }
  const auto call = std::move(instance->call);
  call->Deliver(instance->call_index, std::move(outputs), error);
}

void Executor::RingMaster(Bells *bells) {
  if (bells->master) {
    channel_->Ring(kMasterLane);
  }
  bells->master = false;
}

void Executor::Ring(Bells *bells) {
  FileHeld(bells);
  RingMaster(bells);
  for (int lane = 0; bells->lanes != 0; ++lane, bells->lanes >>= 1) {
    if (bells->lanes & 1) {
      channel_->Wake(lane);
    }
  }
}

void Executor::NoteTime(const Batch &batch, Clock::duration spent) {
  const double spent_us = std::chrono::duration<double, std::micro>(spent).count();
  std::lock_guard lock(mutex_);
  queues_.NoteTime(*batch.method, batch.stage_index, spent_us);
}

std::vector<std::vector<Value>> Executor::CallModel(uint32_t model, uint32_t subgraph,
                                                    std::vector<std::vector<Value>> instances) {
  const Method &method = plan_.methods[plan_.models.at(model).subgraphs.at(subgraph).call_method];
  auto call = std::make_shared<ModelCall>(instances.size());
  Bells bells;
  std::vector<Answer> answers;
  {
    std::lock_guard lock(mutex_);
    if (stopped_.load()) {
      throw ServingError(StoppedError());
    }
    if (lane_threads_[static_cast<size_t>(plan_.models[model].lane)] == std::this_thread::get_id()) {
      throw ServingError(ErrorKind::kStageFailed, "a model cannot be called from the thread that runs it");
    }
    std::erase_if(calls_, [](const auto &other) { return other.expired(); });
    calls_.push_back(call);
    for (size_t i = 0; i < instances.size(); ++i) {
      auto instance = std::make_unique<Instance>();
      instance->method = &method;
      instance->call = call;
      instance->call_index = i;
      instance->values = std::move(instances[i]);
      instance->values.resize(method.slots_count);
      Error error;
      if (Route(instance.get(), &error)) {
        Enqueue(std::move(instance), &answers, &bells);
      } else {
        answers.push_back(Answer{std::move(instance), error});
      }
    }
  }
  for (Answer &answer : answers) {
    Finish(std::move(answer.instance), answer.error, &bells);
  }
  Ring(&bells);
  return call->Wait();
}

void Executor::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_.store(true);
    for (const auto &weak : calls_) {
      if (const auto call = weak.lock()) {
        call->Abandon(StoppedError());
      }
    }
    calls_.clear();
  }
  for (int lane = 0; lane < plan_.LaneCount(); ++lane) {
    channel_->Wake(lane);
  }
}

}  // namespace mindspore::serving
