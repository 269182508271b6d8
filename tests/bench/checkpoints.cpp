// What a checkpoint costs: the state of ViT-B with AdamW (86.6 M parameters, 12 bytes each) on one rank.
//   bench_checkpoints SCRATCH_FOLDER [ROUNDS]
// Training waits for the copy alone. Writing is compared, in turns, with one plain write of the same bytes
// to a new file and an fsync; both keep two and remove the one before. Verifying reads from the page cache.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "models/families/catalogue.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "sharding/device/host_device.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/checkpoint/checkpoint_writer.hpp"
#include "trainer/weights/param_groups.hpp"

namespace vitrail::tests {
namespace {

namespace fs = std::filesystem;

template <class Function>
double seconds_of(const Function& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void write_plainly(const fs::path& path, const std::vector<std::byte>& bytes) {
  File file(path, File::Mode::create);
  file.write(bytes);
  file.sync();
  file.close();
}

int run(const fs::path& scratch, int rounds) {
  models::ModelConfig model;
  model.name = "vit_b16";
  const auto specs = models::parameters_of(model);
  const sharding::BucketPlan plan =
      make_bucket_plan(trainer::shapes_for_plan(specs), 8, std::int64_t{8} << 20);
  sharding::HostDevice host;
  sharding::LaneState state(plan, {0, 8}, DataType::f32, host,
                            sharding::state_kinds(sharding::OptimizerName::adamw, false));
  sharding::LocalCommunicator alone;
  trainer::CheckpointWriter writer(scratch / "checkpoints", {}, trainer::stored_parameters(specs), state,
                                   state.lanes(), {}, alone);
  const std::vector<std::byte> plain(writer.bytes(), std::byte{1});
  const double gigabytes = static_cast<double>(writer.bytes()) / 1e9;

  const auto plain_file = [&](int round) { return scratch / fmt::format("plain-{}", round); };

  std::vector<double> copies, saves, writes, verifies;
  for (int round = 0; round < rounds; ++round) {
    trainer::CheckpointManifest manifest;
    manifest.state.step = round + 1;
    manifest.lanes = 8;
    manifest.writer = "bench";
    double copy = 0;
    saves.push_back(seconds_of([&] {
                      copy = seconds_of([&] { writer.begin(manifest); });
                      if (writer.finish() != trainer::CheckpointWriter::Outcome::committed)
                        throw Error(writer.failure());
                    }) -
                    copy);
    copies.push_back(copy);
    writes.push_back(seconds_of([&] {
      write_plainly(plain_file(round), plain);
      fs::remove(plain_file(round - 2));
    }));
    const trainer::CheckpointReader reader(writer.checkpoint());
    verifies.push_back(seconds_of([&] { reader.verify(); }));
  }
  fs::remove_all(scratch / "checkpoints");
  for (int round = rounds - 2; round < rounds; ++round) fs::remove(plain_file(round));
  fmt::print("state of {:.2f} GB on one rank, medians of {} rounds\n", gigabytes, rounds);
  fmt::print("copy, which a step waits for  {:6.3f} s  {:5.2f} GB/s\n", median(copies),
             gigabytes / median(copies));
  fmt::print("write and commit              {:6.3f} s  {:5.2f} GB/s\n", median(saves),
             gigabytes / median(saves));
  fmt::print("plain write and fsync         {:6.3f} s  {:5.2f} GB/s  ratio {:.2f}\n", median(writes),
             gigabytes / median(writes), median(writes) / median(saves));
  fmt::print("verify                        {:6.3f} s  {:5.2f} GB/s\n", median(verifies),
             gigabytes / median(verifies));
  return 0;
}

}  // namespace
}  // namespace vitrail::tests

int main(int count, char** words) {
  if (count < 2) {
    fmt::print(stderr, "bench_checkpoints SCRATCH_FOLDER [ROUNDS]\n");
    return 2;
  }
  return vitrail::tests::run(words[1], count > 2 ? std::atoi(words[2]) : 5);
}
