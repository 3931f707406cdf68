// A worker of the dispatcher answers with anything: results, model calls, releases and counts that make no sense. Every call
// is answered exactly once all the same, with tensors that can be read to their last byte.
#include <atomic>
#include <deque>
#include <vector>

#include "dispatch/dispatcher.h"
#include "fuzz_input.h"
#include "hostile_end.h"

namespace mindspore::serving {
namespace {

class CountingSink : public CallSink {
 public:
  void Complete(Reply reply) override {
    FUZZ_REQUIRE(answers_.fetch_add(1) == 0);
    FUZZ_REQUIRE(reply.error || reply.instances.size() == instances);
    for (const InstanceResult &instance : reply.instances) {
      FUZZ_REQUIRE(instance.error || instance.outputs.size() == 1);
      for (const OutputTensor &output : instance.outputs) {
        const ExactCopy every_byte(output.data);
      }
    }
  }
  bool answered() const { return answers_ == 1; }

  size_t instances = 1;

 private:
  std::atomic<int> answers_{0};
};

std::unique_ptr<Request> AnyRequest(FuzzInput *input) {
  static const std::vector<std::byte> kZeros(4096);
  auto request = std::make_unique<Request>(nullptr);
  request->servable = "demo";
  request->method = "echo";
  request->instances.resize(1 + input->Below(3));
  for (InputInstance &instance : request->instances) {
    InputTensor &tensor = instance.items.emplace_back();
    const size_t bytes = input->Below(kZeros.size());
    tensor.name = "x";
    tensor.dtype = DType::kUint8;
    tensor.shape = Shape{static_cast<int64_t>(bytes)};
    tensor.data = ByteRope(ByteSpan(kZeros).first(bytes));
  }
  return request;
}

class HostileWorker {
 public:
  HostileWorker(Dispatcher *dispatcher, FuzzInput *input)
      : master_(Channel::Create(TinyChannel())),
        own_(AttachCopies(*master_)),
        hostile_(*master_, End::kWorker),
        input_(*input) {
    const MethodInfo echo{"echo", {"x"}, {"y"}, 0, 4, false};
    const MethodInfo model{"@call_model_0", {"x0"}, {"y0"}, 1, 4, true};
    number_ = dispatcher->AddWorker(master_, "demo", 1, {echo, model}, true, "hostile", {"@call_model_0", "@missing"});
  }

  uint64_t number() const { return number_; }

  void Step() {
    switch (input_.Below(12)) {
      case 0:
        return hostile_.Scribble(&input_);
      case 1:
        return hostile_.SpoilCounts(&input_);
      case 2:
      case 3:
        return Take();
      case 4:
        own_->Release(input_.Below(64) * 64);
        return;
      case 5:
        return hostile_.Append(AnyEntry(static_cast<EntryKind>(input_.Below(8))));
      case 6:
      case 7:
        return Push(AnyEntry(EntryKind::kModelCall));
      default:
        return Push(AnyEntry(EntryKind::kResult));
    }
  }

 private:
  void Take() {
    while (const auto entry = own_->Receive()) {
      if (entry->kind == EntryKind::kInstance) {
        tokens_.push_back(entry->token);
      }
    }
  }

  RingEntry AnyEntry(EntryKind kind) {
    RingEntry entry{};
    entry.kind = kind;
    entry.method = static_cast<uint32_t>(input_.Below(4));
    entry.token =
      tokens_.empty() || input_.Below(8) == 0 ? input_.Number<uint64_t>() : tokens_[input_.Below(tokens_.size())];
    entry.offset = input_.Below(8) == 0 ? input_.Number<uint64_t>() : input_.Below(512) * 64;
    entry.size_bytes = hostile_.WriteAnyBlock(&input_, entry.offset);
    if (input_.Below(8) == 0) {
      entry.size_bytes = input_.Number<uint64_t>();
    }
    entry.reserve_bytes = input_.Flag() ? input_.Number<uint16_t>() : 0;
    entry.bell = input_.Number<uint8_t>();
    return entry;
  }

  void Push(const RingEntry &entry) {
    hostile_.Append(entry);
    own_->Ring(0);
  }

  const std::shared_ptr<Channel> master_;
  const std::unique_ptr<Channel> own_;
  HostileEnd hostile_;
  FuzzInput &input_;
  uint64_t number_;
  std::vector<uint64_t> tokens_;
};

void CheckDispatcher(FuzzInput input) {
  constexpr int kMaxSteps = 48;
  std::deque<CountingSink> sinks;
  {
    Dispatcher dispatcher;
    HostileWorker worker(&dispatcher, &input);
    for (int step = 0; step < kMaxSteps && !input.empty(); ++step) {
      if (input.Below(4) == 0) {
        auto request = AnyRequest(&input);
        sinks.emplace_back().instances = request->instances.size();
        const auto call = dispatcher.Submit(std::move(request), &sinks.back());
        if (call && input.Below(4) == 0) {
          dispatcher.Cancel(call);
        }
      } else {
        worker.Step();
      }
    }
    if (input.Flag()) {
      dispatcher.RemoveWorker(worker.number());
      dispatcher.SetStarting("demo", 1, 0);
      FUZZ_REQUIRE(std::ranges::all_of(sinks, &CountingSink::answered));
    }
  }
  FUZZ_REQUIRE(std::ranges::all_of(sinks, &CountingSink::answered));
}

}  // namespace
}  // namespace mindspore::serving

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mindspore::serving::CheckDispatcher(mindspore::serving::FuzzInput(data, size));
  return 0;
}
