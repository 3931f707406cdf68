#include "dispatch/dispatcher.h"

#include <array>
#include <utility>

#include "dispatch/admission.h"
#include "dispatch/result_reader.h"
#include "shm/block.h"

namespace mindspore::serving {
namespace {

constexpr int kReaderLane = 0;

Error NotAvailable(const Request &request, ErrorKind kind, std::string_view what) {
  return MakeError(kind, NotAvailableText(request, what));
}

Reply EmptyReply(const Request &request) {
  Reply reply;
  reply.servable = request.servable;
  reply.method = request.method;
  reply.version = request.version;
  return reply;
}

}  // namespace

/// An instance that a worker was chosen for, on its way into the worker's memory.
struct Dispatcher::Outgoing {
  Endpoint *endpoint;
  std::shared_ptr<WorkerLink> link;
  QueueEntry entry;
  uint64_t token;
  uint32_t method;
  int lane;
  uint64_t space_epoch;
};

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

std::shared_ptr<Call> Dispatcher::Submit(std::unique_ptr<Request> request, CallSink *sink) {
  const uint64_t limit = max_enqueued_requests();
  Error refusal;
  std::shared_ptr<Call> call;
  if (in_flight_.fetch_add(1, std::memory_order_relaxed) >= limit) {
    refusal = MakeError(ErrorKind::kQueueFull, "Serving Error: enqueued requests count exceeds the limit " + std::to_string(limit));
  } else {
    std::vector<Outgoing> outgoing;
    {
      std::unique_lock lock(mutex_);
      RoutingTable::Route route;
      refusal = Admit(*request, &route);
      if (!refusal) {
        call = std::make_shared<Call>(std::move(request), route.queue->info, sink);
                for (uint32_t index = 0; index < call->request->instances.size(); ++index) {
          route.queue->waiting.push_back({call, index, 0});
        }
        TakeReady(route.endpoint, route.queue.get(), &outgoing);
      }
    }
    SendAll(std::move(outgoing));
  }
  if (refusal) {
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    Reply reply = EmptyReply(*request);
    reply.error = std::move(refusal);
    sink->Complete(std::move(reply));
  }
  return call;
}

// The checks in the order that clients know. Runs under the lock: checking a request is a few hundred nanoseconds, except for long strings.
Error Dispatcher::Admit(const Request &request, RoutingTable::Route *route) {
  if (stopped_) {
    return NotAvailable(request, ErrorKind::kNoWorker, "servable");
  }
  *route = routes_.Resolve(request.servable, request.version, request.method);
  if (route->endpoint == nullptr || route->endpoint->methods.empty()) {
    return NotAvailable(request, ErrorKind::kUnknownServable, "servable");
  }
  if (route->queue == nullptr) {
    return NotAvailable(request, ErrorKind::kUnknownServable, "method");
  }
  if (Error error = CheckInstances(request, *route->queue->info)) {
    return error;
  }
  if (route->endpoint->starting == 0 && !HasReadyWorker(*route->endpoint, *route->queue->info)) {
    return NotAvailable(request, ErrorKind::kNoWorker, "servable");
  }
  return {};
}

void Dispatcher::Cancel(const std::shared_ptr<Call> &call) {
  if (call->completed.exchange(true)) {
    return;
  }
  {
    std::lock_guard lock(mutex_);
    for (const auto &[number, link] : links_) {
      for (uint32_t index = 0; index < link.second->slots.size(); ++index) {
        const auto &slot = link.second->slots[index];
        if (slot.used && slot.sent && slot.entry.call == call) {
          // A hint only: when the ring is full the instance runs and its result is dropped.
          (void)link.second->channel->Send({EntryKind::kCancel, slot.method, uint64_t{slot.generation} << 32 | index, 0, 0, {}}, kNoBell);
        }
      }
    }
  }
  Reply reply = EmptyReply(*call->request);
  reply.error = MakeError(ErrorKind::kCancelled, "The caller has gone");
  Complete(call.get(), std::move(reply));
}

// --- master to worker ---

void Dispatcher::TakeReady(Endpoint *endpoint, MethodQueue *queue, std::vector<Outgoing> *outgoing) {
  auto take_from = [&](std::deque<QueueEntry> *entries, auto choose_worker) {
    while (!entries->empty()) {
      if (entries->front().call->completed.load(std::memory_order_relaxed)) {
        entries->pop_front();  // cancelled while it waited
        continue;
      }
      auto [worker, method] = choose_worker(endpoint, *queue);
      if (worker == nullptr) {
        return;
      }
      QueueEntry entry = std::move(entries->front());
      entries->pop_front();
      const uint64_t token = worker->Take(entry, queue, method);
      outgoing->push_back({endpoint, worker, std::move(entry), token, method, worker->methods[method].lane, worker->space_epoch});
    }
  };
  take_from(&queue->alone, ChooseIdleWorker);
  take_from(&queue->waiting, ChooseWorker);
}

void Dispatcher::SendAll(std::vector<Outgoing> outgoing) {
  for (auto &one : outgoing) {
    SendInstance(&one);
  }
}

void Dispatcher::SendInstance(Outgoing *outgoing) {
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
    const auto text = "The inputs of one instance take " + std::to_string(block_bytes) + " bytes, more than the limit of " +
                      std::to_string(channel->max_block_bytes());
    {
      std::lock_guard lock(mutex_);
      if (outgoing->link->Find(outgoing->token) == nullptr) {
        return;
      }
      outgoing->link->Remove(outgoing->token);
    }
    FinishInstance(outgoing->entry, {{}, MakeError(ErrorKind::kTooLarge, text)});
    return;
  }
  const auto offset = channel->Allocate(block_bytes);
  if (!offset.has_value()) {
    ReturnUnsent(outgoing);
    return;
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
      return;  // the worker died meanwhile and the instance runs elsewhere; the block goes with the channel
    }
    slot->block_offset = *offset;
    slot->block_bytes = block_bytes;
    slot->sent = true;
  }
  if (!channel->Send({EntryKind::kInstance, outgoing->method, outgoing->token, *offset, block_bytes, {}}, outgoing->lane) && !channel->closed()) {
    channel->DropReference(*offset);
    channel->DropReference(*offset);
    ReturnUnsent(outgoing);
  }
}

