#include "shm/block.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "shm/copy_out.h"

namespace mindspore::serving {
namespace {

constexpr uint64_t kDataAlignBytes = 64;
constexpr uint32_t kMagic = 0x4b4c4253;
constexpr uint32_t kMaxTensors = 1U << 16;

/// At the start of the block. Behind it the records or the text of the error.
struct BlockHeader {
  uint32_t magic;
  uint32_t tensors;
  uint32_t error_kind;  ///< 0: tensors, else an error and no tensors
  uint32_t error_text_bytes;
  int64_t error_code;
};

/// One tensor, followed by `rank` dimensions of 8 bytes.
struct TensorRecord {
  uint32_t dtype;
  uint32_t rank;
  uint32_t segment;
  uint32_t unused;
  uint64_t offset;
  uint64_t size_bytes;
};

uint64_t AlignUp(uint64_t bytes) { return (bytes + kDataAlignBytes - 1) / kDataAlignBytes * kDataAlignBytes; }

uint64_t RecordBytes(size_t rank) { return sizeof(TensorRecord) + rank * sizeof(int64_t); }

uint64_t RecordsEnd(std::span<const TensorPlan> tensors) {
  uint64_t end = sizeof(BlockHeader);
  for (const TensorPlan &tensor : tensors) {
    end += RecordBytes(tensor.shape->rank());
  }
  return end;
}

[[noreturn]] void Refuse(const std::string &what) { throw std::runtime_error("malformed block: " + what); }

bool LiesIn(uint64_t offset, uint64_t size_bytes, uint64_t begin, uint64_t end) {
  return offset >= begin && offset <= end && size_bytes <= end - offset;
}

struct Reader {
  std::span<const std::byte> block;
  uint64_t position = 0;

  void Require(uint64_t bytes) const {
    if (bytes > block.size() - position) {
      Refuse("it ends in the middle of its header");
    }
  }
  template <typename T>
  T Read() {
    Require(sizeof(T));
    const T value = CopyOut<T>(block.data() + position);
    position += sizeof(T);
    return value;
  }
};

void CheckSize(const BlockTensor &tensor) {
  const auto elements = tensor.shape.ElementCount();
  if (!elements.has_value()) {
    Refuse("shape " + tensor.shape.ToString());
  }
  if (IsText(tensor.dtype)) {
    if (*elements != 1) {
      Refuse("text of shape " + tensor.shape.ToString());
    }
    return;
  }
  const uint64_t element_bytes = ElementBytes(tensor.dtype);
  if (tensor.size_bytes % element_bytes != 0 || tensor.size_bytes / element_bytes != *elements) {
    Refuse(std::to_string(tensor.size_bytes) + " bytes for shape " + tensor.shape.ToString());
  }
}

void ReadTensor(Reader *reader, BlockTensor *tensor) {
  const auto record = reader->Read<TensorRecord>();
  if (record.dtype == 0 || record.dtype >= kDTypeCount) {
    Refuse("dtype " + std::to_string(record.dtype));
  }
  if (record.rank > kMaxRank) {
    Refuse("rank " + std::to_string(record.rank));
  }
  if (record.segment > static_cast<uint32_t>(SegmentId::kReply)) {
    Refuse("segment " + std::to_string(record.segment));
  }
  tensor->dtype = static_cast<DType>(record.dtype);
  tensor->segment = static_cast<SegmentId>(record.segment);
  tensor->offset = record.offset;
  tensor->size_bytes = record.size_bytes;
  tensor->shape.Clear();
  for (uint32_t axis = 0; axis < record.rank; ++axis) {
    if (!tensor->shape.Append(reader->Read<int64_t>())) {
      Refuse("rank " + std::to_string(record.rank));
    }
  }
  CheckSize(*tensor);
}

Error ReadError(const BlockHeader &header, Reader *reader) {
  const bool known = header.error_kind <= static_cast<uint32_t>(ErrorKind::kInternal) && header.error_code > 0 &&
                     header.error_code <= static_cast<int64_t>(ErrorCode::kServableUnavailable);
  if (!known || header.tensors != 0 || header.error_text_bytes > kMaxErrorTextBytes) {
    Refuse("an error of kind " + std::to_string(header.error_kind) + ", code " + std::to_string(header.error_code));
  }
  reader->Require(header.error_text_bytes);
  std::string text(header.error_text_bytes, '\0');
  std::memcpy(text.data(), reader->block.data() + reader->position, text.size());
  return MakeError(static_cast<ErrorKind>(header.error_kind), static_cast<ErrorCode>(header.error_code), text);
}

}  // namespace

uint64_t BlockBytes(std::span<const TensorPlan> tensors) {
  if (tensors.size() > kMaxTensors) {
    throw std::length_error(std::to_string(tensors.size()) + " tensors for one instance");
  }
  uint64_t end = RecordsEnd(tensors);
  for (const TensorPlan &tensor : tensors) {
    if (tensor.in_block) {
      end = AlignUp(end) + tensor.size_bytes;
    }
  }
  return end;
}

uint64_t ErrorBlockBytes(const Error &error) {
  return sizeof(BlockHeader) + std::min(error.text.size(), kMaxErrorTextBytes);
}

void WriteBlock(std::span<const TensorPlan> tensors, SegmentId segment, uint64_t block_offset,
                std::span<std::byte> block, std::span<std::byte *> data) {
  std::byte *const begin = block.data();
  const BlockHeader header{kMagic, static_cast<uint32_t>(tensors.size()), 0, 0, 0};
  std::memcpy(begin, &header, sizeof(header));
  uint64_t record_at = sizeof(header);
  uint64_t data_at = RecordsEnd(tensors);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorPlan &tensor = tensors[i];
    const auto dims = tensor.shape->dims();
    TensorRecord record{static_cast<uint32_t>(tensor.dtype),
                        static_cast<uint32_t>(dims.size()),
                        static_cast<uint32_t>(tensor.segment),
                        0,
                        tensor.offset,
                        tensor.size_bytes};
    data[i] = nullptr;
    if (tensor.in_block) {
      data_at = AlignUp(data_at);
      record.segment = static_cast<uint32_t>(segment);
      record.offset = block_offset + data_at;
      data[i] = begin + data_at;
      data_at += tensor.size_bytes;
    }
    std::memcpy(begin + record_at, &record, sizeof(record));
    std::ranges::copy(std::as_bytes(dims), begin + record_at + sizeof(record));
    record_at += RecordBytes(dims.size());
  }
}

