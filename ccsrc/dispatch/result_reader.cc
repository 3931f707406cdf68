#include "dispatch/result_reader.h"

#include <string>

#include "base/log.h"

namespace mindspore::serving {
namespace {

// Keeps the blocks of one result; gives them back when the last tensor that points into them is gone, which may be after the
// worker's death.
class ResultLease {
 public:
  ResultLease(std::shared_ptr<Channel> channel, const ResultBlocks &blocks)
      : channel_(std::move(channel)), request_offset_(blocks.request_offset), result_offset_(blocks.result_offset) {}
  ResultLease(const ResultLease &) = delete;
  ~ResultLease() {
    channel_->Release(result_offset_);
    channel_->DropReference(request_offset_);
  }

 private:
  const std::shared_ptr<Channel> channel_;
  const uint64_t request_offset_;
  const uint64_t result_offset_;
};

// Strings are copied before they are checked, since the worker could still change what lies in shared memory.
void AdoptText(ByteSpan data, OutputTensor *tensor) {
  auto text = std::make_shared<const std::string>(reinterpret_cast<const char *>(data.data()), data.size());
  if (tensor->dtype == DType::kString && !IsValidUtf8(*text)) {
    throw ServingError(MakeError(ErrorKind::kStageFailed,
                                 "Output " + std::string(tensor->name) + " is a string that is not valid UTF-8"));
  }
  tensor->data = std::as_bytes(std::span(*text));
  tensor->owner = std::move(text);
}

std::vector<OutputTensor> ReadOutputs(const Channel &channel, const BlockContents &contents, const MethodInfo &method,
                                      const std::shared_ptr<ResultLease> &lease) {
  if (contents.tensors.size() != method.outputs.size()) {
    throw std::runtime_error("it has " + std::to_string(contents.tensors.size()) + " tensors, the method has " +
                             std::to_string(method.outputs.size()) + " outputs");
  }
  std::vector<OutputTensor> outputs(contents.tensors.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const BlockTensor &from = contents.tensors[i];
    OutputTensor &to = outputs[i];
    to.name = method.outputs[i];
    to.dtype = from.dtype;
    to.shape = from.shape;
    const ByteSpan data = channel.Bytes(from.segment, from.offset, from.size_bytes);
    if (IsText(from.dtype)) {
      AdoptText(data, &to);
    } else {
      to.data = data;
      to.owner = lease;
    }
  }
  return outputs;
}

}  // namespace

InstanceResult ReadResult(const WorkerLink &link, const ResultBlocks &blocks, const MethodInfo &method) {
  InstanceResult result;
  const auto &channel = link.channel;
  const auto lease = std::make_shared<ResultLease>(channel, blocks);
  try {
    BlockContents contents;
    const auto block = channel->Bytes(SegmentId::kReply, blocks.result_offset, blocks.result_bytes);
    ReadBlock(block, SegmentId::kReply, blocks.result_offset, blocks.request_offset, blocks.request_bytes, &contents);
    if (contents.error) {
      result.error = std::move(contents.error);
    } else {
      result.outputs = ReadOutputs(*channel, contents, method, lease);
    }
  } catch (const ServingError &error) {
    result.error = error.error();
  } catch (const std::exception &error) {
    Log(LogLevel::kError, "Worker " + link.label + " sent a malformed result: " + error.what());
    result.error =
      MakeError(ErrorKind::kInternal, std::string("Serving Error: a worker sent a malformed result: ") + error.what());
  }
  return result;
}

}  // namespace mindspore::serving