// The worker's memory (or ring) is full: the instance goes back to the head of its queue until something is released.
void Dispatcher::ReturnUnsent(Outgoing *outgoing) {
  std::vector<Outgoing> again;
  {
    std::lock_guard lock(mutex_);
    if (outgoing->link->Find(outgoing->token) == nullptr) {
      return;
    }
    WorkerLink::Slot slot = outgoing->link->Remove(outgoing->token);
    slot.queue->waiting.push_front(std::move(slot.entry));
    // Space that was freed since the choice was made would not be told again.
    outgoing->link->space_refused = outgoing->link->space_epoch == outgoing->space_epoch;
    if (!outgoing->link->space_refused) {
      TakeReady(outgoing->endpoint, slot.queue, &again);
    }
  }
  SendAll(std::move(again));
}

void Dispatcher::PumpEndpoint(Endpoint *endpoint) {
  std::vector<Outgoing> outgoing;
  {
    std::lock_guard lock(mutex_);
    for (auto &[name, queue] : endpoint->methods) {
      TakeReady(endpoint, queue.get(), &outgoing);
    }
  }
  SendAll(std::move(outgoing));
}

// --- worker to master: the reader threads ---

void Dispatcher::ReadReplies(Endpoint *endpoint, const std::shared_ptr<WorkerLink> &link) {
  constexpr size_t kMaxBatch = 32;
  Channel &channel = *link->channel;
  std::vector<RingEntry> results;
  for (;;) {
    while (results.size() < kMaxBatch) {
      const auto entry = channel.Receive();
      if (!entry.has_value()) {
        break;
      }
      if (entry->kind == EntryKind::kResult) {
        results.push_back(*entry);
      }
    }
    const bool space_freed = channel.TakeSpaceFreed();
    if (space_freed) {
      std::lock_guard lock(mutex_);
      link->space_refused = false;
      ++link->space_epoch;
    }
    if (!results.empty()) {
      channel.CancelSleep(kReaderLane);
      HandleResults(endpoint, link, &results);
    } else if (space_freed) {
      channel.CancelSleep(kReaderLane);
      PumpEndpoint(endpoint);
    } else if (channel.closed()) {
      return;
    } else if (!link->reader_is_drowsy) {
      channel.PrepareSleep(kReaderLane);
      link->reader_is_drowsy = true;  // one more look before sleeping
      continue;
    } else {
      channel.Sleep(kReaderLane);
    }
    link->reader_is_drowsy = false;
  }
}

