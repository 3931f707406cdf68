#include "dispatch/dispatcher.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "dispatch/admission.h"
#include "dispatch/outgoing.h"
#include "shm/block.h"

namespace mindspore::serving {
namespace {

Reply EmptyReply(const Request &request) {
  Reply reply;
  reply.servable = request.servable;
  reply.method = request.method;
  reply.version = request.version;
  return reply;
}

}  // namespace

Dispatcher::Dispatcher(uint64_t max_enqueued_requests) : max_enqueued_requests_(max_enqueued_requests) {}

Dispatcher::~Dispatcher() {
  Stop();
  std::vector<uint64_t> workers;
  {
    std::lock_guard lock(mutex_);
    for (const auto &[number, link] : links_) {
      workers.push_back(number);
    }
  }
  for (uint64_t worker : workers) {
    RemoveWorker(worker);
  }
}

// --- admission ---

Error Dispatcher::CheckTarget(const Target &target) {
  const uint64_t limit = max_enqueued_requests();
  if (in_flight() >= limit) {
    return QueueFull(limit);
  }
  RoutingTable::Route route;
  std::lock_guard lock(mutex_);
  return Resolve(target, &route);
}

std::shared_ptr<Call> Dispatcher::Submit(std::unique_ptr<Request> request, CallSink *sink) {
  const uint64_t limit = max_enqueued_requests();
  Error refusal;
  std::shared_ptr<Call> call;
  if (in_flight_.fetch_add(1, std::memory_order_relaxed) >= limit) {
    refusal = QueueFull(limit);
  } else {
    RoutingTable::Route route;
    std::shared_ptr<const MethodInfo> method;
    {
      std::lock_guard lock(mutex_);
      refusal = Resolve(*request, &route);
      method = route.queue == nullptr ? nullptr : route.queue->info;
    }
    if (!refusal) {
      // Without the lock: a long string takes long to check.
      refusal = CheckInstances(*request, *method);
    }
    if (!refusal) {
      std::vector<Outgoing> outgoing;
      refusal = Enqueue(&request, sink, route, &call, &outgoing);
      SendAll(std::move(outgoing));
    }
  }
  if (refusal) {
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    LogRefusal(refusal);
    Reply reply = EmptyReply(*request);
    reply.error = std::move(refusal);
    sink->Complete(std::move(reply));
  }
  return call;
}

// The checks in the order that clients know: servable, method, then the caller checks the instances.
Error Dispatcher::Resolve(const Target &target, RoutingTable::Route *route) {
  if (stopped_) {
    return NotAvailable(target, ErrorKind::kNoWorker, "servable");
  }
  *route = routes_.Resolve(target.servable, target.version, target.method);
  if (route->endpoint == nullptr || route->endpoint->methods.empty()) {
    return NotAvailable(target, ErrorKind::kUnknownServable, "servable");
  }
  const bool internal = target.method.starts_with('@');
  if (route->queue == nullptr || internal) {
    return NotAvailable(target, ErrorKind::kUnknownServable, "method");
  }
  return {};
}

// Puts a checked request into its queue, unless things have changed meanwhile.
Error Dispatcher::Enqueue(std::unique_ptr<Request> *request, CallSink *sink, const RoutingTable::Route &route,
                          std::shared_ptr<Call> *call, std::vector<Outgoing> *outgoing) {
  std::lock_guard lock(mutex_);
  if (stopped_) {
    return NotAvailable(**request, ErrorKind::kNoWorker, "servable");
  }
  if (route.queue->retired) {
    return NotAvailable(**request, ErrorKind::kUnknownServable, "method");
  }
  if (route.endpoint->starting == 0 && !HasReadyWorker(*route.endpoint, *route.queue)) {
    return NotAvailable(**request, ErrorKind::kNoWorker, "servable");
  }
  *call = std::make_shared<Call>(std::move(*request), route.queue->info, route.queue, sink, true);
  for (uint32_t index = 0; index < (*call)->request->instances.size(); ++index) {
    route.queue->waiting.push_back({*call, index, 0});
  }
  TakeReady(route.endpoint, outgoing);
  return {};
}

void Dispatcher::Cancel(const std::shared_ptr<Call> &call) {
  if (call->completed.exchange(true)) {
    Log(LogLevel::kDebug, "A call was cancelled after it had been answered");
    return;
  }
  Entries dropped;  // freed without the lock: they may hold the last share of much memory
  {
    std::lock_guard lock(mutex_);
    for (auto *entries : {&call->queue->waiting, &call->queue->alone}) {
      const auto rest = std::stable_partition(entries->begin(), entries->end(),
                                              [&](const QueueEntry &entry) { return entry.call != call; });
      std::move(rest, entries->end(), std::back_inserter(dropped));
      entries->erase(rest, entries->end());
    }
    for (const auto &[number, link] : links_) {
      for (uint32_t index = 0; index < link.second->slots.size(); ++index) {
        const auto &slot = link.second->slots[index];
        if (slot.used && slot.sent && slot.entry.call == call) {
          // A hint only: when the ring is full the instance runs and its result is dropped.
          (void)link.second->channel->Send(
            {EntryKind::kCancel, slot.method, uint64_t{slot.generation} << 32 | index, 0, 0, {}}, kNoBell);
        }
      }
    }
  }
  Reply reply = EmptyReply(*call->request);
  reply.error = MakeError(ErrorKind::kCancelled, "The caller has gone");
  if (LogIsOn(LogLevel::kDebug)) {
    Log(LogLevel::kDebug, "A call of " + call->request->servable + " was cancelled, " + std::to_string(dropped.size()) +
                            " of its " + std::to_string(call->request->instances.size()) +
                            " instances had not started");
  }
  Complete(call.get(), std::move(reply));
}

// --- master to worker ---

void Dispatcher::TakeReady(Endpoint *endpoint, std::vector<Outgoing> *outgoing) {
  auto take_from = [&](MethodQueue *queue, std::deque<QueueEntry> *entries, auto choose_worker) {
    while (!entries->empty()) {
      auto [worker, method] = choose_worker(endpoint, *queue);
      if (worker == nullptr) {
        return;
      }
      QueueEntry entry = std::move(entries->front());
      entries->pop_front();
      const uint64_t token = worker->Take(entry, queue, method);
      outgoing->push_back(
        {endpoint, worker, std::move(entry), token, method, worker->methods[method].lane, worker->space_epoch});
    }
  };
  // Those that need a worker for themselves first, whatever their method: a worker that was reserved stays so until they have run.
  bool someone_waits_alone = false;
  for (auto &[name, queue] : endpoint->methods) {
    take_from(queue.get(), &queue->alone, ChooseIdleWorker);
    someone_waits_alone |= !queue->alone.empty();
  }
  for (const auto &worker : endpoint->workers) {
    if (worker->reserved && worker->in_flight == 0 && !someone_waits_alone) {
      worker->reserved = false;
    }
  }
  for (auto &[name, queue] : endpoint->methods) {
    take_from(queue.get(), &queue->waiting, ChooseWorker);
  }
}

void Dispatcher::SendAll(std::vector<Outgoing> outgoing) {
  std::vector<Outgoing> unsent;
  for (auto &one : outgoing) {
    // What comes behind a refused instance for the same worker stays behind it.
    const bool refused = std::ranges::any_of(unsent, [&](const Outgoing &other) { return other.link == one.link; });
    if (refused || !SendInstance(&one)) {
      unsent.push_back(std::move(one));
    }
  }
  if (!unsent.empty()) {
    ReturnUnsent(std::move(unsent));
  }
}

// False when the worker's memory or ring has no room for the instance now.
bool Dispatcher::SendInstance(Outgoing *outgoing) {
  const auto &inputs = outgoing->entry.call->method->inputs;
  const InputInstance &instance = outgoing->entry.call->request->instances[outgoing->entry.index];
  std::vector<const InputTensor *> tensors(inputs.size());
  std::vector<TensorPlan> plans(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    tensors[i] = instance.Find(inputs[i]);
    plans[i] = {.dtype = tensors[i]->dtype, .shape = &tensors[i]->shape, .size_bytes = tensors[i]->data.size_bytes()};
  }
  const auto &channel = outgoing->link->channel;
  const uint64_t block_bytes = BlockBytes(plans);
  if (block_bytes > channel->max_block_bytes()) {
    const auto text = "The inputs of one instance take " + std::to_string(block_bytes) +
                      " bytes, more than the limit of " + std::to_string(channel->max_block_bytes());
    Log(LogLevel::kWarning, text);
    {
      std::lock_guard lock(mutex_);
      if (outgoing->link->Find(outgoing->token) == nullptr) {
        return true;
      }
      outgoing->link->Remove(outgoing->token);
    }
    FinishInstance(outgoing->entry, {{}, MakeError(ErrorKind::kTooLarge, text)});
    PumpEndpoint(outgoing->endpoint);
    return true;
  }
  const auto offset = channel->Allocate(block_bytes);
  if (!offset.has_value()) {
    return false;
  }
  const auto block = channel->Bytes(channel->own_segment(), *offset, block_bytes);
  std::vector<std::byte *> data(tensors.size());
  WriteBlock(plans, channel->own_segment(), *offset, block, data);
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i]->data.CopyTo(data[i]);
  }
  channel->AddReference(*offset);  // ours, until the result has been read: outputs may point into the inputs
  {
    std::lock_guard lock(mutex_);
    WorkerLink::Slot *slot = outgoing->link->Find(outgoing->token);
    if (slot == nullptr) {
      return true;  // the worker died meanwhile and the instance runs elsewhere; the block goes with the channel
    }
    slot->block_offset = *offset;
    slot->block_bytes = block_bytes;
    slot->sent = true;
  }
  const RingEntry entry = {EntryKind::kInstance, outgoing->method, outgoing->token, *offset, block_bytes, {}};
  if (channel->Send(entry, outgoing->lane) || channel->closed()) {
    return true;
  }
  channel->DropReference(*offset);
  channel->DropReference(*offset);
  return false;
}

