#include "trainer/weights/weight_table.hpp"

#include <gtest/gtest.h>

namespace vitrail::trainer {
namespace {

using models::Fit;

const std::map<std::string, models::StoredTensor> kStored = {
    {"pos_embed", {DataType::f32, {1, 5, 2}}},
    {"head.weight", {DataType::f32, {3, 2}}},
    {"norm.bias", {DataType::f32, {2}}},
    {"norm.num_batches_tracked", {DataType::i64, {}}}};
const std::vector<models::ParameterSpec> kHere = {
    {"pos_embed", {1, 10, 2}, {}}, {"head.weight", {5, 2}, {}}, {"norm.bias", {2}, {}}};

TEST(WeightTable, TellsOfEachTensorWhatBecameOfIt) {
  const std::vector<Fit> fit = {Fit::resized, Fit::fresh, Fit::as_stored};
  const std::vector<std::string> all = {
      "  tensor                    stored     here",
      "  pos_embed                 [1, 5, 2]  [1, 10, 2]  interpolated",
      "  head.weight               [3, 2]     [5, 2]      dropped: another number of classes, begins anew",
      "  norm.bias                 [2]        [2]         as it is",
      "  norm.num_batches_tracked  []         -           left out"};
  EXPECT_EQ(weight_table(kStored, kHere, fit, TableRows::all), all);
  const std::vector<std::string> changed = {
      "  tensor       stored     here", "  pos_embed    [1, 5, 2]  [1, 10, 2]  interpolated",
      "  head.weight  [3, 2]     [5, 2]      dropped: another number of classes, begins anew"};
  EXPECT_EQ(weight_table(kStored, kHere, fit, TableRows::changed), changed);
}

TEST(WeightTable, NamesAHeadThatIsNotThere) {
  const std::map<std::string, models::StoredTensor> cut = {{"norm.bias", {DataType::f32, {2}}}};
  const std::vector<models::ParameterSpec> here = {{"head.weight", {5, 2}, {}}, {"norm.bias", {2}, {}}};
  const std::vector<std::string> lines =
      weight_table(cut, here, {Fit::fresh, Fit::as_stored}, TableRows::changed);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1], "  head.weight  -       [5, 2]  not there, begins anew");
}

TEST(WeightTable, IsEmptyWhereNothingChanged) {
  const std::vector<Fit> fit(3, Fit::as_stored);
  EXPECT_TRUE(weight_table(kStored, kHere, fit, TableRows::changed).empty());
}

TEST(WeightTable, SaysWhichHeadWasTakenByName) {
  const auto lines =
      weight_table(kStored, kHere, {Fit::as_stored, Fit::selected, Fit::as_stored}, TableRows::changed);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[1].ends_with("rows by name")) << lines[1];
}

}  // namespace
}  // namespace vitrail::trainer
