// Checkpoints of a known state: written from worlds of one size, read by worlds of another, and damaged.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <future>

#include <gmock/gmock.h>

#include "datasets/pack/hdf5_handles.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "tests/unit/trainer/checkpoint/checkpoint_fixture.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/weights/export_weights.hpp"

namespace vitrail::trainer {
namespace {

using sharding::StateKind;
using testing::HasSubstr;
using testing::StartsWith;

// What a restore does on every rank of a world, and whether all of it is the known state to the bit.
template <class Real>
void expect_known_state(const fs::path& folder, std::int64_t lanes, int world) {
  const CheckpointReader checkpoint(folder);
  const sharding::BucketPlan plan = plan_of(lanes, 500);
  for (int rank = 0; rank < world; ++rank) {
    sharding::HostDevice host;
    sharding::LaneState state(plan, sharding::lanes_of_rank(lanes, world, rank), checkpoint.manifest().type,
                              host);
    for_each_piece<Real>(state, [&](StateKind kind, const sharding::Piece& piece, Real* values) {
      const auto n = static_cast<std::size_t>(piece.elements);
      checkpoint.read(kind, piece.parameter, piece.in_parameter,
                      std::as_writable_bytes(std::span(values, n)));
      for (std::size_t i = 0; i < n; ++i) {
        const auto element = piece.in_parameter + static_cast<std::int64_t>(i);
        ASSERT_EQ(values[i], state_value<Real>(kind, piece.parameter, element));
      }
    });
  }
}

TEST_F(CheckpointTest, AnyWorldReadsWhatAnyOtherWrote) {
  for (const int writers : {1, 2, 3, 4}) {
    const fs::path folder = save<float>(writers, {.step = writers});
    EXPECT_EQ(CheckpointReader(folder).manifest().files.size(), static_cast<std::size_t>(writers));
    for (const int readers : {1, 2, 3, 4}) expect_known_state<float>(folder, 4, readers);
    expect_known_state<float>(folder, 8, 5);  // lanes do not matter either
  }
}

TEST_F(CheckpointTest, DoublesStayDoubles) {
  const fs::path folder = save<double>(3, {});
  expect_known_state<double>(folder, 4, 2);
  const CheckpointReader checkpoint(folder);
  EXPECT_EQ(checkpoint.read_all<double>(StateKind::exp_avg, 2)[3599],
            state_value<double>(StateKind::exp_avg, 2, 3599));
  EXPECT_EQ(checkpoint.read_all<float>(StateKind::exp_avg, 2)[3599],
            static_cast<float>(state_value<double>(StateKind::exp_avg, 2, 3599)));
}

TEST_F(CheckpointTest, MoreLanesThanElementsOfABucket) {
  const fs::path folder = save<float>(5, {.lanes = 32});
  expect_known_state<float>(folder, 1, 1);
}

// The hash of its definition: weights in the order of names, then each parameter's two moments.
std::string hash_of_known_state(StatePart part) {
  const std::vector<std::size_t> by_name = {3, 2, 1, 0};
  std::vector<float> values;
  const auto add = [&](StateKind kind, std::size_t parameter) {
    for (std::int64_t i = 0; i < stored_parameters()[parameter].elements(); ++i) {
      values.push_back(state_value<float>(kind, parameter, i));
    }
  };
  for (const std::size_t p : by_name) {
    if (part != StatePart::optimizer) add(StateKind::weight, p);
  }
  for (const std::size_t p : by_name) {
    if (part == StatePart::weights) break;
    add(StateKind::exp_avg, p);
    add(StateKind::exp_avg_sq, p);
  }
  return hash_bytes(std::as_bytes(std::span(values))).hex();
}

TEST_F(CheckpointTest, HashIsOfTheStateAlone) {
  for (const StatePart part : {StatePart::weights, StatePart::optimizer, StatePart::all}) {
    const std::string expected = hash_of_known_state(part);
    for (const int world : {1, 3}) {
      for (const std::int64_t lanes : {4, 16}) {
        const CheckpointReader checkpoint(
            save<float>(world, {.lanes = lanes, .bucket_elements = 300 * world}));
        EXPECT_EQ(state_hash(checkpoint, part), expected) << world << " ranks, " << lanes << " lanes";
      }
    }
  }
}

TEST_F(CheckpointTest, OneBitOfAMomentChangesTheHashOfItsPart) {
  const CheckpointReader checkpoint(save<float>(2, {}, [](sharding::LaneState& state) {
    for_each_piece<float>(state, [](StateKind kind, const sharding::Piece& piece, float* values) {
      if (kind == StateKind::exp_avg_sq && piece.parameter == 1 && piece.in_parameter == 0) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, values, sizeof bits);
        bits ^= 1;
        std::memcpy(values, &bits, sizeof bits);
      }
    });
  }));
  EXPECT_EQ(state_hash(checkpoint, StatePart::weights), hash_of_known_state(StatePart::weights));
  EXPECT_NE(state_hash(checkpoint, StatePart::optimizer), hash_of_known_state(StatePart::optimizer));
  EXPECT_NE(state_hash(checkpoint, StatePart::all), hash_of_known_state(StatePart::all));
}

