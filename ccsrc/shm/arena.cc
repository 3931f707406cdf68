#include "shm/arena.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/log.h"

namespace mindspore::serving {
namespace {

constexpr uint32_t kNone = FreeLists::kNone;
constexpr int kClassTries = 32;  // blocks looked at in a class of which only some members are large enough

uint64_t CheckedSegmentBytes(uint64_t segment_bytes) {
  const uint64_t granules = segment_bytes / Arena::kAlignBytes;
  if (granules == 0 || granules > UINT32_MAX) {
    throw std::invalid_argument("an arena of " + std::to_string(segment_bytes) + " bytes");
  }
  return granules * Arena::kAlignBytes;
}

}  // namespace

Arena::Arena(uint64_t segment_bytes, GiveBack give_back, std::atomic<uint32_t> *wants_space)
    : segment_bytes_(CheckedSegmentBytes(segment_bytes)),
      give_back_(std::move(give_back)),
      blocks_(1),
      block_at_(static_cast<uint32_t *>(std::calloc(segment_bytes_ / kAlignBytes, sizeof(uint32_t)))),
      touched_(segment_bytes_),
      wants_space_(wants_space) {
  if (block_at_ == nullptr) {
    throw std::bad_alloc();
  }
  const uint32_t whole = NewBlock();
  blocks_[whole] = Block{0, static_cast<uint32_t>(segment_bytes_ / kAlignBytes), 0, 0, kNone, kNone, kNone, kNone};
  List(whole);
}

std::optional<uint64_t> Arena::Allocate(size_t size_bytes) {
  if (size_bytes > max_block_bytes()) {
    return std::nullopt;
  }
  const auto granules = static_cast<uint32_t>(std::max<uint64_t>(1, (size_bytes + kAlignBytes - 1) / kAlignBytes));
  std::lock_guard lock(mutex_);
  const uint32_t number = TakeFit(granules);
  if (number == kNone) {
    SetRefused(true);
    return std::nullopt;
  }
  Block &block = blocks_[number];
  block.references = 1;
  block.era = era_;
  block_at_[block.first] = number;
  const uint64_t offset = block.first * kAlignBytes;
  const uint64_t block_bytes = block.granules * kAlignBytes;
  touched_.Touch(offset, block_bytes);
  used_bytes_ += block_bytes;
  recent_bytes_[era_ % 2] += block_bytes;
  peak_used_bytes_ = std::max(peak_used_bytes_, used_bytes_);
  return offset;
}

bool Arena::AddReference(uint64_t offset) {
  std::lock_guard lock(mutex_);
  const uint32_t number = UsedBlockAt(offset);
  if (number == kNone) {
    return false;
  }
  ++blocks_[number].references;
  return true;
}

Arena::Drop Arena::DropReference(uint64_t offset) {
  std::lock_guard lock(mutex_);
  const uint32_t number = UsedBlockAt(offset);
  if (number == kNone) {
    return Drop::kNoSuchBlock;
  }
  Block &block = blocks_[number];
  if (--block.references > 0) {
    return Drop::kDropped;
  }
  block_at_[block.first] = kNone;
  used_bytes_ -= block.granules * kAlignBytes;
  if (!IsOld(block)) {
    recent_bytes_[block.era % 2] -= block.granules * kAlignBytes;
  }
  JoinAndList(number);
  const bool was_freed = space_freed();
  NoteSpaceFreed();
  return space_freed() && !was_freed ? Drop::kSpaceFreed : Drop::kDropped;
}

uint64_t Arena::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_bytes_;
}

uint64_t Arena::TakeOldBytes(std::span<const uint64_t> except) {
  std::lock_guard lock(mutex_);
  uint64_t old_bytes = used_bytes_ - recent_bytes_[0] - recent_bytes_[1];
  for (const uint64_t offset : except) {
    const Block &block = blocks_[UsedBlockAt(offset)];
    if (block.references > 0 && IsOld(block)) {
      old_bytes -= std::min(old_bytes, block.granules * kAlignBytes);
    }
  }
  ++era_;
  recent_bytes_[era_ % 2] = 0;
  return old_bytes;
}

