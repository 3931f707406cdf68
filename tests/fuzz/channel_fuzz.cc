// One end of a channel does what the product does, the other writes anything anywhere. Whatever it wrote: nothing hangs, no
// block is handed out twice, results are read as errors or as tensors that lie inside the segments.
#include <map>
#include <stdexcept>
#include <vector>

#include "dispatch/result_reader.h"
#include "dispatch/worker_link.h"
#include "fuzz_input.h"
#include "hostile_end.h"

namespace mindspore::serving {
namespace {

class Victim {
 public:
  Victim(std::shared_ptr<Channel> channel, HostileEnd *hostile, FuzzInput input, bool is_master)
      : channel_(std::move(channel)), hostile_(*hostile), input_(input), is_master_(is_master) {}

  void Run() {
    constexpr int kMaxSteps = 64;
    for (int step = 0; step < kMaxSteps && !input_.empty(); ++step) {
      Step();
    }
    results_.clear();
    channel_->Close();
    Receive();
    for (const auto &[offset, size_bytes] : blocks_) {
      channel_->DropReference(offset);
    }
  }

 private:
  void Step() {
    switch (input_.Below(16)) {
      case 0:
      case 1:
        return Allocate();
      case 2:
        return Send();
      case 3:
        return Receive();
      case 4:
        return DropBlock();
      case 5:
      case 6:
        return ReadBlockOfPeer();
      case 7:
        channel_->Release(input_.Number<uint16_t>());
        return;
      case 8:
        return Sleep();
      case 9:
        return hostile_.Scribble(&input_);
      case 10:
        return hostile_.SpoilCounts(&input_);
      case 11:
        return hostile_.SpoilBell(&input_);
      case 12:
        results_.clear();
        return;
      default:
        return hostile_.Append(AnyEntry());
    }
  }

  RingEntry AnyEntry() {
    RingEntry entry{};
    entry.kind = static_cast<EntryKind>(input_.Below(8));
    entry.method = input_.Number<uint8_t>();
    entry.token = input_.Number<uint8_t>();
    entry.offset = input_.Flag() ? input_.Below(64) * 64 : input_.Number<uint64_t>();
    entry.size_bytes = input_.Number<uint16_t>();
    return entry;
  }

  void Allocate() {
    const size_t bytes = input_.Number<uint16_t>() % 20000;
    ForgetReleased();
    const auto offset = channel_->Allocate(bytes);
    if (!offset) {
      return;
    }
    FUZZ_REQUIRE(*offset % 64 == 0 && *offset + bytes <= channel_->segment_bytes(channel_->own_segment()));
    FUZZ_REQUIRE(!blocks_.contains(*offset));
    uint64_t live_bytes = bytes;
    for (const auto &[other, other_bytes] : blocks_) {
      FUZZ_REQUIRE(*offset + bytes <= other || other + other_bytes <= *offset);
      live_bytes += other_bytes;
    }
    FUZZ_REQUIRE(channel_->used_bytes() >= live_bytes);
    blocks_[*offset] = std::max<uint64_t>(bytes, 1);
  }

  // The peer may release what it likes, more than once: those blocks are not ours any more.
  void ForgetReleased() {
    std::erase_if(blocks_, [this](const auto &block) {
      const bool live = channel_->AddReference(block.first);
      return !(live && channel_->DropReference(block.first));
    });
  }

  void DropBlock() {
    if (!blocks_.empty()) {
      channel_->DropReference(blocks_.begin()->first);
      ForgetReleased();
    }
  }

  void Send() {
    const int lane = is_master_ ? static_cast<int>(input_.Below(kMaxLanes)) : 0;
    const bool sent = channel_->Send(AnyEntry(), input_.Flag() ? lane : kNoBell);
    FUZZ_REQUIRE(!sent || !channel_->closed());
  }

