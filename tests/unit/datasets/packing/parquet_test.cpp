// Hugging Face's Parquet files, written by Arrow's own writer: images and labels come through, whatever the
// row groups, the same bytes at any number of ranks; names from the metadata; damage.
#include <barrier>
#include <thread>

#include <arrow/io/file.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>
#include <parquet/api/writer.h>

#include "datasets/dataset.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using parquet::schema::GroupNode;
using parquet::schema::PrimitiveNode;
using testing::ElementsAre;
using testing::HasSubstr;

struct Row {
  std::optional<std::string> image, path;
  std::optional<std::int64_t> label;
};

constexpr const char* kNames =
    R"({"info": {"features": {"label": {"names": ["ant", "bee, wasp", "cat"], "_type": "ClassLabel"}}}})";

class ParquetTest : public ArchivePackTest {
 protected:
  // A struct `image` of bytes and path, and labels; `groups` rows in each row group.
  void write(const std::string& name, const std::vector<Row>& rows, std::size_t group_rows = 100,
             const char* huggingface = kNames, const std::string& label = "label") const {
    fs::create_directories((dir_ / name).parent_path());
    const auto optional = parquet::Repetition::OPTIONAL;
    const auto image = GroupNode::Make(
        "image", optional,
        {PrimitiveNode::Make("bytes", optional, parquet::Type::BYTE_ARRAY),
         PrimitiveNode::Make("path", optional, parquet::Type::BYTE_ARRAY, parquet::ConvertedType::UTF8)});
    const auto schema = std::static_pointer_cast<GroupNode>(
        GroupNode::Make("schema", parquet::Repetition::REQUIRED,
                        {image, PrimitiveNode::Make(label, optional, parquet::Type::INT64)}));
    auto file = arrow::io::FileOutputStream::Open(path(name)).ValueOrDie();
    auto metadata =
        huggingface == nullptr ? nullptr : arrow::KeyValueMetadata::Make({"huggingface"}, {huggingface});
    const auto properties =
        parquet::WriterProperties::Builder().compression(parquet::Compression::SNAPPY)->build();
    const auto writer = parquet::ParquetFileWriter::Open(file, schema, properties, metadata);
    for (std::size_t first = 0; first < rows.size(); first += group_rows) {
      auto* group = writer->AppendRowGroup();
      const auto some = std::span(rows).subspan(first, std::min(group_rows, rows.size() - first));
      write_texts(static_cast<parquet::ByteArrayWriter*>(group->NextColumn()), some, &Row::image);
      write_texts(static_cast<parquet::ByteArrayWriter*>(group->NextColumn()), some, &Row::path);
      auto* labels = static_cast<parquet::Int64Writer*>(group->NextColumn());
      for (const Row& row : some) {
        const std::int16_t level = row.label ? 1 : 0;
        const std::int64_t value = row.label.value_or(0);
        labels->WriteBatch(1, &level, nullptr, &value);
      }
      group->Close();
    }
    writer->Close();
    ASSERT_TRUE(file->Close().ok());
  }

  static void write_texts(parquet::ByteArrayWriter* column, std::span<const Row> rows,
                          std::optional<std::string> Row::*member) {
    for (const Row& row : rows) {
      const std::int16_t level = row.*member ? 2 : 1;
      const std::string text = (row.*member).value_or("");
      const parquet::ByteArray value(text);
      column->WriteBatch(1, &level, nullptr, &value);
    }
  }

  PackOptions from(const std::string& what) const { return options("parquet:" + path(what), "pack"); }
  Error refusal(const std::string& what) const {
    return error_of([&] { pack(from(what)); });
  }

  const std::string jpeg_ = fixture_image("jpeg_1x1"), png_ = fixture_image("png_rgb");
};

TEST_F(ParquetTest, ImagesLabelsAndNames) {
  const std::vector<Row> rows = {
      {jpeg_ + "1", "n01_1.JPEG", 2}, {png_, "n02_1.JPEG", 0}, {jpeg_ + "3", "n01_2.JPEG", 2}};
  const Labels expected = {{"n01_1.JPEG", 2}, {"n02_1.JPEG", 0}, {"n01_2.JPEG", 2}};
  for (const std::size_t group : {1U, 2U, 100U}) {
    write("d/train-00000-of-00002.parquet", {rows[0], rows[1]}, group);
    write("d/train-00001-of-00002.parquet", {rows[2]}, group);
    write("d/validation-00000-of-00001.parquet", {{jpeg_, "v.JPEG", 1}});
    EXPECT_EQ(labels_of(from("d")), expected) << group;
    EXPECT_THAT(names_, ElementsAre("ant", "bee, wasp", "cat"));
    EXPECT_EQ(records("pack").at("n02_1.JPEG").bytes, png_);
    EXPECT_EQ(labels_of(from("d/train-{00000..00001}-of-00002.parquet")), expected);
  }
  PackOptions val = from("d");
  val.split = "val";
  EXPECT_EQ(labels_of(val), (Labels{{"v.JPEG", 1}}));
  val.split = "test";
  EXPECT_THAT(error_of([&] { pack(val); }).what(), HasSubstr("no .parquet file inside of split test"));
}

