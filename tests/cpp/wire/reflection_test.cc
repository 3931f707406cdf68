#include "wire/reflection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "wire/descriptor_set.h"
#include "wire/wire_append.h"

namespace mindspore::serving {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Field(uint32_t field, std::string_view content) {
  std::string text;
  AppendBytes(field, content, &text);
  return text;
}

// What the server answers beside the request it got, which comes first.
std::string AnswerTo(const std::string &request) {
  const Reflection reflection(DescriptorSet());
  const std::string answer = reflection.Answer(request);
  EXPECT_THAT(answer, StartsWith(Field(2, request)));
  return answer.substr(Field(2, request).size());
}

std::string Error(char status) { return std::string("\x08") + status; }

constexpr uint32_t kByName = 3;
constexpr uint32_t kSymbol = 4;
constexpr uint32_t kTypes = 6;
constexpr uint32_t kServices = 7;

TEST(Reflection, ListsTheServices) {
  EXPECT_EQ(AnswerTo(Field(kServices, "")), Field(6, Field(1, Field(1, "mindspore.serving.proto.MSService")) +
                                                       Field(1, Field(1, "grpc.health.v1.Health")) +
                                                       Field(1, Field(1, "grpc.reflection.v1.ServerReflection")) +
                                                       Field(1, Field(1, "grpc.reflection.v1alpha.ServerReflection"))));
}

TEST(Reflection, FindsWhatAFileDefines) {
  const std::string by_name = AnswerTo(Field(kByName, "mindspore_serving/proto/ms_service.proto"));
  EXPECT_THAT(by_name, HasSubstr("PredictRequest"));
  for (const char *symbol : {"MSService", "MSService.Predict", "Tensor", "Tensor.shm_data", "Tensor.tensor_data",
                             "Instance.ItemsEntry", "Instance.ItemsEntry.value", "DataType", "MS_BYTES"}) {
    EXPECT_EQ(AnswerTo(Field(kSymbol, std::string("mindspore.serving.proto.") + symbol)), by_name) << symbol;
  }
  EXPECT_THAT(AnswerTo(Field(kSymbol, "grpc.health.v1.HealthCheckResponse.ServingStatus")),
              HasSubstr("grpc/health/v1/health.proto"));
  EXPECT_THAT(AnswerTo(Field(kSymbol, "grpc.health.v1.HealthCheckResponse.SERVING")),
              HasSubstr("grpc/health/v1/health.proto"));
}

TEST(Reflection, TellsWhatIsNotThere) {
  for (const auto &request :
       {Field(kByName, "ms_service.proto"), Field(kSymbol, "Tensor"), Field(kSymbol, ""), Field(kSymbol, "mindspore"),
        Field(kTypes, "mindspore.serving.proto.DataType"), Field(5, "")}) {
    EXPECT_THAT(AnswerTo(request), StartsWith(Field(7, "").substr(0, 1))) << request;
    EXPECT_THAT(AnswerTo(request), HasSubstr(Error(5))) << request;
  }
  EXPECT_THAT(AnswerTo(""), HasSubstr(Error(3)));
  EXPECT_THAT(AnswerTo(Field(1, "some.host")), HasSubstr(Error(3)));
}

TEST(Reflection, TypesHaveNoExtensions) {
  EXPECT_EQ(AnswerTo(Field(kTypes, "mindspore.serving.proto.Tensor")),
            Field(5, Field(1, "mindspore.serving.proto.Tensor")));
}

TEST(Reflection, TheLastOfSeveralQuestionsCounts) {
  EXPECT_THAT(AnswerTo(Field(kSymbol, "nothing") + Field(kServices, "")), Not(HasSubstr(Error(5))));
}

TEST(Reflection, ErrorsAreUtf8) { EXPECT_TRUE(IsValidUtf8(AnswerTo(Field(kSymbol, "\xff\xfe")))); }

TEST(Reflection, MalformedRequestsAreRefusedAndNothingElseHappens) {
  const Reflection reflection(DescriptorSet());
  EXPECT_THROW(reflection.Answer("\xff"), ServingError);
  EXPECT_THROW(reflection.Answer("\x22\x05"
                                 "abc"),
               ServingError);
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string request = Field(kSymbol, "mindspore.serving.proto.Tensor");
    request[random() % request.size()] = static_cast<char>(random());
    try {
      reflection.Answer(request);
    } catch (const ServingError &) {
      continue;
    }
  }
}

}  // namespace
}  // namespace mindspore::serving