  void Receive() {
    constexpr int kMostEntries = 4 * kRingEntries;
    int entries = 0;
    for (auto entry = channel_->Receive(); entry.has_value(); entry = channel_->Receive()) {
      FUZZ_REQUIRE(entry->kind != EntryKind::kRelease);
      FUZZ_REQUIRE(++entries <= kMostEntries);  // the peer writes nothing meanwhile
    }
    channel_->TakeSpaceFreed();
    ForgetReleased();
  }

  // The look after the announcement, as every sleeper does it; it sleeps only where it must be woken at once.
  void Sleep() {
    const int lane = is_master_ ? 0 : static_cast<int>(input_.Below(kMaxLanes));
    channel_->PrepareSleep(lane);
    Receive();
    channel_->Wake(lane);
    channel_->Sleep(lane);
  }

  void ReadBlockOfPeer() {
    const uint64_t offset = input_.Flag() ? input_.Below(64) * 64 : input_.Number<uint64_t>();
    const uint64_t written = hostile_.WriteAnyBlock(&input_, offset);
    const uint64_t bytes = input_.Below(8) == 0 ? input_.Number<uint64_t>() : written;
    if (is_master_) {
      ReadAsMaster(offset, bytes);
    } else {
      ReadAsWorker(offset, bytes);
    }
  }

  void ReadAsMaster(uint64_t offset, uint64_t bytes) {
    ResultBlocks where{.result_offset = offset, .result_bytes = bytes};
    if (!blocks_.empty() && channel_->AddReference(blocks_.begin()->first)) {
      std::tie(where.request_offset, where.request_bytes) = *blocks_.begin();
    }
    MethodInfo method{"method", {"x"}, {"a", "b", "c"}, 0, 8, false};
    method.outputs.resize(1 + input_.Below(3));
    const InstanceResult result = ReadResult(link_, where, method);
    FUZZ_REQUIRE(result.error || result.outputs.size() == method.outputs.size());
    FUZZ_REQUIRE(!result.error || (result.outputs.empty() && IsValidUtf8(result.error.text)));
    for (const OutputTensor &output : result.outputs) {
      FUZZ_REQUIRE(output.owner != nullptr);
      const ExactCopy every_byte(output.data);
      const std::string_view text(reinterpret_cast<const char *>(output.data.data()), output.data.size());
      FUZZ_REQUIRE(output.dtype != DType::kString || IsValidUtf8(text));
    }
    results_.push_back(result);
  }

  void ReadAsWorker(uint64_t offset, uint64_t bytes) {
    BlockContents contents;
    try {
      ReadBlock(channel_->Bytes(SegmentId::kRequest, offset, bytes), SegmentId::kRequest, offset, 0, 0, &contents);
    } catch (const std::exception &) {
      return;
    }
    for (const BlockTensor &tensor : contents.tensors) {
      FUZZ_REQUIRE(tensor.offset >= offset && tensor.offset + tensor.size_bytes <= offset + bytes);
      const ExactCopy every_byte(channel_->Bytes(tensor.segment, tensor.offset, tensor.size_bytes));
    }
  }

  const std::shared_ptr<Channel> channel_;
  HostileEnd &hostile_;
  FuzzInput input_;
  const bool is_master_;
  std::map<uint64_t, uint64_t> blocks_;  // offset and size of what Allocate gave and nobody released
  std::vector<InstanceResult> results_;
  WorkerLink link_{1, "fuzzed", "hostile", channel_, true, {}};
};

void CheckChannel(FuzzInput input) {
  const std::shared_ptr<Channel> master = Channel::Create(TinyChannel());
  const bool is_master = input.Flag();
  HostileEnd hostile(*master, is_master ? End::kWorker : End::kMaster);
  std::shared_ptr<Channel> victim = master;
  if (!is_master) {
    try {
      if (input.Below(4) == 0) {
        hostile.Scribble(&input);
      }
      victim = AttachCopies(*master);
    } catch (const std::runtime_error &) {
      return;  // it saw that this is no channel
    }
  }
  Victim(std::move(victim), &hostile, input, is_master).Run();
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mindspore::serving::CheckChannel(mindspore::serving::FuzzInput(data, size));
  return 0;
}