void Dispatcher::HandleResults(Endpoint *endpoint, const std::shared_ptr<WorkerLink> &link, std::vector<RingEntry> *results) {
  std::vector<std::pair<WorkerLink::Slot, RingEntry>> finished;
  finished.reserve(results->size());
  {
    std::lock_guard lock(mutex_);
    for (const RingEntry &entry : *results) {
      const WorkerLink::Slot *slot = link->Find(entry.token);
      if (slot != nullptr && slot->sent) {
        finished.emplace_back(link->Remove(entry.token), entry);
        ++link->completed;
      } else {
        link->channel->Release(entry.offset);  // answered otherwise meanwhile
      }
    }
    link->last_progress = Clock::now();
  }
  results->clear();
  for (auto &[slot, entry] : finished) {
    const ResultBlocks blocks = {slot.block_offset, slot.block_bytes, entry.offset, entry.size_bytes};
    FinishInstance(slot.entry, ReadResult(link->channel, blocks, *slot.entry.call->method));
    slot.entry = {};
  }
  PumpEndpoint(endpoint);
}

// --- supervision ---

uint64_t Dispatcher::AddWorker(std::shared_ptr<Channel> channel, const std::string &servable, uint64_t version, std::vector<MethodInfo> methods,
                               bool own_device, std::string label) {
  Endpoint *endpoint;
  std::shared_ptr<WorkerLink> link;
  Entries orphans;
  {
    std::lock_guard lock(mutex_);
    endpoint = routes_.Add(servable, version);
    const uint64_t number = next_worker_++;
    link = std::make_shared<WorkerLink>(number, std::move(label), std::move(channel), own_device);
    for (auto &info : methods) {
      auto &queue = endpoint->methods[info.name];
      if (queue != nullptr && !queue->info->SameSignature(info)) {
        // The servable's configuration has changed with the restart: calls made for the old method cannot be run.
        orphans.insert(orphans.end(), queue->waiting.begin(), queue->waiting.end());
        orphans.insert(orphans.end(), queue->alone.begin(), queue->alone.end());
        queue = nullptr;
      }
      const uint32_t credit = info.credit;
      const int lane = info.lane;
      if (queue == nullptr) {
        queue = std::make_shared<MethodQueue>();
        queue->info = std::make_shared<const MethodInfo>(std::move(info));
      }
      link->methods.push_back({queue, 0, credit, lane});
    }
    endpoint->workers.push_back(link);
    links_[number] = {endpoint, link};
    readers_[number] = std::thread([this, endpoint, link] { ReadReplies(endpoint, link); });
  }
  FailEntries(std::move(orphans), MakeError(ErrorKind::kUnknownServable, "The method has changed while the request waited"));
  PumpEndpoint(endpoint);
  return link->number;
}

void Dispatcher::DrainWorker(uint64_t worker) {
  std::lock_guard lock(mutex_);
  const auto found = links_.find(worker);
  if (found != links_.end()) {
    found->second.second->draining = true;
  }
}

