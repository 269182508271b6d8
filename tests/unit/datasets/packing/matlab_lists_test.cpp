// Annotations of Flowers-102 and Cars that scipy wrote, compressed and not, against what scipy reads in them
// (tests/peers/make_matlab_fixtures.py).
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "datasets/archives/matlab_file.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kFolder = fs::path(VITRAIL_FIXTURES) / "datasets/matlab";

Json expected_of(const std::string& kind) {
  return Json::parse(read_text(kFolder / "expected.json")).at(kind);
}

Json as_json(const LabelledFiles& files) {
  Json rows = Json::array();
  for (const LabelledFile& file : files.files) rows.push_back({file.path, file.label.value()});
  return rows;
}

SourceOptions of_split(const std::string& split) {
  SourceOptions options;
  options.split = split;
  return options;
}

class MatlabListsTest : public testing::TestWithParam<const char*> {};

TEST_P(MatlabListsTest, Flowers102) {
  const Json expected = expected_of(GetParam()).at("flowers102");
  for (const char* split : {"train", "val", "test"}) {
    const LabelledFiles files = read_flowers102(kFolder / GetParam(), of_split(split));
    EXPECT_EQ(as_json(files), expected.at(split)) << split;
    EXPECT_EQ(files.classes.size(), 5U);
  }
  EXPECT_EQ(read_flowers102(kFolder / GetParam(), of_split("trainval")).files.size(), 120U);
}

TEST_P(MatlabListsTest, Cars) {
  const Json expected = expected_of(GetParam()).at("cars");
  for (const char* split : {"train", "test"}) {
    const LabelledFiles files = read_cars(kFolder / GetParam(), of_split(split));
    EXPECT_EQ(as_json(files), expected.at(split)) << split;
    Json classes = Json::array();
    for (const ClassEntry& entry : files.classes) classes.push_back(entry.name);
    EXPECT_EQ(classes, expected.at("classes"));
  }
}

// The file of all cars: two variables, and fields that are passed over.
TEST_P(MatlabListsTest, StructsAndTextsOfOneFile) {
  const Json expected = expected_of(GetParam()).at("cars_annos");
  const fs::path path = kFolder / GetParam() / "cars_annos.mat";
  const std::vector<std::byte> file = read_bytes(path);
  EXPECT_EQ(Json(read_matlab_texts(file, "class_names", path.string())), expected.at("class_names"));
  const MatlabStructs rows = read_matlab_structs(file, "annotations", path.string());
  const auto values = [&](const std::string& field, const auto& value_of) {
    Json all = Json::array();
    for (const auto& row : rows.rows) all.push_back(value_of(row[rows.field(field, path.string())]));
    return all;
  };
  const auto text = [](const MatlabValue& value) { return value.text; };
  const auto number = [](const MatlabValue& value) { return static_cast<int>(value.numbers.at(0)); };
  EXPECT_EQ(values("relative_im_path", text), expected.at("paths"));
  EXPECT_EQ(values("note", text), expected.at("notes"));
  EXPECT_EQ(values("class", number), expected.at("classes"));
}

INSTANTIATE_TEST_SUITE_P(Kinds, MatlabListsTest, testing::Values("compressed", "plain"));

}  // namespace
}  // namespace vitrail::datasets