// The worker's memory (or ring) is full: the instances go back to the heads of their queues until something is released.
void Dispatcher::ReturnUnsent(std::vector<Outgoing> unsent) {
  if (LogIsOn(LogLevel::kInfo)) {
    Log(LogLevel::kInfo, "Worker " + unsent.front().link->label + " has no room for now, " +
                           std::to_string(unsent.size()) + " instances wait");
  }
  std::vector<Outgoing> again;
  Entries orphans;
  {
    std::lock_guard lock(mutex_);
    for (auto last = unsent.rbegin(); last != unsent.rend(); ++last) {
      const Outgoing &one = *last;
      if (one.link->Find(one.token) == nullptr) {
        continue;  // the worker died meanwhile and the instance runs elsewhere
      }
      WorkerLink::Slot slot = one.link->Remove(one.token);
      if (slot.queue->retired) {
        orphans.push_back(std::move(slot.entry));
      } else {
        auto &queue = slot.entry.deaths == kMaxRetries ? slot.queue->alone : slot.queue->waiting;
        queue.push_front(std::move(slot.entry));
      }
      // Space that was freed since the choice was made would not be told again.
      one.link->space_refused = one.link->space_epoch == one.space_epoch;
    }
    for (const auto &one : unsent) {
      TakeReady(one.endpoint, &again);  // another worker may have room
    }
  }
  FailEntries(std::move(orphans), MethodChanged());
  SendAll(std::move(again));
}

void Dispatcher::PumpEndpoint(Endpoint *endpoint) {
  std::vector<Outgoing> outgoing;
  {
    std::lock_guard lock(mutex_);
    TakeReady(endpoint, &outgoing);
  }
  SendAll(std::move(outgoing));
}

// --- completion ---

void Dispatcher::FailEntries(Entries entries, const Error &error) {
  for (const auto &entry : entries) {
    FinishInstance(entry, {{}, error});
  }
}

void Dispatcher::FinishInstance(const QueueEntry &entry, InstanceResult result) {
  Call *call = entry.call.get();
  call->reply.instances[entry.index] = std::move(result);
  if (call->pending.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (call->completed.exchange(true)) {
    Log(LogLevel::kDebug, "The results of a cancelled call are dropped");
    return;
  }
  MergeEqualErrors(&call->reply);
  Complete(call, std::move(call->reply));
}

void Dispatcher::Complete(Call *call, Reply reply) {
  if (call->is_public) {
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
  }
  call->sink->Complete(std::move(reply));
}

}  // namespace mindspore::serving