bool Arena::TakeSpaceFreed() {
  if (!space_freed()) {
    return false;
  }
  std::lock_guard lock(mutex_);
  return space_freed_.exchange(false, std::memory_order_acq_rel);
}

void Arena::SetRefused(bool refused) {
  refused_ = refused;
  if (wants_space_ != nullptr) {
    wants_space_->store(refused, std::memory_order_relaxed);  // callers fence where order matters
  }
}

void Arena::NoteSpaceFreed() {
  if (refused_) {
    SetRefused(false);
    space_freed_.store(true, std::memory_order_release);
  }
}

uint32_t Arena::UsedBlockAt(uint64_t offset) const {
  if (offset % kAlignBytes != 0 || offset >= segment_bytes_) {
    return kNone;
  }
  return block_at_[offset / kAlignBytes];
}

// Takes a block from the lists and cuts it to size. Sizes are rounded to those of the classes, so that a freed block is
// found again at once by the next request of its size; only where such a block is not to be had, the exact size is
// tried.
uint32_t Arena::TakeFit(uint32_t granules) {
  const uint64_t rounded = FreeLists::RoundUp(granules);
  uint32_t wanted = granules;
  uint32_t number = kNone;
  if (rounded <= UINT32_MAX) {
    wanted = static_cast<uint32_t>(rounded);
    if (const auto size_class = free_.FirstFrom(FreeLists::ClassOf(wanted))) {
      number = free_.head(*size_class);
    }
  }
  if (number == kNone) {
    wanted = granules;
    number = FindInClass(granules);
  }
  if (number != kNone) {
    Unlist(number);
    SplitAfter(number, wanted);
  }
  return number;
}

uint32_t Arena::FindInClass(uint32_t granules) const {
  uint32_t number = free_.head(FreeLists::ClassOf(granules));
  for (int tries = 0; number != kNone && tries < kClassTries; ++tries) {
    if (blocks_[number].granules >= granules) {
      return number;
    }
    number = blocks_[number].next_free;
  }
  return kNone;
}

// Cuts a block that is in no list to `granules`; the rest becomes a free block.
void Arena::SplitAfter(uint32_t number, uint32_t granules) {
  if (blocks_[number].granules == granules) {
    return;
  }
  const uint32_t rest = NewBlock();  // may move the blocks
  Block &block = blocks_[number];
  blocks_[rest] = Block{block.first + granules, block.granules - granules, 0, 0, number, block.after, kNone, kNone};
  if (block.after != kNone) {
    blocks_[block.after].before = rest;
  }
  block.after = rest;
  block.granules = granules;
  List(rest);
}

// Makes a block that is in no list free, together with its free neighbours.
void Arena::JoinAndList(uint32_t number) {
  const uint32_t after = blocks_[number].after;
  if (after != kNone && blocks_[after].references == 0) {
    Unlist(after);
    AppendNext(number);
  }
  const uint32_t before = blocks_[number].before;
  if (before != kNone && blocks_[before].references == 0) {
    Unlist(before);
    AppendNext(before);
    number = before;
  }
  blocks_[number].references = 0;
  List(number);
}

// The block swallows the one behind it.
void Arena::AppendNext(uint32_t number) {
  Block &block = blocks_[number];
  const uint32_t next = block.after;
  block.granules += blocks_[next].granules;
  block.after = blocks_[next].after;
  if (block.after != kNone) {
    blocks_[block.after].before = number;
  }
  unused_numbers_.push_back(next);
}

void Arena::List(uint32_t number) {
  Block &block = blocks_[number];
  const auto size_class = FreeLists::ClassOf(block.granules);
  block.previous_free = kNone;
  block.next_free = free_.head(size_class);
  if (block.next_free != kNone) {
    blocks_[block.next_free].previous_free = number;
  }
  free_.set_head(size_class, number);
}

