// The input is read as a block that the other end of a channel wrote. What is accepted lies where it may lie, has the size
// its shape asks for, and is the same after it was written and read again.
#include <algorithm>
#include <stdexcept>
#include <vector>

#include "fuzz_input.h"
#include "shm/block.h"

namespace mindspore::serving {
namespace {

struct Place {
  SegmentId written = SegmentId::kReply;
  uint64_t offset = 0;
  uint64_t other_offset = 0;
  uint64_t other_bytes = 0;
};

Place AnyPlace(FuzzInput *input) {
  constexpr uint64_t kOffsets[] = {0, 64, 4096, 100, uint64_t{1} << 30, (uint64_t{1} << 38) - 64};
  Place place;
  place.written = input->Flag() ? SegmentId::kReply : SegmentId::kRequest;
  place.offset = kOffsets[input->Below(std::size(kOffsets))];
  place.other_offset = kOffsets[input->Below(std::size(kOffsets))];
  place.other_bytes = input->Flag() ? input->Number<uint16_t>() : 0;
  return place;
}

// Reads every byte of a tensor that lies in the block.
std::vector<std::byte> DataOf(const BlockTensor &tensor, const Place &place, ByteSpan block) {
  const ByteSpan data = block.subspan(tensor.offset - place.offset, tensor.size_bytes);
  return {data.begin(), data.end()};
}

bool LiesIn(const BlockTensor &tensor, uint64_t offset, uint64_t bytes) {
  return tensor.offset >= offset && tensor.size_bytes <= bytes && tensor.offset - offset <= bytes - tensor.size_bytes;
}

void CheckTensor(const BlockTensor &tensor, const Place &place, ByteSpan block) {
  FUZZ_REQUIRE(IsText(tensor.dtype) || IsNumeric(tensor.dtype));
  FUZZ_REQUIRE(tensor.shape.rank() <= kMaxRank);
  const auto count = tensor.shape.ElementCount();
  FUZZ_REQUIRE(count.has_value());
  FUZZ_REQUIRE(IsText(tensor.dtype) ? *count == 1 : *count * ElementBytes(tensor.dtype) == tensor.size_bytes);
  if (tensor.segment == place.written) {
    FUZZ_REQUIRE(tensor.offset % 64 == 0 && LiesIn(tensor, place.offset, block.size()));
    DataOf(tensor, place, block);
  } else {
    FUZZ_REQUIRE(place.other_bytes > 0 && LiesIn(tensor, place.other_offset, place.other_bytes));
  }
}

void CheckSame(const BlockContents &a, ByteSpan a_block, const Place &a_place, const BlockContents &b, ByteSpan b_block,
               const Place &b_place) {
  FUZZ_REQUIRE(a.error == b.error && a.tensors.size() == b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    const BlockTensor &x = a.tensors[i];
    const BlockTensor &y = b.tensors[i];
    FUZZ_REQUIRE(x.dtype == y.dtype && x.shape == y.shape && x.segment == y.segment && x.size_bytes == y.size_bytes);
    if (x.segment == a_place.written) {
      FUZZ_REQUIRE(DataOf(x, a_place, a_block) == DataOf(y, b_place, b_block));
    } else {
      FUZZ_REQUIRE(x.offset == y.offset);
    }
  }
}

void CheckRewritten(const BlockContents &contents, ByteSpan block, const Place &place) {
  Place again_place = place;
  again_place.offset = 128;
  if (contents.error) {
    const ExactCopy again{std::vector<std::byte>(ErrorBlockBytes(contents.error))};
    WriteErrorBlock(contents.error, again.bytes());
    BlockContents read;
    ReadBlock(again.bytes(), place.written, again_place.offset, 0, 0, &read);
    return CheckSame(contents, block, place, read, again.bytes(), again_place);
  }
  std::vector<TensorPlan> plans;
  for (const BlockTensor &tensor : contents.tensors) {
    plans.push_back({.dtype = tensor.dtype,
                     .shape = &tensor.shape,
                     .size_bytes = tensor.size_bytes,
                     .in_block = tensor.segment == place.written,
                     .segment = tensor.segment,
                     .offset = tensor.offset});
  }
  const uint64_t bytes = BlockBytes(plans);
  if (bytes > uint64_t{1} << 24) {
    return;  // of many tensors that share their data
  }
  const ExactCopy again{std::vector<std::byte>(bytes)};
  std::vector<std::byte *> data(plans.size());
  WriteBlock(plans, place.written, again_place.offset, again.bytes(), data);
  for (size_t i = 0; i < plans.size(); ++i) {
    FUZZ_REQUIRE((data[i] != nullptr) == plans[i].in_block);
    if (plans[i].in_block) {
      std::ranges::copy(DataOf(contents.tensors[i], place, block), data[i]);
    }
  }
  BlockContents read;
  ReadBlock(again.bytes(), place.written, again_place.offset, place.other_offset, place.other_bytes, &read);
  CheckSame(contents, block, place, read, again.bytes(), again_place);
}

void CheckBlock(FuzzInput input) {
  const Place place = AnyPlace(&input);
  const ExactCopy copy(input.Rest());
  const ByteSpan block = copy.bytes();
  BlockContents contents;
  contents.tensors.resize(3);  // as it is left by another block
  contents.error.kind = ErrorKind::kInternal;
  try {
    ReadBlock(block, place.written, place.offset, place.other_offset, place.other_bytes, &contents);
  } catch (const std::runtime_error &refusal) {
    FUZZ_REQUIRE(std::string_view(refusal.what()).starts_with("malformed block: "));
    return;
  }
  if (contents.error) {
    FUZZ_REQUIRE(contents.tensors.empty() && contents.error.code != ErrorCode::kSuccess);
    FUZZ_REQUIRE(contents.error.text.size() <= kMaxErrorTextBytes && IsValidUtf8(contents.error.text));
  }
  for (const BlockTensor &tensor : contents.tensors) {
    CheckTensor(tensor, place, block);
  }
  CheckRewritten(contents, block, place);
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mindspore::serving::CheckBlock(mindspore::serving::FuzzInput(data, size));
  return 0;
}
