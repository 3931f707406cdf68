#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mindspore::serving {

/// Which parts of a segment have been handed out since their pages were last given back, in chunks of 256 KiB.
class TouchedChunks {
 public:
  static constexpr uint64_t kChunkBytes = uint64_t{256} << 10;

  struct Range {
    uint64_t offset;
    uint64_t size_bytes;
  };

  explicit TouchedChunks(uint64_t segment_bytes) : touched_((segment_bytes + kChunkBytes - 1) / kChunkBytes, 0) {}

  uint64_t bytes() const { return count_ * kChunkBytes; }

  void Touch(uint64_t offset, uint64_t size_bytes) {
    for (uint64_t chunk = offset / kChunkBytes; chunk <= (offset + size_bytes - 1) / kChunkBytes; ++chunk) {
      count_ += touched_[chunk] == 0;
      touched_[chunk] = 1;
    }
  }

  /// Forgets touched chunks that lie wholly in a range, from its end downwards (blocks are cut from the front of free
  /// space, so the end is the colder part), until about `limit_bytes` are found; appends them to `ranges`. Returns how
  /// many bytes.
  uint64_t TakeFromEnd(Range within, uint64_t limit_bytes, std::vector<Range> *ranges) {
    const uint64_t first = (within.offset + kChunkBytes - 1) / kChunkBytes;
    uint64_t taken = 0;
    bool joined = false;
    for (uint64_t chunk = (within.offset + within.size_bytes) / kChunkBytes; chunk > first && taken < limit_bytes;
         --chunk) {
      if (touched_[chunk - 1] == 0) {
        joined = false;
        continue;
      }
      touched_[chunk - 1] = 0;
      --count_;
      taken += kChunkBytes;
      if (!joined) {
        ranges->push_back({chunk * kChunkBytes, 0});
        joined = true;
      }
      ranges->back().offset -= kChunkBytes;
      ranges->back().size_bytes += kChunkBytes;
    }
    return taken;
  }

 private:
  std::vector<uint8_t> touched_;
  uint64_t count_ = 0;
};

}  // namespace mindspore::serving
