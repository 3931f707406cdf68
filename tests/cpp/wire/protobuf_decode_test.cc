#include <gtest/gtest.h>

#include <array>

#include "base/error.h"
#include "wire/protobuf_codec.h"
#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

using namespace std::string_literals;

// Serialized once by Google's library: two-dimensional float32, a string, a scalar int64.
const std::string kGolden = FromHex(
  "0a120a0361646412086164645f6361737418ac0212220a200a027831121a0a040a020202100b1a100000803f000000400000404000008040"
  "12190a170a0474657874120f0a030a0101100d22066772c3bcc39f12150a130a0173120e0a0010081a08ffffffffffffffff");

std::unique_ptr<Request> Decode(std::string_view bytes) {
  auto message = std::make_shared<const std::string>(bytes);
  const ByteSpan piece = AsBytes(*message);
  return DecodePredictRequest({&piece, 1}, message);
}

// A request with one instance of one item; `entry` is the map entry's bytes.
std::string WithEntry(std::string_view entry) { return BytesField(2, BytesField(1, entry)); }

std::string WithTensor(std::string_view tensor) { return WithEntry(BytesField(1, "x") + BytesField(2, tensor)); }

InputTensor OnlyTensor(const Request &request) {
  EXPECT_EQ(request.instances.size(), 1u);
  EXPECT_EQ(request.instances.front().items.size(), 1u);
  return request.instances.front().items.front();
}

void ExpectGolden(const Request &request) {
  EXPECT_EQ(request.servable, "add");
  EXPECT_EQ(request.method, "add_cast");
  EXPECT_EQ(request.version, 300u);
  ASSERT_EQ(request.instances.size(), 3u);
  const InputTensor *x1 = request.instances[0].Find("x1");
  ASSERT_NE(x1, nullptr);
  EXPECT_EQ(x1->dtype, DType::kFloat32);
  EXPECT_EQ(x1->wire_dtype, 11);
  EXPECT_EQ(x1->shape, (Shape{2, 2}));
  EXPECT_EQ(ToText(x1->data), FromHex("0000803f000000400000404000008040"));
  EXPECT_EQ(x1->text_count, 0u);
  EXPECT_FALSE(x1->has_shm_data);
  const InputTensor *text = request.instances[1].Find("text");
  ASSERT_NE(text, nullptr);
  EXPECT_EQ(text->dtype, DType::kString);
  EXPECT_EQ(text->shape, Shape{1});
  EXPECT_EQ(text->text_count, 1u);
  EXPECT_EQ(ToText(text->data), "gr\xC3\xBC\xC3\x9F");
  const InputTensor *scalar = request.instances[2].Find("s");
  ASSERT_NE(scalar, nullptr);
  EXPECT_EQ(scalar->dtype, DType::kInt64);
  EXPECT_EQ(scalar->shape, Shape{});
  EXPECT_EQ(ToText(scalar->data), std::string(8, '\xFF'));
}

TEST(DecodePredictRequestTest, GoldenBytes) { ExpectGolden(*Decode(kGolden)); }

TEST(DecodePredictRequestTest, DataOfAContiguousMessageStaysInPlace) {
  const ByteSpan piece = AsBytes(kGolden);
  const auto request = DecodePredictRequest({&piece, 1}, nullptr);
  const auto *data = reinterpret_cast<const char *>(request->instances[0].items[0].data.bytes().data());
  EXPECT_GE(data, kGolden.data());
  EXPECT_LT(data, kGolden.data() + kGolden.size());
}

TEST(DecodePredictRequestTest, EverySplitIntoTwoAndThreePiecesDecodesAlike) {
  const ByteSpan whole = AsBytes(kGolden);
  for (size_t first = 0; first <= whole.size(); ++first) {
    for (size_t second = first; second <= whole.size(); ++second) {
      const std::array<ByteSpan, 4> pieces = {whole.first(first), ByteSpan{}, whole.subspan(first, second - first),
                                              whole.subspan(second)};
      ExpectGolden(*DecodePredictRequest(pieces, nullptr));
    }
  }
}

TEST(DecodePredictRequestTest, BytesThatComeOneByOneDecodeAlike) {
  std::vector<ByteSpan> pieces;
  for (size_t i = 0; i < kGolden.size(); ++i) {
    pieces.push_back(AsBytes(kGolden).subspan(i, 1));
    pieces.emplace_back();
  }
  const auto request = DecodePredictRequest(pieces, nullptr);
  pieces.clear();  // only the bytes are kept, not the list of pieces
  pieces.shrink_to_fit();
  ExpectGolden(*request);
}

