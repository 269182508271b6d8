// A scratch folder, and states with known values to save there from worlds of any size: element i of
// parameter p of a kind is state_value(...), whatever lane and rank hold it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "sharding/device/host_device.hpp"
#include "tests/support/thread_world.hpp"
#include "trainer/base/philox.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/checkpoint/checkpoint_writer.hpp"

namespace vitrail::trainer {

namespace fs = std::filesystem;

// Not in the order of their names; some span lanes, some lanes of the first bucket hold padding only.
inline std::vector<StoredParameter> stored_parameters() {
  return {{"patch.weight", {40, 25}},
          {"cls_token", {1, 1, 48}},
          {"blocks.0.weight", {60, 60}},
          {"blocks.0.bias", {100}}};
}

inline sharding::BucketPlan plan_of(std::int64_t lanes, std::int64_t bucket_elements = 2000) {
  std::vector<sharding::ParameterShape> shapes;
  for (const StoredParameter& p : stored_parameters())
    shapes.push_back({p.name, p.elements(), p.shape.size() == 2});
  return make_bucket_plan(shapes, lanes, bucket_elements);
}

template <class Real>
Real state_value(sharding::StateKind kind, std::size_t parameter, std::int64_t i) {
  Philox random(5, Purpose::test, static_cast<std::uint64_t>(kind), parameter);
  random.seek(static_cast<std::uint64_t>(4 * i));
  return static_cast<Real>(random.normal());
}

// Calls f(kind, piece, Real* values) for all pieces that the state owns.
template <class Real, class F>
void for_each_piece(sharding::LaneState& state, F&& f) {
  for (const sharding::Piece& piece : state.plan().pieces) {
    if (!state.owns(piece)) continue;
    for (const sharding::StateKind kind : state.kinds()) {
      f(kind, piece, reinterpret_cast<Real*>(state.piece(kind, piece)));
    }
  }
}

template <class Real>
void fill(sharding::LaneState& state) {
  for_each_piece<Real>(state, [](auto kind, const sharding::Piece& piece, Real* values) {
    for (std::int64_t i = 0; i < piece.elements; ++i) {
      values[i] = state_value<Real>(kind, piece.parameter, piece.in_parameter + i);
    }
  });
}

// Number k of sample s is 3 s + k.
template <class Real>
void fill_rows(sharding::SampleRows& rows) {
  for (std::int64_t lane = 0; lane < rows.shape().lanes; ++lane) {
    std::vector<Real> values;
    for (std::int64_t sample = lane; sample < rows.shape().samples; sample += rows.shape().lanes) {
      for (std::int64_t k = 0; k < 3; ++k) values.push_back(static_cast<Real>(3 * sample + k));
    }
    rows.write(lane, std::as_bytes(std::span(values)).data());
  }
}

inline CheckpointManifest manifest_of(std::int64_t step, std::int64_t lanes, int world, DataType type) {
  CheckpointManifest manifest;
  manifest.state = {step,
                    step - 1,
                    step / 2,
                    1234,
                    {.scale = 512, .good_steps = step, .skipped = 1},
                    {{7, "shard 1: record 2"}, {11, "a \"key\""}},
                    {{2, 5}, {3, 1}},
                    BestEvaluation{87.5, 2},
                    {}};
  manifest.lanes = lanes;
  manifest.world = world;
  manifest.type = type;
  manifest.data_fingerprint = "00112233445566778899aabbccddeeff";
  manifest.machine = "AVX2";
  manifest.writer = "job7-0";
  manifest.settings = {
      {"run.lanes", std::to_string(lanes)}, {"run.name", "a \"quoted\" \xc3\xa9"}, {"data.val", ""}};
  manifest.parameters = stored_parameters();
  return manifest;
}

// The folder of one test; `checkpoints_` does not exist before the first save.
class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() { fs::create_directories(dir_); }
  ~CheckpointTest() override { fs::remove_all(dir_); }

  struct Save {
    std::int64_t step = 4;
    std::int64_t lanes = 4;
    std::int64_t keep_last = 100;
    std::int64_t bucket_elements = 2000;
    std::int64_t samples = 0;  // of which three numbers are remembered; 0: nothing
  };

  // Saves the known state from `world` ranks; `change` may alter it first.
  template <class Real>
  fs::path save(int world, const Save& how,
                const std::function<void(sharding::LaneState&)>& change = {}) const {
    const DataType type = sizeof(Real) == 8 ? DataType::f64 : DataType::f32;
    const sharding::BucketPlan plan = plan_of(how.lanes, how.bucket_elements);
    tests::run_world(world, [&](sharding::Communicator& communicator) {
      sharding::HostDevice host;
      sharding::LaneState state(plan, sharding::lanes_of_rank(how.lanes, world, communicator.rank()), type,
                                host);
      fill<Real>(state);
      if (change) change(state);
      std::optional<sharding::SampleRows> rows;
      if (how.samples > 0)
        fill_rows<Real>(rows.emplace(sharding::RowsShape{how.samples, 3, how.lanes}, type, host));
      save_checkpoint(checkpoints_, {.last = how.keep_last}, manifest_of(how.step, how.lanes, world, type),
                      state, communicator, rows ? &*rows : nullptr);
    });
    return checkpoints_ / checkpoint_name(how.step);
  }

  fs::path dir_ = fs::path(testing::TempDir()) / fmt::format("vitrail_checkpoint_{}", ::getpid());
  fs::path checkpoints_ = dir_ / "checkpoints";
};

// The code and words of the Error that f ends with; empty where it ends well.
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return fmt::format("{} {}", static_cast<int>(e.code()), e.what());
  }
  return "";
}

}  // namespace vitrail::trainer
