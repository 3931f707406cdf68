#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/mapped_region.h"
#include "base/unique_fd.h"
#include "shm/ring_entry.h"

namespace mindspore::serving {

struct ChannelOptions {
  size_t request_bytes = size_t{1} << 30;  ///< memory for inputs, allocated by the master; sparse
  size_t reply_bytes = size_t{1} << 30;    ///< memory for outputs, allocated by the worker; sparse
  uint32_t ring_entries = 4096;            ///< of each ring; a power of two
};

/// A lane is one thread (or kind of thread) that sleeps at its own bell; the sender of an entry says whose bell to
/// ring. In a worker lane 0 is the Python thread and lane 1 is MindSpore's thread. The master's end has one lane, 0.
inline constexpr int kMaxLanes = 8;
inline constexpr int kNoBell = -1;

enum class SegmentId : uint32_t { kRequest = 0, kReply = 1 };

/// One end of the connection between the master and one worker: two unnamed shared-memory segments (each allocated from
/// by one end only), a ring of entries each way, and bells (eventfds). Nothing has a name, so nothing can leak or be
/// opened by others. What the other end wrote is never trusted: offsets are checked, and all bookkeeping is outside the
/// shared memory.
///
/// Thread safety: every method may be called from any thread, except that Receive has one caller at a time (the caller
/// locks).
class Channel {
 public:
  /// The master's end. Throws std::system_error.
  static std::unique_ptr<Channel> Create(const ChannelOptions &options);
  /// The worker's end, over the inherited descriptors (which it then owns), in the order of peer_fds(). Sizes are read
  /// from the descriptors and the seals are checked. A channel takes one worker in its life. Throws std::runtime_error
  /// or std::system_error.
  static std::unique_ptr<Channel> Attach(std::span<const int> fds);
  ~Channel();

  /// What a worker must inherit. Close-on-exec is set on them; the launcher passes them on by number.
  std::vector<int> peer_fds() const;

  // --- memory ---
  SegmentId own_segment() const;
  size_t segment_bytes(SegmentId segment) const;
  /// A mapping of a segment that may outlive the channel (replies in flight after a worker's death).
  std::shared_ptr<const MappedRegion> mapping(SegmentId segment) const;

  /// A block of this end's own segment with one reference, 64-byte aligned; nothing when there is no room now.
  /// After a refusal the other end is asked to ring this end's lane 0 when it releases something.
  std::optional<uint64_t> Allocate(size_t size_bytes);
  /// The largest size that Allocate could ever satisfy.
  size_t max_block_bytes() const;
  /// References of a block in the own segment. Drop of the last one frees it. False when there is no such block (a lie
  /// of the peer).
  bool AddReference(uint64_t offset);
  bool DropReference(uint64_t offset);
  size_t used_bytes() const;
  /// Bytes in the own segment that have been in use since the call before last, but for the blocks at `except`. Has lane 0
  /// take in what was released by now, which rings no bell, before the next call.
  uint64_t TakeOldBytes(std::span<const uint64_t> except);

  /// Bytes of a segment; throws std::out_of_range unless [offset, offset + size_bytes) lies inside.
  std::span<std::byte> Bytes(SegmentId segment, uint64_t offset, uint64_t size_bytes) const;

  // --- sending ---
  /// Appends an entry and rings `lane`'s bell unless that lane is awake. False when the ring is full (nothing
  /// happened); the other end then rings this end's lane 0 when it has made room, and TakeSpaceFreed tells.
  [[nodiscard]] bool Send(const RingEntry &entry, int lane);
  /// Gives the block at `offset` of the other end's segment back. Never fails: what finds no room in the ring is sent
  /// later.
  void Release(uint64_t offset);
  /// Rings a bell at the other end unless that lane is awake; for entries that were sent with kNoBell.
  void Ring(int lane);

  // --- receiving ---
  /// The next entry for the caller, if there is one. kRelease entries are carried out here and not returned. One caller
  /// at a time. Works after Close too. When the other end has written a count that cannot be, the channel is closed.
  std::optional<RingEntry> Receive();
  /// True once after blocks of the own segment were freed since an Allocate was refused, or the ring got room since a
  /// Send was. Lane 0 is woken for it. The caller puts what was refused aside and asks here under one lock of its own,
  /// or may miss it.
  bool TakeSpaceFreed();
  /// Announces that `lane` is about to sleep. The caller then looks once more for work and calls Sleep, or CancelSleep.
  void PrepareSleep(int lane);
  void CancelSleep(int lane);
  /// Sleeps until someone rings, wakes or closes, and marks the lane awake. REQUIRES: PrepareSleep(lane).
  void Sleep(int lane);
  /// Wakes a lane of this end, from within this process, unless it is awake.
  void Wake(int lane);

  /// No more traffic: wakes every sleeper of this end, for good. Memory stays mapped until the channel and all mappings
  /// are gone.
  void Close();
  bool closed() const;

 private:
  class Impl;
  explicit Channel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mindspore::serving