TEST_F(CheckpointTest, SameStateSameBytes) {
  const fs::path first = save<float>(2, {.step = 1}), second = save<float>(2, {.step = 2});
  for (const char* file : {"rank-00000-of-00002.h5", "rank-00001-of-00002.h5"}) {
    EXPECT_EQ(read_text(first / file), read_text(second / file)) << file;
  }
}

TEST_F(CheckpointTest, Hdf5SeesTheSameState) {
  const CheckpointReader checkpoint(save<float>(2, {}));
  for (const StoredFile& file : checkpoint.manifest().files) {
    const auto h5 = datasets::H5File::open(checkpoint.folder() / file.name);
    ASSERT_EQ(h5.array("parameters").shape, std::vector<std::uint64_t>{4});
    std::string name(h5.array("parameters").type.bytes(), '\0');
    h5.read("parameters", 2, 1, std::as_writable_bytes(std::span(name)));
    EXPECT_STREQ(name.c_str(), "blocks.0.weight");
    for (const StoredLane& lane : file.lanes) {
      const std::string group = fmt::format("lane-{:05}/", lane.lane);
      std::vector<std::uint64_t> runs(3 * lane.runs.size());
      h5.read(group + "runs", 0, lane.runs.size(), std::as_writable_bytes(std::span(runs)));
      for (const StateKind kind : sharding::state_kinds(sharding::OptimizerName::adamw, false)) {
        const auto array = h5.array(group + name_of(kind));
        EXPECT_EQ(array.address, lane.address.at(name_of(kind)));
        std::vector<float> values(array.elements());
        h5.read(group + name_of(kind), 0, array.elements(), std::as_writable_bytes(std::span(values)));
        std::size_t at = 0;
        for (std::size_t r = 0; r < lane.runs.size(); ++r) {
          const std::uint64_t parameter = runs[3 * r], begin = runs[3 * r + 1], count = runs[3 * r + 2];
          for (std::uint64_t i = 0; i < count; ++i, ++at) {
            ASSERT_EQ(values.at(at),
                      state_value<float>(kind, parameter, static_cast<std::int64_t>(begin + i)));
          }
        }
        EXPECT_EQ(at, values.size());
      }
    }
  }
}

TEST_F(CheckpointTest, ExportedWeightsAreThoseSaved) {
  const auto check = [&](const CheckpointReader& checkpoint, auto real, DataType type) {
    using Real = decltype(real);
    export_weights(checkpoint, WeightsUsed::raw, dir_ / "a.safetensors");
    const SafetensorsReader file(dir_ / "a.safetensors");
    EXPECT_EQ(file.tensors().size(), stored_parameters().size());
    EXPECT_EQ(file.metadata().at("step"), "4");
    for (std::size_t p = 0; p < stored_parameters().size(); ++p) {
      const auto [name, shape] = stored_parameters()[p];
      EXPECT_EQ(file.info(name).shape, shape);
      EXPECT_EQ(file.info(name).type, type);
      std::vector<Real> values(static_cast<std::size_t>(stored_parameters()[p].elements()));
      file.read(name, std::as_writable_bytes(std::span(values)));
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(values[i], state_value<Real>(StateKind::weight, p, static_cast<std::int64_t>(i)));
      }
    }
  };
  check(CheckpointReader(save<float>(3, {})), float{}, DataType::f32);
  check(CheckpointReader(save<double>(2, {})), double{}, DataType::f64);
}

