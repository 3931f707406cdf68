#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "dispatch/admission.h"
#include "dispatch/outgoing.h"
#include "dispatch/result_reader.h"

namespace mindspore::serving {
namespace {

constexpr int kReaderLane = 0;
constexpr size_t kMaxEntriesAfterClose = 8192;

// A channel that closed without its worker being removed is one whose ring made no sense: the worker is ended, so that its death
// goes the ordinary way.
void EndProcess(const UniqueFd &process) {
  if (process) {
    ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  }
}

// Nothing may wait there any more; what does is handed out.
void Retire(MethodQueue *queue, std::vector<QueueEntry> *orphans) {
  queue->retired = true;
  for (auto *entries : {&queue->alone, &queue->waiting}) {
    std::move(entries->begin(), entries->end(), std::back_inserter(*orphans));
    entries->clear();
  }
}

// What an instance is told that was tried often enough.
Error WorkersDied(const WorkerLink &last, const MethodInfo &method, std::string_view end) {
  std::string text = "Serving Error: " + std::to_string(Dispatcher::kMaxRetries + 1) +
                     " workers died while they ran this instance of servable " + last.servable + ", method " +
                     method.name + ", it is not tried again";
  if (!end.empty()) {
    text += "; the last worker: ";
    text += end;
  }
  return MakeError(ErrorKind::kInternal, std::move(text));
}

}  // namespace

// --- worker to master: the reader threads ---

void Dispatcher::ReadReplies(Endpoint *endpoint, const std::shared_ptr<WorkerLink> &link) {
  constexpr size_t kMaxBatch = 32;
  Channel &channel = *link->channel;
  std::vector<RingEntry> results;
  // What had been written before the channel closed counts, but a worker may go on writing.
  size_t left_after_close = kMaxEntriesAfterClose;
  for (;;) {
    bool called = false;
    while (results.size() < kMaxBatch && (!channel.closed() || left_after_close-- > 0)) {
      const auto entry = channel.Receive();
      if (!entry.has_value()) {
        break;
      }
      if (entry->kind == EntryKind::kResult) {
        results.push_back(*entry);
      } else if (entry->kind == EntryKind::kModelCall) {
        link->parked_calls.push_back(*entry);
        called = true;
      } else {
        Log(LogLevel::kWarning, "Worker " + link->label + " sent an entry of unknown kind " +
                                  std::to_string(static_cast<uint32_t>(entry->kind)) + ", which is dropped");
      }
    }
    const bool space_freed = channel.TakeSpaceFreed();
    if (space_freed) {
      std::lock_guard lock(mutex_);
      link->space_refused = false;
      ++link->space_epoch;
    }
    if (!results.empty() || called || space_freed) {
      channel.CancelSleep(kReaderLane);
      StartParkedCalls(endpoint, link.get());
      HandleResults(endpoint, link, &results);
    } else if (channel.closed()) {
      break;
    } else if (!link->reader_is_drowsy) {
      channel.PrepareSleep(kReaderLane);
      link->reader_is_drowsy = true;  // one more look before sleeping
      continue;
    } else {
      channel.Sleep(kReaderLane);
    }
    link->reader_is_drowsy = false;
    if (left_after_close > kMaxEntriesAfterClose) {
      break;
    }
  }
  std::lock_guard lock(mutex_);
  if (!link->gone) {
    Log(LogLevel::kError, "The channel of worker " + link->label + " has been closed, its process is ended");
    EndProcess(link->process);
  }
}

void Dispatcher::HandleResults(Endpoint *endpoint, const std::shared_ptr<WorkerLink> &link,
                               std::vector<RingEntry> *results) {
  std::vector<std::pair<WorkerLink::Slot, RingEntry>> finished;
  finished.reserve(results->size());
  const size_t received = results->size();
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
    if (!finished.empty()) {
      link->last_progress = Clock::now();
    }
  }
  results->clear();
  if (finished.size() < received && LogIsOn(LogLevel::kDebug)) {
    Log(LogLevel::kDebug, "Worker " + link->label + " sent " + std::to_string(received - finished.size()) +
                            " results that nobody waits for");
  }
  for (auto &[slot, entry] : finished) {
    const ResultBlocks blocks = {slot.block_offset, slot.block_bytes, entry.offset, entry.size_bytes};
    FinishInstance(slot.entry, ReadResult(*link, blocks, *slot.entry.call->method));
    slot.entry = {};
  }
  PumpEndpoint(endpoint);
}

// --- supervision ---