void WriteErrorBlock(const Error &error, std::span<std::byte> block) {
  const auto text = std::as_bytes(std::span(error.text)).first(std::min(error.text.size(), kMaxErrorTextBytes));
  const BlockHeader header{kMagic, 0, static_cast<uint32_t>(error.kind), static_cast<uint32_t>(text.size()),
                           static_cast<int64_t>(error.code)};
  std::memcpy(block.data(), &header, sizeof(header));
  std::ranges::copy(text, block.data() + sizeof(header));
}

void ReadBlock(std::span<const std::byte> block, SegmentId written_segment, uint64_t block_offset,
               uint64_t other_block_offset, uint64_t other_block_bytes, BlockContents *contents) {
  Reader reader{block};
  const auto header = reader.Read<BlockHeader>();
  if (header.magic != kMagic || header.tensors > kMaxTensors) {
    Refuse("no header");
  }
  contents->error = Error{};
  if (header.error_kind != 0) {
    contents->tensors.clear();
    contents->error = ReadError(header, &reader);
    return;
  }
  if (header.tensors > block.size() / sizeof(TensorRecord)) {
    Refuse(std::to_string(header.tensors) + " tensors");
  }
  contents->tensors.resize(header.tensors);
  for (BlockTensor &tensor : contents->tensors) {
    ReadTensor(&reader, &tensor);
  }
  for (const BlockTensor &tensor : contents->tensors) {
    const bool in_block = tensor.segment == written_segment;
    const bool fits =
      in_block
        ? LiesIn(tensor.offset, tensor.size_bytes, block_offset + reader.position, block_offset + block.size()) &&
            tensor.offset % kDataAlignBytes == 0
        : other_block_bytes > 0 &&
            LiesIn(tensor.offset, tensor.size_bytes, other_block_offset, other_block_offset + other_block_bytes);
    if (!fits) {
      Refuse("data at " + std::to_string(tensor.offset) + " of " + std::to_string(tensor.size_bytes) +
             " bytes lies outside");
    }
  }
}

}  // namespace mindspore::serving