// Damage.

void flip_byte(const fs::path& file, std::uint64_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const int byte = stream.get();
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(static_cast<char>(byte ^ 0x10));
}

TEST_F(CheckpointTest, AFlippedByteAnywhereIsFound) {
  const CheckpointReader checkpoint(save<float>(2, {}));
  EXPECT_EQ(refusal([&] { checkpoint.verify(); }), "");
  for (std::size_t f = 0; f < checkpoint.manifest().files.size(); ++f) {
    const StoredFile& stored = checkpoint.manifest().files[f];
    const fs::path file = checkpoint.folder() / stored.name;
    for (std::uint64_t at = 0; at < stored.bytes; at += at + 211 < stored.bytes ? 211 : 1) {
      flip_byte(file, at);
      const std::string found = refusal([&] { checkpoint.verify_file(f); });
      ASSERT_EQ(found, fmt::format("65 {}: its bytes are not those that were written (XXH3-128 differs)",
                                   file.string()));
      EXPECT_EQ(refusal([&] { checkpoint.verify_file(1 - f); }), "") << "the other file is good";
      flip_byte(file, at);
    }
  }
  EXPECT_EQ(refusal([&] { checkpoint.verify(); }), "");
}

TEST_F(CheckpointTest, FilesOfAnotherLengthAreNamed) {
  const fs::path folder = save<float>(2, {});
  const fs::path file = folder / "rank-00001-of-00002.h5";
  const auto size = fs::file_size(file);
  const auto verify = [&] { CheckpointReader(folder).verify(); };
  for (const auto wrong : {size - 1, size + 1, std::uintmax_t{0}}) {
    fs::resize_file(file, wrong);
    EXPECT_EQ(refusal(verify), fmt::format("65 {}: {} bytes instead of {}", file.string(), wrong, size));
  }
  fs::remove(file);
  EXPECT_THAT(refusal(verify), StartsWith("65 cannot open: " + file.string()));
}

TEST_F(CheckpointTest, ElementsThatAreMissingOrTwiceAreFound) {
  const fs::path folder = save<float>(2, {});
  CheckpointManifest manifest = read_checkpoint_manifest(folder);
  const auto told = [&](const CheckpointManifest& wrong) {
    write_text_atomically(folder / "manifest.json", to_json(wrong));
    return refusal([&] { CheckpointReader reader(folder); });
  };
  EXPECT_EQ(told(manifest), "");
  CheckpointManifest wrong = manifest;
  wrong.files[0].lanes[0].runs.pop_back();
  EXPECT_THAT(told(wrong), HasSubstr("is not there completely and once"));
  wrong = manifest;
  wrong.files.pop_back();
  EXPECT_THAT(told(wrong), HasSubstr("is not there completely and once"));
  wrong = manifest;
  wrong.files[1].lanes.push_back(manifest.files[1].lanes[0]);
  EXPECT_THAT(told(wrong), HasSubstr("is not there completely and once"));
  wrong = manifest;
  wrong.files[0].lanes[0].address.erase("exp_avg");
  EXPECT_EQ(told(wrong), fmt::format("65 {}: lane 0 has no exp_avg", folder.string()));
}

// Failing to save.

