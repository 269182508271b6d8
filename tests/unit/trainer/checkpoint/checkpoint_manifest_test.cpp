// Manifests as written, as damaged by chance, and as forged: with wrong entries under a hash that fits.
#include "trainer/checkpoint/checkpoint_manifest.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/unit/trainer/checkpoint/checkpoint_fixture.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::trainer {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

class Manifest : public CheckpointTest {
 protected:
  Manifest() : folder_(save<float>(2, {.samples = 10})), text_(read_text(folder_ / "manifest.json")) {}

  void write(const std::string& text) const { std::ofstream(folder_ / "manifest.json") << text; }

  void write_forged(Json json) const {
    json.erase("manifest_xxh3_128");
    json["manifest_xxh3_128"] = hash_text(json.dump()).hex();
    write(json.dump());
  }

  // What a program meets that trusts the manifest: everything is refused as bad data, or works.
  void expect_refused_or_usable(const std::string& what) const {
    try {
      const CheckpointReader checkpoint(folder_);
      checkpoint.verify();
      state_hash(checkpoint, StatePart::all);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_data) << what << ": " << e.what();
    }
  }

  fs::path folder_;
  std::string text_;
};

TEST_F(Manifest, RoundTrip) {
  const CheckpointManifest m = read_checkpoint_manifest(folder_);
  EXPECT_EQ(to_json(m), text_);
  EXPECT_EQ(m.state.step, 4);
  EXPECT_EQ(m.state.optimizer_steps, 3);
  EXPECT_EQ(m.state.evaluated_step, 2);
  EXPECT_EQ(m.state.metrics_bytes, 1234U);
  EXPECT_EQ(m.state.loss_scale, (sharding::LossScale{.scale = 512, .good_steps = 4, .skipped = 1}));
  EXPECT_EQ(m.state.damaged, (datasets::DamageLedger{{7, "shard 1: record 2"}, {11, "a \"key\""}}));
  EXPECT_EQ(m.state.skipped_batches, (std::vector<SkippedBatches>{{2, 5}, {3, 1}}));
  EXPECT_EQ(m.state.next_batch(), 4 + 5 + 1);
  EXPECT_EQ(m.state.best, (BestEvaluation{87.5, 2}));
  EXPECT_EQ(m.lanes, 4);
  EXPECT_EQ(m.world, 2);
  EXPECT_EQ(m.type, DataType::f32);
  EXPECT_EQ(m.settings.at("run.name"), "a \"quoted\" \xc3\xa9");
  EXPECT_EQ(m.parameters, stored_parameters());
  ASSERT_EQ(m.files.size(), 2U);
  EXPECT_EQ(m.files[1].name, "rank-00001-of-00002.h5");
  EXPECT_EQ(m.files[1].bytes, fs::file_size(folder_ / m.files[1].name));
  EXPECT_EQ(m.files[1].lanes.front().lane, 2);
  EXPECT_EQ(to_json(stored_file_from_json(to_json(m.files[1]))), to_json(m.files[1]));
}

TEST_F(Manifest, AChangedByteIsFoundOrHarmless) {
  Philox random(8, Purpose::test, 0, 0);
  int found = 0;
  for (int trial = 0; trial < 500; ++trial) {
    std::string text = text_;
    const auto at = static_cast<std::size_t>(random.below(text.size()));
    text[at] = static_cast<char>(random.below(256));
    write(text);
    const std::string told = refusal([&] { EXPECT_EQ(to_json(read_checkpoint_manifest(folder_)), text_); });
    if (told.empty()) continue;
    ++found;
    EXPECT_THAT(told, testing::StartsWith("65 " + (folder_ / "manifest.json").string()));
  }
  EXPECT_GT(found, 400);  // the rest hit white space or put the same byte
}

TEST_F(Manifest, AnyBeginningOfItIsRefused) {
  for (std::size_t length = 0; length + 2 < text_.size(); length += 1 + length / 20) {
    write(text_.substr(0, length));
    EXPECT_THAT(refusal([&] { read_checkpoint_manifest(folder_); }), HasSubstr("it is not JSON")) << length;
  }
}

TEST_F(Manifest, ForgedEntriesDoNoHarm) {
  const Json good = Json::parse(text_);
  write_forged(good);
  EXPECT_EQ(refusal([&] { read_checkpoint_manifest(folder_); }), "");
  const std::vector<Json> wrong = {
      nullptr, true, "x", "", "../x", Json::array(),         Json::object(),
      -1,      0,    1,   3,  1e300,  std::int64_t{1} << 62, std::numeric_limits<std::uint64_t>::max()};
  const Json leaves = good.flatten();
  for (const auto& [pointer, unused] : leaves.items()) {
    for (const Json& replacement : wrong) {
      Json json = good;
      json[Json::json_pointer(pointer)] = replacement;
      write_forged(json);
      expect_refused_or_usable(pointer + " = " + replacement.dump());
    }
  }
}

TEST_F(Manifest, ForgedStructuresDoNoHarm) {
  const Json good = Json::parse(text_);
  for (const auto& [key, unused] : good.items()) {
    Json json = good;
    json.erase(key);
    write_forged(json);
    expect_refused_or_usable("without " + key);
  }
  Json huge = good;  // 128 parameters of 2^57 elements each: their sum does not fit into 64 bits
  for (int i = 0; i < 128; ++i) {
    const auto parameter = huge["parameters"].size();
    huge["parameters"].push_back({{"name", fmt::format("huge{}", i)}, {"shape", {std::int64_t{1} << 57}}});
    huge["files"][0]["lanes"][0]["runs"].push_back({parameter, 0, std::int64_t{1} << 57});
  }
  write_forged(huge);
  EXPECT_THAT(refusal([&] { read_checkpoint_manifest(folder_); }), HasSubstr("lane 0 holds more than"));
  for (const char* whole : {"[]", "3", "null", "\"x\"", "{}"}) {
    write(whole);
    expect_refused_or_usable(whole);
  }
}

// Passed over as damaged, a whole checkpoint would be put aside.
TEST_F(Manifest, WhatCannotBeLookedAtIsNotDamaged) {
  const auto path = folder_ / std::string(5000, 'x');  // longer than the system takes
  EXPECT_THAT(refusal([&] { read_checkpoint_manifest(path); }), testing::StartsWith("74 cannot look at"));
}

TEST_F(Manifest, OtherFormatsAndVersionsAreNamed) {
  Json json = Json::parse(text_);
  json["version"] = 2;
  write_forged(json);
  EXPECT_THAT(refusal([&] { read_checkpoint_manifest(folder_); }),
              HasSubstr("format version 2, this program reads version 1"));
  json["format"] = "vitrail-pack";
  write_forged(json);
  EXPECT_THAT(refusal([&] { read_checkpoint_manifest(folder_); }),
              HasSubstr("it is not a checkpoint's manifest"));
}

}  // namespace
}  // namespace vitrail::trainer