void Dispatcher::RemoveWorker(uint64_t worker) {
  Endpoint *endpoint;
  std::shared_ptr<WorkerLink> link;
  std::thread reader;
  {
    std::lock_guard lock(mutex_);
    const auto found = links_.find(worker);
    if (found == links_.end()) {
      return;
    }
    std::tie(endpoint, link) = found->second;
    link->gone = true;
    std::erase(endpoint->workers, link);
    endpoint->starting = std::max(endpoint->starting, 1);
    links_.erase(found);
    reader = std::move(readers_.at(worker));
    readers_.erase(worker);
  }
  link->channel->Close();
  reader.join();  // it takes the results that had been written before
  Entries given_up;
  {
    std::lock_guard lock(mutex_);
    Requeue(link.get(), &given_up);
  }
  FailEntries(std::move(given_up), MakeError(ErrorKind::kInternal, "Serving Error: " + std::to_string(kMaxRetries + 1) +
                                                                     " workers died while they ran this instance, it is not tried again"));
  PumpEndpoint(endpoint);
}

// What the dead worker had runs again: the second time like any other, the last time alone.
void Dispatcher::Requeue(WorkerLink *link, Entries *given_up) {
  for (uint32_t index = 0; index < link->slots.size(); ++index) {
    if (!link->slots[index].used) {
      continue;
    }
    WorkerLink::Slot slot = link->Remove(uint64_t{link->slots[index].generation} << 32 | index);
    slot.entry.deaths += slot.sent ? 1 : 0;
    if (stopped_ || slot.entry.deaths > kMaxRetries) {
      given_up->push_back(std::move(slot.entry));
    } else if (slot.entry.deaths == kMaxRetries) {
      slot.queue->alone.push_back(std::move(slot.entry));
    } else {
      slot.queue->waiting.push_front(std::move(slot.entry));
    }
  }
}

void Dispatcher::SetStarting(const std::string &servable, uint64_t version, int workers) {
  {
    std::lock_guard lock(mutex_);
    routes_.Add(servable, version)->starting = workers;
  }
  if (workers == 0) {
    FailWaiting(servable, version);
  }
}

void Dispatcher::FailWaiting(const std::string &servable, uint64_t version) {
  Entries waiting;
  {
    std::lock_guard lock(mutex_);
    Endpoint *endpoint = routes_.Find(servable, version);
    if (endpoint != nullptr) {
      waiting = TakeWaiting(endpoint);
    }
  }
  for (auto &entry : waiting) {
    FinishInstance(entry, {{}, NotAvailable(*entry.call->request, ErrorKind::kNoWorker, "servable")});
  }
}

Dispatcher::Entries Dispatcher::TakeWaiting(Endpoint *endpoint) {
  Entries taken;
  for (auto &[name, queue] : endpoint->methods) {
    if (!stopped_ && HasReadyWorker(*endpoint, *queue->info)) {
      continue;
    }
    for (auto *entries : {&queue->alone, &queue->waiting}) {
      std::move(entries->begin(), entries->end(), std::back_inserter(taken));
      entries->clear();
    }
  }
  return taken;
}

WorkerLoad Dispatcher::Load(uint64_t worker) const {
  std::lock_guard lock(mutex_);
  const WorkerLink &link = *links_.at(worker).second;
  const std::chrono::duration<double> since = Clock::now() - link.last_progress;
  return {link.in_flight, link.completed, since.count()};
}

void Dispatcher::Stop() {
  Entries unfinished;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    routes_.ForEach([&](Endpoint *endpoint) {
      Entries waiting = TakeWaiting(endpoint);
      std::move(waiting.begin(), waiting.end(), std::back_inserter(unfinished));
    });
    for (auto &[number, link] : links_) {
      Requeue(link.second.get(), &unfinished);
    }
  }
  for (auto &entry : unfinished) {
    FinishInstance(entry, {{}, NotAvailable(*entry.call->request, ErrorKind::kNoWorker, "servable")});
  }
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
  if (call->pending.fetch_sub(1, std::memory_order_acq_rel) != 1 || call->completed.exchange(true)) {
    return;
  }
  MergeEqualErrors(&call->reply);
  Complete(call, std::move(call->reply));
}

void Dispatcher::Complete(Call *call, Reply reply) {
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  call->sink->Complete(std::move(reply));
}

}  // namespace mindspore::serving