TEST_F(CheckpointTest, AFailedSaveLeavesTheEarlierOnesAndIsToldAlikeOnAllRanks) {
  const fs::path good = save<float>(2, {.step = 4});
  const fs::path temporary = checkpoints_ / "step-00000008.tmp-job7-0";
  for (const char* obstacle : {"rank-00001-of-00002.h5", "manifest.json"}) {
    fs::create_directories(temporary / obstacle / "x");  // a folder where a file should be
    const std::string told = refusal([&] { save<float>(2, {.step = 8}); });
    EXPECT_THAT(told, StartsWith("74 cannot ")) << obstacle;
    EXPECT_THAT(told, HasSubstr((temporary / obstacle).string()));
    EXPECT_EQ(list_checkpoints(checkpoints_), std::vector{good});
    EXPECT_EQ(fs::read_symlink(checkpoints_ / "latest"), good.filename());
    EXPECT_EQ(refusal([&] { CheckpointReader(good).verify(); }), "");
    fs::remove_all(temporary / obstacle);
  }
  const fs::path next = save<float>(2, {.step = 8});
  EXPECT_EQ(list_checkpoints(checkpoints_), (std::vector{next, good}));
  EXPECT_FALSE(fs::exists(temporary));
}

TEST_F(CheckpointTest, EveryRankHearsOfTheFailureOfOne) {
  fs::create_directories(checkpoints_ / "step-00000008.tmp-job7-0" / "rank-00002-of-00003.h5");
  const sharding::BucketPlan plan = plan_of(4);
  std::vector<std::string> told(3);
  tests::run_world(3, [&](sharding::Communicator& communicator) {
    sharding::HostDevice host;
    sharding::LaneState state(plan, sharding::lanes_of_rank(4, 3, communicator.rank()), DataType::f32, host);
    told[static_cast<std::size_t>(communicator.rank())] = refusal(
        [&] { save_checkpoint(checkpoints_, {}, manifest_of(8, 4, 3, DataType::f32), state, communicator); });
  });
  EXPECT_THAT(told[0], HasSubstr("rank-00002-of-00003.h5: Is a directory"));
  EXPECT_EQ(told[1], told[0]);
  EXPECT_EQ(told[2], told[0]);
}

// A world of one rank with the known state and a writer of its checkpoints.
struct Writing {
  Writing(const fs::path& checkpoints, CheckpointWriter::BeforeCommit before_commit = {}, KeepRule keep = {})
      : writer(checkpoints, keep, stored_parameters(), state, state.lanes(), TaskState(), alone,
               std::move(before_commit)) {
    fill<float>(state);
  }
  void begin(std::int64_t step) { writer.begin(manifest_of(step, 4, 1, DataType::f32)); }

  sharding::BucketPlan plan = plan_of(4);
  sharding::HostDevice host;
  sharding::LaneState state{plan, {0, 4}, DataType::f32, host};
  sharding::LocalCommunicator alone;
  CheckpointWriter writer;
};

using Outcome = CheckpointWriter::Outcome;

TEST_F(CheckpointTest, HoldsTheStateOfItsStepHoweverTrainingGoesOn) {
  Writing w(checkpoints_);
  w.begin(4);
  for_each_piece<float>(w.state, [](StateKind, const sharding::Piece& piece, float* values) {
    std::fill_n(values, piece.elements, -1.0F);
  });
  EXPECT_EQ(w.writer.finish(), Outcome::committed);
  expect_known_state<float>(checkpoints_ / "step-00000004", 4, 2);
  EXPECT_EQ(fs::read_symlink(checkpoints_ / "latest"), "step-00000004");
}

TEST_F(CheckpointTest, IsThereOnlyOnceItIsCommitted) {
  std::promise<void> may_commit;
  auto allowed = may_commit.get_future().share();
  Writing w(checkpoints_, [allowed](const CheckpointManifest&) { allowed.wait(); });
  EXPECT_FALSE(w.writer.busy());
  w.begin(4);
  EXPECT_TRUE(w.writer.busy());
  EXPECT_EQ(w.writer.advance(), Outcome::under_way);
  EXPECT_FALSE(w.writer.checkpoint_written());
  EXPECT_TRUE(list_checkpoints(checkpoints_).empty());
  may_commit.set_value();
  EXPECT_EQ(w.writer.advance(), Outcome::committed);
  EXPECT_FALSE(w.writer.busy());
  EXPECT_EQ(list_checkpoints(checkpoints_).size(), 1U);
}

