#include "dispatch/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dispatch/peer.h"

namespace mindspore::serving {
namespace {

using ::testing::HasSubstr;

struct Refusal {
  const char *name;
  std::function<void(Request *)> spoil;
  ErrorKind kind;
  ErrorCode code;
  const char *text;
};

class Refuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(Refuses, WithTheKnownText) {
  Dispatcher dispatcher;
  Peer peer;
  dispatcher.AddWorker(peer.master, "demo", 1, {EchoMethod()}, true, "w");
  auto request = FloatRequest(2);
  GetParam().spoil(request.get());
  Answer answer;
  EXPECT_EQ(dispatcher.Submit(std::move(request), &answer), nullptr);
  const Reply reply = answer.Get();
  EXPECT_EQ(reply.error.kind, GetParam().kind);
  EXPECT_EQ(reply.error.code, GetParam().code);
  EXPECT_THAT(reply.error.text, HasSubstr(GetParam().text));
  EXPECT_TRUE(reply.instances.empty());
  EXPECT_EQ(dispatcher.in_flight(), 0U);
}

InputTensor &SecondInput(Request *request) { return request->instances[1].items[0]; }

InputTensor Text(const char *bytes, Shape shape = {}) {
  InputTensor tensor;
  tensor.name = "x";
  tensor.dtype = DType::kString;
  tensor.shape = shape;
  tensor.text_count = 1;
  tensor.data = ByteRope(std::as_bytes(std::span(bytes, std::strlen(bytes))));
  return tensor;
}

INSTANTIATE_TEST_SUITE_P(
  , Refuses,
  ::testing::Values(Refusal{"servable", [](Request *r) { r->servable = "other"; }, ErrorKind::kUnknownServable,
                            ErrorCode::kInvalidInputs,
                            "Request servable(other) method(echo) , servable is not available"},
                    Refusal{"version", [](Request *r) { r->version = 9; }, ErrorKind::kUnknownServable,
                            ErrorCode::kInvalidInputs, "method(echo)  version(9) , servable is not available"},
                    Refusal{"method", [](Request *r) { r->method = "@call_m_0"; }, ErrorKind::kUnknownServable,
                            ErrorCode::kInvalidInputs, "method is not available"},
                    Refusal{"no_instances", [](Request *r) { r->instances.clear(); }, ErrorKind::kBadInput,
                            ErrorCode::kInvalidInputs, "instances count is 0"},
                    Refusal{"missing", [](Request *r) { SecondInput(r).name = "z"; }, ErrorKind::kBadInput,
                            ErrorCode::kInvalidInputs, "Cannot find input x in instance input"},
                    Refusal{"size", [](Request *r) { SecondInput(r).shape = Shape{5}; }, ErrorKind::kBadInput,
                            ErrorCode::kInvalidInputs,
                            "Instances input x check failed, detail: Tensor check failed: input data size 16 invalid"},
                    Refusal{"negative", [](Request *r) { SecondInput(r).shape = Shape{-1}; }, ErrorKind::kBadInput,
                            ErrorCode::kInvalidInputs, "shape [-1] invalid"},
                    Refusal{"overflow",
                            [](Request *r) {
                              SecondInput(r).shape = Shape{INT64_MAX, INT64_MAX};
                            },
                            ErrorKind::kBadInput, ErrorCode::kInvalidInputs, "invalid"},
                    Refusal{"dtype", [](Request *r) { SecondInput(r).dtype = DType::kUnknown; }, ErrorKind::kBadInput,
                            ErrorCode::kInvalidInputs, "data type"},
                    Refusal{"shm", [](Request *r) { SecondInput(r).has_shm_data = true; }, ErrorKind::kBadInput,
                            ErrorCode::kInvalidInputs, "shm_data"},
                    Refusal{"buffers", [](Request *r) { r->instances[0].has_output_buffers = true; },
                            ErrorKind::kBadInput, ErrorCode::kInvalidInputs, "output_buffers"},
                    Refusal{"utf8", [](Request *r) { SecondInput(r) = Text("\xFF"); }, ErrorKind::kBadInput,
                            ErrorCode::kInvalidInputs, "UTF-8"},
                    Refusal{"text_shape", [](Request *r) { SecondInput(r) = Text("a", Shape{2}); },
                            ErrorKind::kBadInput, ErrorCode::kInvalidInputs,
                            "bytes or string type input  shape can only be (1,) or empty, but given shape is [2]"}),
  [](const auto &param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace mindspore::serving
