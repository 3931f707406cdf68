#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "shm/channel.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace mindspore::serving {

/// The tensors of one instance (inputs, or outputs) as they travel in a block of shared memory: a header, one record
/// per tensor, then the data of those tensors that have theirs in the block, each 64-byte aligned. A record names the
/// segment and offset of its data, so an output may also point at bytes of the instance's own request block.
struct BlockTensor {
  DType dtype = DType::kUnknown;
  Shape shape;
  SegmentId segment = SegmentId::kRequest;
  uint64_t offset = 0;      ///< of the data, in the segment
  uint64_t size_bytes = 0;  ///< of the data; string and bytes: of the one value
};

/// What the layout needs to know of a tensor before it is written.
struct TensorPlan {
  DType dtype;
  const Shape *shape;
  uint64_t size_bytes;
  bool in_block = true;                     ///< false: the data lies elsewhere already
  SegmentId segment = SegmentId::kRequest;  ///< of data that lies elsewhere
  uint64_t offset = 0;                      ///< of data that lies elsewhere
};

/// Bytes that a block with these tensors (or this error) takes.
uint64_t BlockBytes(std::span<const TensorPlan> tensors);
uint64_t ErrorBlockBytes(const Error &error);

/// Writes header and records to `block`, which starts at `block_offset` of `segment`, and calls nothing else: returns
/// where the data of each tensor must be written (nullptr for those that lie elsewhere). REQUIRES: block.size() >=
/// BlockBytes(tensors).
void WriteBlock(std::span<const TensorPlan> tensors, SegmentId segment, uint64_t block_offset,
                std::span<std::byte> block, std::span<std::byte *> data);
void WriteErrorBlock(const Error &error, std::span<std::byte> block);

struct BlockContents {
  std::vector<BlockTensor> tensors;
  Error error;
};

/// Reads a block that the other end wrote, on a private copy of its header and records: counts, ranks, dtypes, sizes
/// and bounds are checked, data in `written_segment` must lie inside the block itself, and numbers must have the byte
/// size that their shape asks for. Throws std::runtime_error when something does not fit.
/// `other_block_offset`/`other_block_bytes`: where data of the other segment may lie (an instance's own request block);
/// 0 bytes forbids it. Fills `contents` in place so that its memory is reused.
void ReadBlock(std::span<const std::byte> block, SegmentId written_segment, uint64_t block_offset,
               uint64_t other_block_offset, uint64_t other_block_bytes, BlockContents *contents);

}  // namespace mindspore::serving