TEST_F(CheckpointTest, AfterAFailureTheNextOneIsWhole) {
  bool refuse = true;
  Writing w(checkpoints_, [&](const CheckpointManifest&) {
    if (refuse) throw Error(ExitCode::io, "the disk is full");
  });
  w.begin(4);
  EXPECT_EQ(w.writer.finish(), Outcome::failed);
  EXPECT_THAT(w.writer.failure().what(), HasSubstr("the disk is full"));
  EXPECT_TRUE(fs::is_empty(checkpoints_)) << "no trace";
  refuse = false;
  w.begin(5);
  EXPECT_EQ(w.writer.finish(), Outcome::committed);
  expect_known_state<float>(checkpoints_ / "step-00000005", 4, 1);
}

TEST_F(CheckpointTest, TheBestOneStays) {
  Writing w(checkpoints_);
  for (const std::int64_t step : {1, 2, 3, 4, 5}) {
    CheckpointManifest manifest = manifest_of(step, 4, 1, DataType::f32);
    manifest.state.best = {90.0, std::min<std::int64_t>(step, 2)};  // later ones were not better
    w.writer.begin(manifest);
    ASSERT_EQ(w.writer.finish(), Outcome::committed);
  }
  EXPECT_EQ(fs::read_symlink(checkpoints_ / "best"), "step-00000002");
  EXPECT_EQ(list_checkpoints(checkpoints_),
            (std::vector{checkpoints_ / "step-00000005", checkpoints_ / "step-00000004",
                         checkpoints_ / "step-00000002"}));
}

// Written by the first release of the format: `vitrail launch -n 2` with the config.cfg that lies beside it.
TEST(StoredCheckpoint, OfVersion1StaysReadable) {
  const fs::path folder = fs::path(VITRAIL_FIXTURES) / "checkpoint_v1" / "checkpoints" / "step-00000006";
  const CheckpointReader checkpoint(folder);
  checkpoint.verify();
  EXPECT_EQ(checkpoint.manifest().state.step, 6);
  EXPECT_EQ(checkpoint.manifest().world, 2);
  EXPECT_TRUE(checkpoint.manifest().state.skipped_batches.empty());
  EXPECT_FALSE(checkpoint.manifest().state.best.has_value());
  std::string expected;
  std::ifstream(folder.parent_path().parent_path() / "state_hash") >> expected;
  EXPECT_EQ(state_hash(checkpoint, StatePart::all), expected);
}

TEST_F(CheckpointTest, AFolderThatCannotBeMade) {
  checkpoints_ = dir_ / "file" / "checkpoints";
  std::ofstream(dir_ / "file") << "x";
  EXPECT_THAT(refusal([&] { save<float>(2, {}); }), StartsWith("74 cannot create folder: "));
}

TEST_F(CheckpointTest, SavingAStepAgainReplacesIt) {
  save<float>(2, {.step = 4}, [](sharding::LaneState& state) {
    for_each_piece<float>(state, [](StateKind, const sharding::Piece&, float* values) { values[0] = 0; });
  });
  const fs::path folder = save<float>(3, {.step = 4});
  EXPECT_EQ(list_checkpoints(checkpoints_), std::vector{folder});
  EXPECT_EQ(state_hash(CheckpointReader(folder), StatePart::all), hash_of_known_state(StatePart::all));
}

TEST_F(CheckpointTest, OldOnesGoAndLeftoversWithThem) {
  fs::create_directories(checkpoints_ / "step-00000003.tmp-job6-0");
  for (const std::int64_t step : {4, 8, 12, 16}) save<float>(1, {.step = step, .keep_last = 2});
  EXPECT_EQ(list_checkpoints(checkpoints_),
            (std::vector{checkpoints_ / "step-00000016", checkpoints_ / "step-00000012"}));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(checkpoints_)) names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::UnorderedElementsAre("step-00000016", "step-00000012", "latest"));
  EXPECT_EQ(find_checkpoint(dir_), checkpoints_ / "step-00000016");
}

}  // namespace
}  // namespace vitrail::trainer
