#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "shm/free_lists.h"
#include "shm/touched_chunks.h"

namespace mindspore::serving {

/// Hands out 64-byte aligned blocks of one segment and counts their references. Everything it knows is in private
/// memory, so what another process does to the segment cannot confuse it. Constant time, free neighbours are joined at
/// once, and the memory freed last is used first, so that a steady load stays on pages that are mapped.
///
/// Thread safety: all methods may be called from any thread.
class Arena {
 public:
  static constexpr uint64_t kAlignBytes = 64;
  static constexpr uint64_t kIdleBytes = uint64_t{64} << 20;          ///< so much touched memory may lie idle for ever
  static constexpr uint64_t kGiveBackStepBytes = uint64_t{16} << 20;  ///< at most in one call: about a millisecond
  static constexpr Clock::duration kSettleTime = std::chrono::seconds(1);

  /// Gives the pages of a range back to the system; false when that is impossible, and then it is never asked again.
  using GiveBack = std::function<bool(uint64_t offset, uint64_t size_bytes)>;
  enum class Drop { kNoSuchBlock, kDropped, kSpaceFreed };

  /// `wants_space`, if given, is kept at 1 from a refused Allocate to the next block freed, for others to see; it is
  /// never read. Throws std::invalid_argument for segments that are empty or larger than 256 GiB.
  Arena(uint64_t segment_bytes, GiveBack give_back, std::atomic<uint32_t> *wants_space = nullptr);

  /// A block with one reference, or nothing when there is no room now.
  std::optional<uint64_t> Allocate(size_t size_bytes);
  uint64_t max_block_bytes() const { return segment_bytes_; }
  bool AddReference(uint64_t offset);
  /// kSpaceFreed: this was the first block freed since an Allocate was refused (see TakeSpaceFreed).
  Drop DropReference(uint64_t offset);
  uint64_t used_bytes() const;
  /// Bytes of the blocks that have been in use since before the call before last, less those of the blocks at `except`.
  uint64_t TakeOldBytes(std::span<const uint64_t> except);

  bool space_freed() const { return space_freed_.load(std::memory_order_acquire); }
  /// True once after a block was freed since an Allocate was refused.
  bool TakeSpaceFreed();

  /// For a thread that has nothing else to do. When more than kIdleBytes of touched memory were not needed for
  /// kSettleTime (the peak within that time counts as need), gives one step of the rest back. Returns after what time
  /// to call again; nothing: no need to.
  std::optional<Clock::duration> GiveBackIdle(Clock::time_point now);

 private:
  /// A run of granules, used or free. Neighbours in the segment and in the free list are named by number.
  struct Block {
    uint32_t first;
    uint32_t granules;
    uint32_t references;  ///< 0: free
    uint32_t era;         ///< when it was allocated
    uint32_t before, after;
    uint32_t previous_free, next_free;
  };
  struct Release {
    void operator()(uint32_t *table) const { std::free(table); }
  };

  uint32_t TakeFit(uint32_t granules);
  uint32_t FindInClass(uint32_t granules) const;
  void SplitAfter(uint32_t block, uint32_t granules);
  void JoinAndList(uint32_t block);
  void AppendNext(uint32_t block);
  void List(uint32_t block);
  void Unlist(uint32_t block);
  uint32_t NewBlock();
  uint32_t UsedBlockAt(uint64_t offset) const;
  bool IsOld(const Block &block) const { return era_ - block.era >= 2; }
  void SetRefused(bool refused);
  void NoteSpaceFreed();
  uint64_t IdleBytes() const;
  std::vector<uint32_t> TakeIdle(uint64_t limit_bytes, std::vector<TouchedChunks::Range> *holes);

  const uint64_t segment_bytes_;
  mutable std::mutex mutex_;  // guards all below
  GiveBack give_back_;
  std::vector<Block> blocks_;  // [0] stands for none
  std::vector<uint32_t> unused_numbers_;
  // Number of the used block that starts at a granule. Zeroed by the system page by page, so it costs memory only where
  // blocks are.
  std::unique_ptr<uint32_t[], Release> block_at_;
  FreeLists free_;
  TouchedChunks touched_;
  uint64_t used_bytes_ = 0;
  uint32_t era_ = 0;  // how often TakeOldBytes was called
  std::array<uint64_t, 2>
    recent_bytes_{};  // of used_bytes_, those of the present era and the one before, by their parity
  bool refused_ = false;
  std::atomic<uint32_t> *const wants_space_;  // the same where the other end sees it; written under the mutex
  std::atomic<bool> space_freed_{false};      // written under the mutex
  Clock::time_point window_start_{};
  uint64_t peak_used_bytes_ = 0;   // since window_start_
  uint64_t stuck_idle_bytes_ = 0;  // idle memory of which no whole chunk was free when last tried
};

}  // namespace mindspore::serving
