// What a command line is refused with: the key, the value, what was expected, and where it was given.
#include <gtest/gtest.h>

#include "datasets/packing/pack_sources.hpp"
#include "launcher/cli/command_line.hpp"
#include "tests/unit/launcher/parsing.hpp"

namespace vitrail::launcher {
namespace {

struct Case {
  std::vector<std::string> words;
  std::string message;
};

TEST(CommandLineErrors, NameKeyValueAndWhatIsExpected) {
  const std::vector<Case> cases = {
      {{"--run.lanez", "4"}, "2 command line: --run.lanez: unknown key; nearest known key: run.lanes"},
      {{"--lanes=4"}, "2 command line: --lanes: unknown key; nearest known key: run.lanes"},
      {{"--run.lanes", "x"},
       "2 command line: --run.lanes x: expected a whole number, 1 to 65536, a power of two"},
      {{"--run.lanes", "3"},
       "2 command line: --run.lanes 3: expected a whole number, 1 to 65536, a power of two"},
      {{"--run.lanes", "4x"},
       "2 command line: --run.lanes 4x: expected a whole number, 1 to 65536, a power of two"},
      {{"--run.lanes"},
       "2 command line: --run.lanes: a value is missing: expected a whole number, 1 to 65536, "
       "a power of two"},
      {{"--run.name", "--run.lanes", "4"},
       "2 command line: --run.name: a value is missing: expected letters, digits, '.', '_' and '-' only"},
      {{"--run.name", ".."},
       "2 command line: --run.name ..: expected letters, digits, '.', '_' and '-' only"},
      {{"--data.global_batch_size", "-5"},
       "2 command line: --data.global_batch_size -5: expected a whole number, 1 to 1048576 images"},
      {{"--run.steps", "99999999999999999999"},
       "2 command line: --run.steps 99999999999999999999: expected a whole number, 0 to 1000000000000 steps"},
      {{"--run.seed", "-1"},
       "2 command line: --run.seed -1: expected a whole number, 0 to 18446744073709551615"},
      {{"--optimizer.lr", "0"}, "2 command line: --optimizer.lr 0: expected a number, > 0"},
      {{"--optimizer.lr", "nan"}, "2 command line: --optimizer.lr nan: expected a number, > 0"},
      {{"--optimizer.eps", "1e-50"}, "2 command line: --optimizer.eps 1e-50: expected a number, >= 1e-30"},
      {{"--optimizer.beta2", "1"}, "2 command line: --optimizer.beta2 1: expected a number, >= 0, < 1"},
      {{"--checkpoint.keep_last", "1"},
       "2 command line: --checkpoint.keep_last 1: expected a whole number, 2 to 1000000 checkpoints"},
      {{"--model.layer_scale", "11"}, "2 command line: --model.layer_scale 11: expected a number, 0 to 10"},
      {{"--model.activation_checkpointing", "every:0"},
       "2 command line: --model.activation_checkpointing every:0: expected none, attention, block or "
       "every:K"},
      {{"--augment.flip", "yes"}, "2 command line: --augment.flip yes: expected true or false"},
      {{"--schedule.name", "poly"},
       "2 command line: --schedule.name poly: expected cosine, linear, step or constant"},
      {{"--schedule.warmup", "5"},
       "2 command line: --schedule.warmup 5: expected a length in epochs or steps: 5ep, 1000st"},
      {{"--schedule.warmup", "5min"},
       "2 command line: --schedule.warmup 5min: expected a length in epochs or steps: 5ep, 1000st"},
      {{"--sharding.timeout", "5st"},
       "2 command line: --sharding.timeout 5st: expected a time: 30s, 10min, 2h; 0s: no limit"},
      {{"--sharding.stage", "3"},
       "2 command line: --sharding.stage 3: weights are not sharded yet: expected a whole number, 0 to 2"},
      {{"--data.train", "a#b"},
       "2 command line: --data.train a#b: expected UTF-8 text without '#', line breaks or blanks at its "
       "ends"},
      {{"--data.mean", "0.5"},
       "2 command line: --data.mean 0.5: expected three numbers between commas, each 0 to 1"},
      {{"--data.mean", "123.675,116.28,103.53"},
       "2 command line: --data.mean 123.675,116.28,103.53: a pixel is meant between 0 and 1, not 0 and 255: "
       "divide by 255: expected three numbers between commas, each 0 to 1"},
      {{"--data.std", "0.5,0,0.5"},
       "2 command line: --data.std 0.5,0,0.5: expected three numbers between commas, each 1e-6 to 1"},
      {{"--data.train", "tensor:a.safetensors", "--data.mean", "0.5,0.5,0.5"},
       "2 command line: --data.mean: nothing uses this without images that are decoded (tensor: is used as "
       "it is)"},
      {{"--print-config=3"}, "2 command line: --print-config stands alone: it takes no value"},
      {{"--source", "x"}, "2 command line: --source: `vitrail train` does not use this; it is of pack"},
      {{"extra"},
       "2 command line: extra: a word without a key that nothing takes; usage: vitrail train "
       "[--config FILE ...] [--section.key VALUE ...]"},
      {{"--config", "missing.cfg"}, "2 command line: --config missing.cfg: there is no such file"}};
  for (const Case& c : cases) EXPECT_EQ(refusal(minimal_training() + c.words), c.message);
}

TEST(CommandLineErrors, OfCommands) {
  EXPECT_EQ(
      refusal({"trian"}),
      "2 command line: unknown command trian; nearest known command: train (vitrail --help lists them)");
  EXPECT_EQ(refusal({"pack", "--output", "x"}),
            "2 command line: `vitrail pack` needs --source SPEC: what to pack: " + datasets::source_forms());
  EXPECT_EQ(refusal({"train"}),
            "2 command line: `vitrail train` needs data.train SOURCE: images to train on: a pack's folder; "
            "as they lie folder:DIR, images:DIR, wds:TARS, csv:LIST, flat:DIR,LABELS, inaturalist:JSON or "
            "idx:IMAGES,LABELS; tensor:FILE.safetensors or synthetic:IMAGES,CLASSES,SIZE");
  EXPECT_EQ(
      refusal({"pack", "--run.lanes", "4"}),
      "2 command line: --run.lanes: `vitrail pack` does not use this; it is of launch, train, plan, eval, "
      "features, doctor");
  EXPECT_EQ(refusal({"pack", "--config", "missing.cfg"}),
            "2 command line: --config: `vitrail pack` does not use this; it is of launch, "
            "train, plan, eval, predict, models, bench, import, preview, features, attention, "
            "doctor");
  EXPECT_EQ(refusal({"verify"}), "2 command line: too few words; usage: vitrail verify PACK [options]");
  EXPECT_EQ(refusal({"eval", "--data", "x"}),
            "2 command line: `vitrail eval` needs the weights to evaluate: --checkpoint DIR or "
            "--model.weights FILE");
  EXPECT_EQ(refusal({"checkpoint", "has", "x"}),
            "2 command line: checkpoint has: expected list, verify, hash or compare");
  EXPECT_EQ(refusal({"checkpoint", "compare", "x"}),
            "2 command line: checkpoint compare: expected two paths, got 1");
  EXPECT_EQ(refusal({"checkpoint", "list", "x", "y"}),
            "2 command line: checkpoint list: expected one path, got 2");
  EXPECT_EQ(parse_command_line({"checkpoint", "hash", "x", "y", "z"}).arguments.size(), 3U);
}

TEST(CommandLineErrors, TwoThingsToPrint) {
  EXPECT_EQ(refusal(minimal_training() + std::vector<std::string>{"--print-config", "--print-schedule"}),
            "2 command line: --print-schedule and --print-config: each does nothing else; leave one out");
  EXPECT_EQ(refusal({"launch", "--check", "--doctor"}),
            "2 command line: --doctor and --check: each does nothing else; leave one out");
}

TEST(CommandLineErrors, OfFilesNameTheLine) {
  const auto told = [](const std::string& text) {
    const std::string file = config_file(text);
    const std::string message = refusal({"train", "--config", file});
    const std::size_t at = message.find(file);
    return at == std::string::npos ? message : message.substr(at + file.size() - 5);
  };
  EXPECT_EQ(told("[run]\n\nlanez = 4\n"), "a.cfg:3: run.lanez: unknown key; nearest known key: run.lanes");
  EXPECT_EQ(told("lanes = 4\n"), "a.cfg:1: lanes: unknown key; nearest known key: run.lanes");
  EXPECT_EQ(told("[run]\nlanes = 0\n"),
            "a.cfg:2: run.lanes = 0: expected a whole number, 1 to 65536, a power of two");
  EXPECT_EQ(told("[run]\nlanes = \n"),
            "a.cfg:2: run.lanes = : expected a whole number, 1 to 65536, a power of two");
  EXPECT_EQ(told("[run]\nlanes 4\n"), "a.cfg:2: lanes 4: expected [section], key = value or # comment");
  EXPECT_EQ(told("[run\nlanes = 4\n"), "a.cfg:1: [run: expected [section], key = value or # comment");
  EXPECT_EQ(told("[optimizer]\nlr = 0.1\n[run]\nsteps = 1\n[optimizer]\nlr = 0.2\n").substr(0, 55),
            "a.cfg:6: optimizer.lr: set twice in this file, first at");
  EXPECT_EQ(told("source = x\n"), "a.cfg:1: source: a flag of the command line, no setting");
  // Values of other commands' keys are checked too: the file is one record.
  EXPECT_EQ(told("[launch]\nvia = ssh\n"), "a.cfg:2: launch.via = ssh: expected auto, srun or mpirun");
}

TEST(CommandLineErrors, SettingsThatNothingUses) {
  const std::vector<Case> cases = {
      {{"--schedule.name", "constant", "--schedule.min_lr", "1e-5"},
       "2 command line: --schedule.min_lr: nothing uses this when schedule.name = constant (it needs "
       "schedule.name = cosine or linear)"},
      {{"--schedule.decay_every", "3ep"},
       "2 command line: --schedule.decay_every: nothing uses this when schedule.name = cosine (it needs "
       "schedule.name = step)"},
      {{"--schedule.base_batch", "256"},
       "2 command line: --schedule.base_batch: nothing uses this when schedule.scale_lr = off (it needs "
       "schedule.scale_lr = linear or sqrt)"},
      {{"--schedule.drop_path_start", "0"},
       "2 command line: --schedule.drop_path_start: nothing uses this when model.drop_path = 0 (it needs a "
       "model.drop_path above 0)"},
      {{"--images", "1000"}, "2 command line: --images: nothing uses this without --print-schedule"},
      {{"--schedule.warmup_lr", "1e-5"},
       "2 command line: --schedule.warmup_lr: nothing uses this when schedule.warmup = 0st (it needs a "
       "schedule.warmup "
       "above 0)"},
      {{"--evaluate.every", "1ep"},
       "2 command line: --evaluate.every: nothing uses this when data.val is empty (it needs data.val)"},
      {{"--optimizer.name", "adamw", "--optimizer.lamb_max_grad_norm", "2"},
       "2 command line: --optimizer.lamb_max_grad_norm: nothing uses this when optimizer.name = adamw (it "
       "needs "
       "optimizer.name = lamb)"},
      {{"--augment.crop", "none", "--augment.crop_min_area", "0.3"},
       "2 command line: --augment.crop_min_area: nothing uses this when augment.crop = none (it needs "
       "augment.crop = "
       "rrc)"},
      {{"--augment.three_augment", "true", "--augment.randaugment", "rand-m9"},
       "2 command line: --augment.randaugment: nothing uses this when augment.three_augment = true (it needs "
       "augment.three_augment = false)"},
      {{"--augment.random_erasing_mode", "rand"},
       "2 command line: --augment.random_erasing_mode: nothing uses this when augment.random_erasing = 0 (it "
       "needs "
       "an augment.random_erasing above 0)"},
      {{"--augment.mix_mode", "pair"},
       "2 command line: --augment.mix_mode: nothing uses this without augment.mixup or augment.cutmix above "
       "0"},
      {{"--augment.mixup", "0.8", "--augment.switch_probability", "0.3"},
       "2 command line: --augment.switch_probability: nothing uses this without augment.mixup and "
       "augment.cutmix "
       "above 0"},
      {{"--data.train", "tensor:a.safetensors", "--augment.flip", "true"},
       "2 command line: --augment.flip: nothing uses this when data.train = tensor:a.safetensors (it needs a "
       "data.train "
       "other than tensor:)"}};
  for (const Case& c : cases) EXPECT_EQ(refusal(minimal_training() + c.words), c.message);
  EXPECT_EQ(refusal({"checkpoint", "list", "x", "--part", "weights"}),
            "2 command line: --part: nothing uses this without `checkpoint hash`");
  EXPECT_EQ(refusal({"launch", "--data.train", "a", "--run.steps", "1", "--launch.via", "mpirun",
                     "--launch.srun_args", "-c 2"}),
            "2 command line: --launch.srun_args: nothing uses this when launch.via = mpirun (it needs "
            "launch.via = auto "
            "or srun)");
  // Set in a file and made useless by a flag: the line of the file is named.
  const std::string file = config_file("[schedule]\nmin_lr = 0\n");
  EXPECT_EQ(
      refusal(minimal_training() + std::vector<std::string>{"--config", file, "--schedule.name", "constant"}),
      "2 " + file +
          ":2: schedule.min_lr: nothing uses this when schedule.name = constant (it needs schedule.name = "
          "cosine or linear)");
}

// What files say of evaluations goes with data.val, and means nothing any more.
TEST(CommandLineErrors, WithoutValidationWhatFilesSayOfItIsDropped) {
  const std::string file = config_file(
      "[data]\nval = packs/val\n[evaluate]\nevery = 2ep\nprotocol = knn\nfeatures = projection\nweights = "
      "ema\n[checkpoint]\nkeep_best = loss\n");
  const auto with = [&](const std::vector<std::string>& more) {
    return refusal(minimal_training() + std::vector<std::string>{"--config", file} + more);
  };
  EXPECT_EQ(with({"--data.val", ""}), "");
  const CommandLine line =
      parse_command_line(minimal_training() + std::vector<std::string>{"--config", file, "--data.val", ""});
  EXPECT_EQ(line.config.checkpoint.keep_best, trainer::BestBy::none);
  EXPECT_EQ(line.config.evaluation.features, "head");
  // Frozen, as sweeps have it, an empty line does the same; other keys do not.
  const std::string frozen = config_file("[data]\nval =\n[evaluate]\nevery = 2ep\n", "frozen.cfg");
  EXPECT_EQ(refusal(minimal_training() + std::vector<std::string>{"--config", frozen}), "");
  const std::string start = config_file("[model]\nweights = w\n[finetune]\nweights = ema\n", "start.cfg");
  EXPECT_NE(refusal(minimal_training() + std::vector<std::string>{"--config", start, "--model.weights", ""}),
            "");
  EXPECT_EQ(with({"--data.val", "", "--evaluate.every", "1ep"}).substr(0, 36),
            "2 command line: --evaluate.every: no");
}

TEST(CommandLineErrors, WarmingUpToAConstantIsAllowed) {
  EXPECT_EQ(refusal(minimal_training() + std::vector<std::string>{"--schedule.name", "constant",
                                                                  "--schedule.warmup", "5st",
                                                                  "--schedule.warmup_lr", "1e-5"}),
            "");
}

TEST(CommandLineErrors, MixingOfTensorsIsAllowed) {
  EXPECT_EQ(refusal(minimal_training() +
                    std::vector<std::string>{"--data.train", "tensor:a", "--augment.mixup", "0.8"}),
            "");
}

TEST(CommandLineErrors, MoreRanksThanLanes) {
  EXPECT_EQ(refusal({"launch", "-n", "3", "--data.train", "a", "--run.steps", "1", "--run.lanes", "2"}),
            "78 --ranks 3 with run.lanes = 2: a rank without a lane would have nothing to do; start at most "
            "2 ranks, or "
            "choose more lanes for a new run");
}

TEST(CommandLineErrors, SeveralRanksInAWorldOfOne) {
  EXPECT_EQ(refusal({"launch", "-n", "2", "--data.train", "a", "--run.steps", "1", "--run.lanes", "2",
                     "--sharding.communicator", "local"}),
            "78 sharding.communicator = local cannot join 2 ranks");
}

}  // namespace
}  // namespace vitrail::launcher
