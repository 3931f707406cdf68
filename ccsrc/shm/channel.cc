#include "shm/channel.h"

#include <deque>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "shm/arena.h"
#include "shm/channel_parts.h"
#include "shm/control_block.h"
#include "shm/fence.h"
#include "shm/lane.h"
#include "shm/ring.h"
#include "shm/segment.h"

namespace mindspore::serving {
class Channel::Impl {
 public:
  Impl(End own, ChannelParts parts);

  bool Send(const RingEntry &entry, int lane);
  void Release(uint64_t offset);
  std::optional<RingEntry> Receive();
  std::optional<uint64_t> Allocate(size_t size_bytes);
  bool DropReference(uint64_t offset);
  bool TakeSpaceFreed();
  void Sleep(int lane);
  void Close();

  bool closed() const { return closed_.load(std::memory_order_acquire); }
  OwnLane &own_lane(int lane) { return own_lanes_.at(static_cast<size_t>(lane)); }
  const PeerLane &peer_lane(int lane) const { return peer_lanes_.at(static_cast<size_t>(lane)); }
  const Segment &segment(SegmentId id) const { return id == SegmentId::kRequest ? request_ : reply_; }
  SegmentId own_segment() const { return own_ == End::kMaster ? SegmentId::kRequest : SegmentId::kReply; }
  Arena &arena() { return arena_; }
  std::vector<int> descriptors() const;

 private:
  bool PushLocked(const RingEntry &entry);
  bool SendDeferredLocked();
  void SendDeferred();
  void TellSpaceFreed();
  std::optional<RingEntry> Take();

  const End own_;
  const Segment control_;
  const Segment request_;
  const Segment reply_;
  EndFlags &own_flags_;
  EndFlags &peer_flags_;
  std::vector<OwnLane> own_lanes_;
  std::vector<PeerLane> peer_lanes_;
  Arena arena_;
  std::atomic<bool> closed_{false};

  std::mutex send_mutex_;  // guards the three below
  RingProducer producer_;
  std::deque<RingEntry> deferred_;  // releases that found the ring full
  bool send_refused_ = false;
  std::atomic<bool> room_freed_{false};       // since a Send was refused
  std::atomic<bool> send_unfinished_{false};  // some are deferred or a Send was refused; written under the mutex