TEST(DecodePredictRequestTest, TheRequestKeepsTheMessage) {
  auto message = std::make_shared<std::string>(kGolden);
  std::weak_ptr<std::string> watch = message;
  const ByteSpan piece = AsBytes(*message);
  auto request = DecodePredictRequest({&piece, 1}, std::move(message));
  ASSERT_FALSE(watch.expired());
  ExpectGolden(*request);
  request.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(DecodePredictRequestTest, NoBytesAreAnEmptyRequest) {
  const auto request = DecodePredictRequest({}, nullptr);
  EXPECT_EQ(request->servable, "");
  EXPECT_EQ(request->version, 0u);
  EXPECT_TRUE(request->instances.empty());
}

TEST(DecodePredictRequestTest, EmptyInstancesCount) {
  const auto request = Decode(BytesField(2, "") + BytesField(2, ""));
  ASSERT_EQ(request->instances.size(), 2u);
  EXPECT_TRUE(request->instances[1].items.empty());
}

TEST(DecodePredictRequestTest, DimsComePackedAndUnpackedAndMerge) {
  const std::string shape = NumberField(1, 2) + BytesField(1, Varint(3) + Varint(400)) + NumberField(1, 5);
  const auto request = Decode(WithTensor(BytesField(1, shape) + BytesField(1, NumberField(1, uint64_t(-1)))));
  EXPECT_EQ(OnlyTensor(*request).shape, (Shape{2, 3, 400, 5, -1}));
}

TEST(DecodePredictRequestTest, EntryMayComeInAnyOrder) {
  const auto request = Decode(WithEntry(BytesField(2, NumberField(2, 6)) + BytesField(1, "name")));
  EXPECT_EQ(OnlyTensor(*request).name, "name");
  EXPECT_EQ(OnlyTensor(*request).dtype, DType::kInt32);
}

TEST(DecodePredictRequestTest, EntryWithoutKeyOrValueHasDefaults) {
  const auto without_key = Decode(WithEntry(BytesField(2, NumberField(2, 6))));
  EXPECT_EQ(OnlyTensor(*without_key).name, "");
  const auto without_value = Decode(WithEntry(BytesField(1, "x")));
  EXPECT_EQ(OnlyTensor(*without_value).name, "x");
  EXPECT_EQ(OnlyTensor(*without_value).dtype, DType::kUnknown);
  EXPECT_EQ(OnlyTensor(*without_value).data.size_bytes(), 0u);
}

TEST(DecodePredictRequestTest, LastOfTwoEntriesWithOneNameIsFound) {
  const std::string first = BytesField(1, BytesField(1, "x") + BytesField(2, NumberField(2, 6)));
  const std::string second = BytesField(1, BytesField(1, "x") + BytesField(2, NumberField(2, 7)));
  const auto request = Decode(BytesField(2, first + second));
  ASSERT_NE(request->instances[0].Find("x"), nullptr);
  EXPECT_EQ(request->instances[0].Find("x")->dtype, DType::kUint32);
}

TEST(DecodePredictRequestTest, RepeatedSubMessagesMerge) {
  const auto spec = Decode(BytesField(1, BytesField(1, "old") + BytesField(2, "method")) +
                           BytesField(1, BytesField(1, "new") + NumberField(3, 7)));
  EXPECT_EQ(spec->servable, "new");
  EXPECT_EQ(spec->method, "method");
  EXPECT_EQ(spec->version, 7u);
  const auto value = Decode(WithEntry(BytesField(2, NumberField(2, 6) + BytesField(3, "data")) + BytesField(1, "x") +
                                      BytesField(2, BytesField(1, NumberField(1, 4)))));
  EXPECT_EQ(OnlyTensor(*value).dtype, DType::kInt32);
  EXPECT_EQ(OnlyTensor(*value).shape, Shape{4});
  EXPECT_EQ(ToText(OnlyTensor(*value).data), "data");
}

TEST(DecodePredictRequestTest, LastOfDataAndSharedMemoryCounts) {
  const std::string shm = BytesField(5, BytesField(1, "key") + NumberField(2, 4096));
  const auto shm_last = Decode(WithTensor(NumberField(2, 6) + BytesField(3, "data") + shm));
  EXPECT_TRUE(OnlyTensor(*shm_last).has_shm_data);
  EXPECT_EQ(OnlyTensor(*shm_last).data.size_bytes(), 0u);
  const auto data_last = Decode(WithTensor(NumberField(2, 6) + shm + BytesField(3, "data")));
  EXPECT_FALSE(OnlyTensor(*data_last).has_shm_data);
  EXPECT_EQ(ToText(OnlyTensor(*data_last).data), "data");
}

TEST(DecodePredictRequestTest, OutputBuffersAreNoticed) {
  const std::string buffer = BytesField(1, "y") + BytesField(2, BytesField(1, "key") + NumberField(4, 8));
  EXPECT_TRUE(Decode(BytesField(2, BytesField(2, buffer)))->instances[0].has_output_buffers);
  EXPECT_FALSE(Decode(BytesField(2, ""))->instances[0].has_output_buffers);
}

TEST(DecodePredictRequestTest, TheDataTypeDecidesWhichBytesAreTheData) {
  const std::string both = BytesField(3, "numbers") + BytesField(4, "first") + BytesField(4, "last");
  for (const std::string &tensor : {both + NumberField(2, 13), NumberField(2, 13) + both}) {
    const auto request = Decode(WithTensor(tensor));
    EXPECT_EQ(ToText(OnlyTensor(*request).data), "last");
    EXPECT_EQ(OnlyTensor(*request).text_count, 2u);
  }
  const auto numbers = Decode(WithTensor(NumberField(2, 3) + both));
  EXPECT_EQ(ToText(OnlyTensor(*numbers).data), "numbers");
}

TEST(DecodePredictRequestTest, UnlistedDataTypesKeepTheirNumber) {
  for (const int32_t number : {0, 15, 200, -1, INT32_MIN, INT32_MAX}) {
    const auto request = Decode(WithTensor(NumberField(2, static_cast<uint64_t>(int64_t{number}))));
    EXPECT_EQ(OnlyTensor(*request).dtype, DType::kUnknown) << number;
    EXPECT_EQ(OnlyTensor(*request).wire_dtype, number);
  }
}

TEST(DecodePredictRequestTest, UnknownFieldsAreSkippedEverywhere) {
  const std::string group = Key(9, 3) + NumberField(1, 5) + Key(8, 3) + BytesField(3, "in") + Key(8, 4) + Key(9, 4);
  const std::string unknown = NumberField(100, uint64_t(-1)) + Key(101, 1) + std::string(8, 'x') +
                              BytesField(536870911, "bytes \xFF") + Key(102, 5) + std::string(4, 'y') + group;
  const std::string tensor = unknown + BytesField(1, unknown + NumberField(1, 3) + unknown) + NumberField(2, 2) +
                             unknown + BytesField(3, "abc") + unknown;
  const auto request = Decode(
    unknown + BytesField(1, unknown + BytesField(1, "s") + unknown) +
    BytesField(2, unknown + BytesField(1, unknown + BytesField(1, "x") + BytesField(2, tensor) + unknown)) + unknown);
  EXPECT_EQ(request->servable, "s");
  EXPECT_EQ(OnlyTensor(*request).shape, Shape{3});
  EXPECT_EQ(ToText(OnlyTensor(*request).data), "abc");
}

TEST(DecodePredictRequestTest, KnownNumberWithAnotherWireTypeIsUnknown) {
  const auto request =
    Decode(NumberField(1, 3) + NumberField(2, 4) + BytesField(1, BytesField(3, "x") + NumberField(1, 2)) +
           WithTensor(BytesField(2, "6") + NumberField(3, 1) + Key(4, 5) + "1234"));
  EXPECT_EQ(request->servable, "");
  EXPECT_EQ(request->version, 0u);
  EXPECT_EQ(OnlyTensor(*request).dtype, DType::kUnknown);
  EXPECT_EQ(OnlyTensor(*request).text_count, 0u);
}

TEST(DecodePredictRequestTest, VersionHasSixtyFourBits) {
  EXPECT_EQ(Decode(BytesField(1, NumberField(3, UINT64_MAX)))->version, UINT64_MAX);
  // Longer than needed is allowed up to ten bytes; what passes 64 bits is dropped.
  EXPECT_EQ(Decode(BytesField(1, Key(3, 0) + "\x81\x80\x80\x80\x80\x80\x80\x80\x80\x7E"s))->version, 1u);
}

TEST(DecodePredictRequestTest, MostDimensionsAreTaken) {
  const std::string most = BytesField(1, BytesField(1, std::string(kMaxRank, '\1')));
  EXPECT_EQ(OnlyTensor(*Decode(WithTensor(most))).shape.rank(), kMaxRank);
}

}  // namespace
}  // namespace mindspore::serving