void Arena::Unlist(uint32_t number) {
  const Block &block = blocks_[number];
  if (block.next_free != kNone) {
    blocks_[block.next_free].previous_free = block.previous_free;
  }
  if (block.previous_free != kNone) {
    blocks_[block.previous_free].next_free = block.next_free;
  } else {
    free_.set_head(FreeLists::ClassOf(block.granules), block.next_free);
  }
}

uint32_t Arena::NewBlock() {
  if (!unused_numbers_.empty()) {
    const uint32_t number = unused_numbers_.back();
    unused_numbers_.pop_back();
    return number;
  }
  blocks_.emplace_back();
  unused_numbers_.reserve(blocks_.capacity());  // so that freeing never allocates
  return static_cast<uint32_t>(blocks_.size() - 1);
}

uint64_t Arena::IdleBytes() const { return touched_.bytes() - std::min(used_bytes_, touched_.bytes()); }

std::optional<Clock::duration> Arena::GiveBackIdle(Clock::time_point now) {
  std::unique_lock lock(mutex_);
  stuck_idle_bytes_ = std::min(stuck_idle_bytes_, IdleBytes());
  if (!give_back_ || IdleBytes() <= stuck_idle_bytes_ + kIdleBytes) {
    return std::nullopt;
  }
  if (now < window_start_ + kSettleTime) {
    return window_start_ + kSettleTime - now;
  }
  if (touched_.bytes() <= peak_used_bytes_ + kIdleBytes) {
    window_start_ = now;
    peak_used_bytes_ = used_bytes_;
    return kSettleTime;
  }
  std::vector<TouchedChunks::Range> holes;
  const std::vector<uint32_t> taken =
    TakeIdle(std::min(kGiveBackStepBytes, touched_.bytes() - peak_used_bytes_ - kIdleBytes), &holes);
  if (taken.empty()) {
    stuck_idle_bytes_ = IdleBytes();
    return std::nullopt;
  }
  stuck_idle_bytes_ = 0;
  // The blocks count as used meanwhile: nobody waits for the system call, and a request that finds no room now is told
  // of space below.
  lock.unlock();
  const bool given =
    std::ranges::all_of(holes, [this](const auto &hole) { return give_back_(hole.offset, hole.size_bytes); });
  lock.lock();
  for (const uint32_t number : taken) {
    JoinAndList(number);
  }
  NoteSpaceFreed();
  if (!given) {
    Log(LogLevel::kWarning, "Memory that was shared cannot be given back to the system, so it stays taken");
    give_back_ = nullptr;
    return std::nullopt;
  }
  return Clock::duration::zero();
}

// Takes free blocks with touched chunks out of the lists, the largest first, until the chunks make up the limit.
std::vector<uint32_t> Arena::TakeIdle(uint64_t limit_bytes, std::vector<TouchedChunks::Range> *holes) {
  std::vector<std::pair<uint32_t, uint32_t>> large;  // granules, number
  const auto smallest = static_cast<uint32_t>(TouchedChunks::kChunkBytes / kAlignBytes);
  for (auto size_class = free_.FirstFrom(FreeLists::ClassOf(smallest)); size_class.has_value();
       size_class = free_.FirstFrom(FreeLists::After(*size_class))) {
    for (uint32_t number = free_.head(*size_class); number != kNone; number = blocks_[number].next_free) {
      large.emplace_back(blocks_[number].granules, number);
    }
  }
  std::ranges::sort(large, std::greater<>());
  std::vector<uint32_t> taken;
  for (uint64_t found = 0; const auto &[granules, number] : large) {
    if (found >= limit_bytes) {
      break;
    }
    const uint64_t bytes =
      touched_.TakeFromEnd({blocks_[number].first * kAlignBytes, granules * kAlignBytes}, limit_bytes - found, holes);
    if (bytes > 0) {
      found += bytes;
      Unlist(number);
      blocks_[number].references = 1;
      taken.push_back(number);
    }
  }
  return taken;
}

}  // namespace mindspore::serving