TEST_F(ParquetTest, AnotherColumnAndNoNames) {
  write("a.parquet", {{jpeg_, std::nullopt, 4}, {jpeg_ + "2", "x", 1}, {jpeg_ + "3", "x", 0}}, 2, nullptr,
        "coarse_label");
  PackOptions o = from("a.parquet");
  o.labels = "coarse_label";
  EXPECT_EQ(labels_of(o), (Labels{{"a/00000000", 4}, {"x", 1}, {"a/00000002", 0}}));
  EXPECT_EQ(names_.size(), 5U);
  EXPECT_EQ(read_manifest(o.output).selection, "labels: coarse_label");
  const Error missing = refusal("a.parquet");
  EXPECT_EQ(missing.code(), ExitCode::refused);
  EXPECT_THAT(missing.what(),
              HasSubstr("no column label of numbers, but image.bytes, image.path, coarse_label"));
}

TEST_F(ParquetTest, WhatHasNoLabelOrImageIsQuarantined) {
  write("a.parquet", {{jpeg_, "1", 0},
                      {jpeg_, "2", -1},
                      {std::nullopt, "3", 1},
                      {jpeg_, "4", std::nullopt},
                      {jpeg_.substr(0, 50), "5", 1}});
  EXPECT_EQ(labels_of(from("a.parquet")), (Labels{{"1", 0}}));
  const auto reasons = quarantine("pack");
  EXPECT_THAT(reasons.at("2"), HasSubstr("no label"));
  EXPECT_THAT(reasons.at("3"), HasSubstr("without a .jpg"));
  EXPECT_THAT(reasons.at("4"), HasSubstr("no label"));
  EXPECT_TRUE(reasons.contains("5"));
  fs::remove_all(dir_ / "pack");
  write("b.parquet", {{jpeg_, "1", 3}});
  EXPECT_THAT(refusal("b.parquet").what(),
              HasSubstr("3 is no class of"));  // of the three that the file names
}

TEST_F(ParquetTest, Damage) {
  write("a.parquet", {{jpeg_, "1", 0}, {jpeg_, "2", 1}}, 1);
  const std::string whole = read_text(path("a.parquet"));
  for (const std::size_t length : {std::size_t{0}, std::size_t{3}, whole.size() / 2, whole.size() - 1}) {
    put("a.parquet", whole.substr(0, length));
    const Error e = refusal("a.parquet");
    EXPECT_EQ(e.code(), ExitCode::bad_data) << length;
    EXPECT_THAT(e.what(), HasSubstr("a.parquet: "));
  }
  std::string flipped = whole;
  for (std::size_t i = 4; i < 60; ++i) flipped[i] = static_cast<char>(flipped[i] ^ 0x55);  // the first page
  put("a.parquet", flipped);
  EXPECT_EQ(refusal("a.parquet").code(), ExitCode::bad_data);
  EXPECT_EQ(refusal("none.parquet").code(), ExitCode::io);
}

TEST_F(ParquetTest, AFileThatIsMissingBetweenOthersIsNamed) {
  for (const char* name : {"00000", "00002"})
    write(fmt::format("d/train-{}-of-00003.parquet", name), {{jpeg_, name, 0}});
  write("d/test-00001-of-00002.parquet", {{jpeg_, "t", 0}});  // of another split
  EXPECT_EQ(refusal("d").code(), ExitCode::bad_data);
  EXPECT_THAT(refusal("d").what(), HasSubstr("no train-00001-of-00003.parquet inside, but train-00000-of-"));
  EXPECT_EQ(labels_of(from("d/train-{00000,00002}-of-00003.parquet")).size(), 2U);
  fs::remove_all(dir_ / "pack");
  write("d/train-00001-of-00003.parquet", {{jpeg_, "00001", 0}});
  EXPECT_EQ(labels_of(from("d")).size(), 3U);
}

TEST_F(ParquetTest, SameBytesAtAnyNumberOfRanks) {
  std::vector<Row> rows;
  for (int i = 0; i < 20; ++i) rows.push_back({jpeg_ + std::to_string(i), fmt::format("{}.jpg", i), i % 3});
  write("a.parquet", rows, 7);
  PackOptions o = from("a.parquet");
  o.shard_bytes = 1000;
  o.output = dir_ / "one";
  pack(o);
  const auto bytes = contents("one");
  EXPECT_GT(bytes.size(), 4U);
  for (const int world : {2, 4}) {
    o.output = dir_ / fmt::format("world{}", world);
    o.threads = world;
    std::barrier barrier(world);
    std::vector<std::jthread> ranks;
    for (int rank = 0; rank < world; ++rank) {
      ranks.emplace_back([&, rank] { pack(o, {rank, world, [&] { barrier.arrive_and_wait(); }}); });
    }
    ranks.clear();
    EXPECT_EQ(contents(o.output.filename().string()), bytes) << world;
  }
}

// Of a table without a column of labels, or in spite of it.
TEST_F(ParquetTest, ImagesWithoutLabels) {
  const std::vector<Row> rows = {
      {jpeg_ + "1", "a.JPEG", 2}, {png_, "b.JPEG", {}}, {jpeg_ + "3", "c.JPEG", -1}};
  for (const char* column : {"label", "other"}) {
    write("d.parquet", rows, 2, nullptr, column);
    PackOptions o = from("d.parquet");
    o.labels = "none";
    EXPECT_EQ(labels_of(o), (Labels{{"a.JPEG", 0}, {"b.JPEG", 0}, {"c.JPEG", 0}}));
    EXPECT_TRUE(names_.empty());
    EXPECT_EQ(open_dataset(path("pack"))->classes(), 0);
  }
  EXPECT_THAT(refusal("d.parquet").hint(), HasSubstr("--labels none"));
}

}  // namespace
}  // namespace vitrail::datasets