  RingConsumer consumer_;  // of the one caller of Receive
};

namespace {

ControlBlock &ControlOf(const Segment &control) { return *reinterpret_cast<ControlBlock *>(control.data()); }

template <typename Lane>
std::vector<Lane> MakeLanes(std::vector<Bell> bells, EndFlags *flags) {
  std::vector<Lane> lanes;
  lanes.reserve(bells.size());
  for (size_t i = 0; i < bells.size(); ++i) {
    lanes.emplace_back(std::move(bells[i]), &flags->lanes[i].asleep);
  }
  return lanes;
}

}  // namespace

Channel::Impl::Impl(End own, ChannelParts parts)
    : own_(own),
      control_(std::move(parts.control)),
      request_(std::move(parts.request)),
      reply_(std::move(parts.reply)),
      own_flags_(ControlOf(control_).flags[static_cast<size_t>(own)]),
      peer_flags_(ControlOf(control_).flags[static_cast<size_t>(Other(own))]),
      own_lanes_(
        MakeLanes<OwnLane>(std::move(own == End::kMaster ? parts.master_bells : parts.worker_bells), &own_flags_)),
      peer_lanes_(
        MakeLanes<PeerLane>(std::move(own == End::kMaster ? parts.worker_bells : parts.master_bells), &peer_flags_)),
      arena_(
        segment(own_segment()).size_bytes(),
        [this](uint64_t offset, uint64_t size_bytes) { return segment(own_segment()).PunchHole(offset, size_bytes); },
        &own_flags_.wants_space),
      producer_(&ControlOf(control_).rings[static_cast<size_t>(own)],
                ControlOf(control_).Entries(own, parts.ring_entries), parts.ring_entries),
      consumer_(&ControlOf(control_).rings[static_cast<size_t>(Other(own))],
                ControlOf(control_).Entries(Other(own), parts.ring_entries), parts.ring_entries) {}

std::vector<int> Channel::Impl::descriptors() const {
  std::vector<int> fds{control_.fd(), request_.fd(), reply_.fd()};
  auto append = [&fds](const auto &lanes) {
    for (const auto &lane : lanes) {
      fds.push_back(lane.bell().fd());
    }
  };
  if (own_ == End::kMaster) {
    append(peer_lanes_);
    append(own_lanes_);
  } else {
    append(own_lanes_);
    append(peer_lanes_);
  }
  return fds;
}

bool Channel::Impl::PushLocked(const RingEntry &entry) {
  const RingStatus status = producer_.Push(entry);
  if (status == RingStatus::kCorrupt) {
    Log(LogLevel::kError, "The other end of a channel took more than it was sent, the channel is closed");
    Close();
  }
  return status == RingStatus::kOk;
}

bool Channel::Impl::SendDeferredLocked() {
  while (!deferred_.empty() && PushLocked(deferred_.front())) {
    deferred_.pop_front();
  }
  return deferred_.empty();
}

// What could not be sent is tried again here, by whoever comes by; the other end rings lane 0 when there is room.
void Channel::Impl::SendDeferred() {
  if (!send_unfinished_.load(std::memory_order_relaxed) || closed()) {
    return;
  }
  bool room_freed = false;
  {
    std::lock_guard lock(send_mutex_);
    if (SendDeferredLocked() && (!send_refused_ || producer_.CheckRoom() == RingStatus::kOk)) {
      room_freed = std::exchange(send_refused_, false);
      producer_.StopWaiting();
      send_unfinished_.store(false, std::memory_order_relaxed);
    }
  }
  TellSpaceFreed();
  if (room_freed) {
    room_freed_.store(true, std::memory_order_release);
    own_lane(0).Wake();
  }
}

bool Channel::Impl::Send(const RingEntry &entry, int lane) {
  const PeerLane *bell = lane == kNoBell ? nullptr : &peer_lane(lane);
  if (closed()) {
    return false;
  }
  bool had_deferred = false;
  bool sent = false;
  {
    std::lock_guard lock(send_mutex_);
    had_deferred = !deferred_.empty();
    sent = (!had_deferred || SendDeferredLocked()) && PushLocked(entry);
    if (!sent) {
      send_refused_ = true;
      send_unfinished_.store(true, std::memory_order_relaxed);
    }
  }
  if (had_deferred) {
    TellSpaceFreed();
  }
  if (sent && bell != nullptr) {
    bell->RingIfAsleep();
  }
  return sent;
}

void Channel::Impl::Release(uint64_t offset) {
  if (closed()) {
    return;
  }
  RingEntry entry{};
  entry.kind = EntryKind::kRelease;
  entry.offset = offset;
  {
    std::lock_guard lock(send_mutex_);
    if (!deferred_.empty() || !PushLocked(entry)) {
      deferred_.push_back(entry);
      send_unfinished_.store(true, std::memory_order_relaxed);
    }
  }
  TellSpaceFreed();
}

// After a release became visible. Either this sees that the other end waits for space, or that end sees the release
// (see Allocate). The flag is that end's alone: were it taken here, one taken late could be that of its next refusal.
void Channel::Impl::TellSpaceFreed() {
  StoreLoadFence();
  // Relaxed: the flag carries nothing, the ring does.
  if (peer_flags_.wants_space.load(std::memory_order_relaxed) != 0) {
    peer_lane(0).RingIfAsleep();
  }
}

std::optional<uint64_t> Channel::Impl::Allocate(size_t size_bytes) {
  const auto offset = arena_.Allocate(size_bytes);
  if (!offset.has_value() && size_bytes <= arena_.max_block_bytes()) {
    // Releases that the other end wrote before it could see the arena's flag rang no bell; they are for the thread of
    // lane 0 to find, and if it is awake, it will look again after its own fence before it sleeps.
    own_lane(0).Wake();  // begins with the fence
  }
  return offset;
}

bool Channel::Impl::DropReference(uint64_t offset) {
  const Arena::Drop drop = arena_.DropReference(offset);
  if (drop == Arena::Drop::kSpaceFreed) {
    own_lane(0).Wake();
  }
  return drop != Arena::Drop::kNoSuchBlock;
}

bool Channel::Impl::TakeSpaceFreed() {
  SendDeferred();
  const bool room_freed =
    room_freed_.load(std::memory_order_relaxed) && room_freed_.exchange(false, std::memory_order_acq_rel);
  return arena_.TakeSpaceFreed() || room_freed;
}

std::optional<RingEntry> Channel::Impl::Receive() {
  SendDeferred();
  auto entry = Take();
  if (!entry.has_value() && consumer_.ProducerWaits()) {
    peer_lane(0).RingIfAsleep();
  }
  return entry;
}

// Looks at the ring once, so one call ends after at most two rings full of releases whatever the other end does; and it
// finds nothing only when the look saw nothing, so a sleeper's look after PrepareSleep misses nothing.
std::optional<RingEntry> Channel::Impl::Take() {
  for (bool looked = false;;) {
    while (consumer_.HasEntry()) {
      const RingEntry entry = consumer_.Pop();
      if (entry.kind != EntryKind::kRelease) {
        return entry;
      }
      if (!DropReference(entry.offset)) {
        Log(LogLevel::kWarning, "The other end of a channel released a block that it did not have");
      }
    }
    if (std::exchange(looked, true)) {
      return std::nullopt;
    }
    if (consumer_.Look() == RingStatus::kCorrupt) {
      Log(LogLevel::kError, "The other end of a channel wrote a count that cannot be, the channel is closed");
      Close();
      return std::nullopt;
    }
  }
}

void Channel::Impl::Sleep(int lane) {
  OwnLane &own = own_lane(lane);
  while (!closed()) {
    // Only a thread that has nothing to do gives memory back, and then it first sleeps for a while.
    const bool freed_before = arena_.space_freed();
    const auto again_after = arena_.GiveBackIdle(Clock::now());
    if (arena_.space_freed() && !freed_before) {
      own_lane(0).Wake();
    }
    if (!again_after.has_value() || own.bell().WaitFor(*again_after)) {
      own.bell().Wait();
      break;
    }
  }
  own.MarkAwake();
  if (closed()) {
    own.bell().Ring();  // for the next sleeper of this lane
  }
}

void Channel::Impl::Close() {
  closed_.store(true, std::memory_order_release);
  for (const OwnLane &lane : own_lanes_) {
    lane.bell().Ring();
  }
}

Channel::Channel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Channel::~Channel() = default;

std::unique_ptr<Channel> Channel::Create(const ChannelOptions &options) {
  return std::unique_ptr<Channel>(new Channel(std::make_unique<Impl>(End::kMaster, CreateChannelParts(options))));
}

std::unique_ptr<Channel> Channel::Attach(std::span<const int> fds) {
  return std::unique_ptr<Channel>(new Channel(std::make_unique<Impl>(End::kWorker, AttachChannelParts(fds))));
}

std::vector<int> Channel::peer_fds() const { return impl_->descriptors(); }

SegmentId Channel::own_segment() const { return impl_->own_segment(); }
size_t Channel::segment_bytes(SegmentId segment) const { return impl_->segment(segment).size_bytes(); }
std::shared_ptr<const MappedRegion> Channel::mapping(SegmentId segment) const {
  return impl_->segment(segment).mapping();
}

std::optional<uint64_t> Channel::Allocate(size_t size_bytes) { return impl_->Allocate(size_bytes); }
size_t Channel::max_block_bytes() const { return impl_->arena().max_block_bytes(); }
bool Channel::AddReference(uint64_t offset) { return impl_->arena().AddReference(offset); }
bool Channel::DropReference(uint64_t offset) { return impl_->DropReference(offset); }
size_t Channel::used_bytes() const { return impl_->arena().used_bytes(); }
uint64_t Channel::TakeOldBytes(std::span<const uint64_t> except) {
  Wake(0);
  return impl_->arena().TakeOldBytes(except);
}

std::span<std::byte> Channel::Bytes(SegmentId segment, uint64_t offset, uint64_t size_bytes) const {
  const Segment &memory = impl_->segment(segment);
  if (offset > memory.size_bytes() || size_bytes > memory.size_bytes() - offset) {
    throw std::out_of_range("bytes " + std::to_string(offset) + " to +" + std::to_string(size_bytes) +
                            " of a segment of " + std::to_string(memory.size_bytes()));
  }
  return {memory.data() + offset, size_bytes};
}

bool Channel::Send(const RingEntry &entry, int lane) { return impl_->Send(entry, lane); }
void Channel::Release(uint64_t offset) { impl_->Release(offset); }
void Channel::Ring(int lane) { impl_->peer_lane(lane).RingIfAsleep(); }

std::optional<RingEntry> Channel::Receive() { return impl_->Receive(); }
bool Channel::TakeSpaceFreed() { return impl_->TakeSpaceFreed(); }
void Channel::PrepareSleep(int lane) { impl_->own_lane(lane).Prepare(); }
void Channel::CancelSleep(int lane) { impl_->own_lane(lane).MarkAwake(); }
void Channel::Sleep(int lane) { impl_->Sleep(lane); }
void Channel::Wake(int lane) { impl_->own_lane(lane).Wake(); }

void Channel::Close() { impl_->Close(); }
bool Channel::closed() const { return impl_->closed(); }

}  // namespace mindspore::serving
