#include "trainer/weights/weights_origin.hpp"

#include <gmock/gmock.h>

#include "tests/unit/trainer/checkpoint/checkpoint_fixture.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/checkpoint/finished_run.hpp"
#include "trainer/weights/export_weights.hpp"

namespace vitrail::trainer {
namespace {

class Origin : public CheckpointTest {
 protected:
  fs::path of_run(std::int64_t planned, const char* fingerprint = "abc") const {
    CheckpointManifest manifest;
    manifest.state.step = 20;
    manifest.planned_steps = planned;
    manifest.data_fingerprint = fingerprint;
    const fs::path folder = run_ / "checkpoints" / "step-00000020";
    fs::create_directories(folder);
    write_text_atomically(folder / "manifest.json", to_json(manifest));
    return folder;
  }

  const fs::path run_ = dir_ / "run";
};

TEST_F(Origin, ARunThatIsNotFinishedIsCalledSo) {
  const fs::path at = of_run(5000);
  EXPECT_EQ(unfinished_note(at), at.string() + ": unfinished: step 20 of 5000");
  EXPECT_EQ(unfinished_note(of_run(0)), "") << "an earlier build did not say how long it was to be";
  EXPECT_EQ(unfinished_note(of_run(20)), "");
  EXPECT_EQ(unfinished_note(of_run(5000, "")), "") << "imported: no run";
  write_finished({run_}, {.step = 5000, .launch = "", .writer = "test"});
  EXPECT_EQ(unfinished_note(of_run(5000)), "") << "an earlier checkpoint of a finished run";
}

// One hash for a checkpoint, the file that is exported from it, and `vitrail checkpoint hash`.
TEST_F(Origin, AFileHasTheHashOfItsCheckpoint) {
  const fs::path checkpoint = save<float>(2, {});
  const std::string file = (dir_ / "w.safetensors").string();
  export_weights(CheckpointReader(checkpoint), WeightsUsed::raw, file);
  Config config;
  config.model.weights = file;
  const WeightsOrigin of_file = weights_origin(config, ""),
                      of_run = weights_origin(config, checkpoint.string());
  EXPECT_EQ(of_file.path, file);
  EXPECT_FALSE(of_file.progress.has_value());
  EXPECT_EQ(of_run.path, checkpoint.string());
  EXPECT_EQ(of_run.hash, of_file.hash);
  EXPECT_EQ(of_run.hash, state_hash(CheckpointReader(checkpoint), StatePart::weights));
  EXPECT_EQ(of_run.progress->step, 4);
}

TEST_F(Origin, LinksAreFollowedToTheStepTheyMean) {
  const fs::path checkpoint = save<float>(2, {});
  point_to(checkpoint, "latest");
  EXPECT_EQ(resolved_checkpoint((checkpoint.parent_path() / "latest").string()), checkpoint.string());
  EXPECT_EQ(resolved_checkpoint(checkpoint.string()), checkpoint.string());
  EXPECT_EQ(resolved_checkpoint(""), "");
}

TEST_F(Origin, WordsAndMetadata) {
  UsedRecord used{{"runs/a/checkpoints/step-00000020", WeightsUsed::ema, RunProgress{20, 5000}, "abc"},
                  "packs/val",
                  "def",
                  "2026-11-29T02:19:01Z"};
  EXPECT_EQ(describe(used),
            "weights runs/a/checkpoints/step-00000020 (their average), step 20 of 5000, hash abc; "
            "data packs/val (def); 2026-11-29T02:19:01Z");
  EXPECT_EQ(used_metadata(used).at("planned_steps"), "5000");
  used.weights = {"w.safetensors", WeightsUsed::raw, std::nullopt, "abc"};
  EXPECT_EQ(used_metadata(used), (std::map<std::string, std::string>{{"weights", "w.safetensors"},
                                                                     {"weights_hash", "abc"},
                                                                     {"data", "packs/val"},
                                                                     {"data_fingerprint", "def"},
                                                                     {"date", "2026-11-29T02:19:01Z"}}));
}

}  // namespace
}  // namespace vitrail::trainer