uint64_t Dispatcher::AddWorker(std::shared_ptr<Channel> channel, const std::string &servable, uint64_t version,
                               std::vector<MethodInfo> methods, bool own_device, std::string label,
                               std::vector<std::string> remote_methods, UniqueFd process) {
  Endpoint *endpoint;
  std::shared_ptr<WorkerLink> link;
  Entries orphans;
  {
    std::lock_guard lock(mutex_);
    endpoint = routes_.Add(servable, version);
    const uint64_t number = next_worker_++;
    link = std::make_shared<WorkerLink>(number, servable, std::move(label), std::move(channel), own_device,
                                        std::move(remote_methods));
    link->process = std::move(process);
    for (auto &info : methods) {
      auto &queue = endpoint->methods[info.name];
      if (queue != nullptr && !queue->info->SameSignature(info)) {
        Retire(queue.get(), &orphans);
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
    RetireQueues(endpoint, &orphans);
    links_[number] = {endpoint, link};
    readers_[number] = std::thread([this, endpoint, link] { ReadReplies(endpoint, link); });
  }
  TellReadiness();
  FailEntries(std::move(orphans), MethodChanged());
  PumpEndpoint(endpoint);
  return link->number;
}

// Methods that no worker has any more, since the servable's configuration has changed with a restart.
void Dispatcher::RetireQueues(Endpoint *endpoint, Entries *orphans) {
  std::erase_if(endpoint->methods, [&](auto &named) {
    const bool announced = std::ranges::any_of(endpoint->workers, [&](const auto &worker) {
      return std::ranges::any_of(worker->methods, [&](const auto &method) { return method.queue == named.second; });
    });
    if (!announced) {
      Retire(named.second.get(), orphans);
    }
    return !announced;
  });
}

void Dispatcher::DrainWorker(uint64_t worker) {
  {
    std::lock_guard lock(mutex_);
    const auto found = links_.find(worker);
    if (found != links_.end()) {
      found->second.second->draining = true;
    }
  }
  TellReadiness();
}

void Dispatcher::RemoveWorker(uint64_t worker, std::string_view end) {
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
  TellReadiness();
  link->channel->Close();
  reader.join();  // it takes the results that had been written before
  Lost lost;
  {
    std::lock_guard lock(mutex_);
    Requeue(link.get(), &lost);
  }
  if (!lost.given_up.empty()) {
    Log(LogLevel::kError, std::to_string(lost.given_up.size()) + " instances that ran when a worker died, " +
                            link->label + " the last of " + std::to_string(kMaxRetries + 1) + ", are not tried again");
  }
  FailEntries(std::move(lost.orphans), MethodChanged());
  for (const auto &entry : lost.given_up) {
    FinishInstance(entry, {{}, WorkersDied(*link, *entry.call->method, end)});
  }
  PumpEndpoint(endpoint);
}

// What the dead worker had runs again: the second time like any other, the last time alone.
void Dispatcher::Requeue(WorkerLink *link, Lost *lost) {
  for (uint32_t index = 0; index < link->slots.size(); ++index) {
    if (!link->slots[index].used) {
      continue;
    }
    WorkerLink::Slot slot = link->Remove(uint64_t{link->slots[index].generation} << 32 | index);
    slot.entry.deaths += slot.sent ? 1 : 0;
    if (stopped_ || slot.entry.deaths > kMaxRetries) {
      lost->given_up.push_back(std::move(slot.entry));
    } else if (slot.queue->retired) {
      lost->orphans.push_back(std::move(slot.entry));
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
    if (!stopped_ && HasReadyWorker(*endpoint, *queue)) {
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

RequestMemory Dispatcher::LookAtMemory(uint64_t worker) {
  std::shared_ptr<WorkerLink> link;
  std::vector<uint64_t> running;
  {
    std::lock_guard lock(mutex_);
    link = links_.at(worker).second;
    for (const WorkerLink::Slot &slot : link->slots) {
      if (slot.used && slot.sent) {
        running.push_back(slot.block_offset);
      }
    }
  }
  Channel &channel = *link->channel;
  return {channel.TakeOldBytes(running), channel.segment_bytes(channel.own_segment())};
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
    Lost running;
    for (auto &[number, link] : links_) {
      Requeue(link.second.get(), &running);
    }
    std::move(running.given_up.begin(), running.given_up.end(), std::back_inserter(unfinished));
  }
  TellReadiness();
  for (auto &entry : unfinished) {
    FinishInstance(entry, {{}, NotAvailable(*entry.call->request, ErrorKind::kNoWorker, "servable")});
  }
}

}  // namespace mindspore::serving
